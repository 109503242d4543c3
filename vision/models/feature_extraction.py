"""``vision.features`` under torchvision's name for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framework import nn
from vision.extraction import FeatureExtractor, features


def create_feature_extractor(model: nn.Module, return_nodes: Sequence[str] | Mapping[str, str]) -> FeatureExtractor:
    """A model that gives the outputs of inner layers: ``features(model, return_nodes)``.

    Nodes are modules and their calls, by hooks; torchvision traces the model and knows functions as nodes too.
    """
    return features(model, return_nodes)


def get_graph_node_names(model: nn.Module) -> tuple[list[str], list[str]]:
    """The names that ``create_feature_extractor`` takes, in training and in evaluation, which are the same here."""
    names = [name for name, _ in model.named_modules() if name]
    return names, list(names)
