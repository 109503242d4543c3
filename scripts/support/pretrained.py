"""From ``--model`` and ``--weights`` to a model: where its values come from, and how pictures are prepared for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework import nn
from framework.errors import ArgumentError, StateError, nearest
from hub import Weights, create, get_model_weights, get_weights, list_models, load_pretrained
from support import run as runs
from support.preparation import Preparation

ENDINGS = (".pth", ".pt", ".safetensors", ".bin", ".th", ".npz", ".ckpt")  # of files of weights
SMALL_PICTURES = 32  # data sets of pictures up to this size train the small net by default


@dataclass
class Source:
    """Weights to start from.

    Args:
        weights: an entry, a path, or None for a model as initialised.
        preparation: how pictures are prepared for them, if they say so.
        config: the builder's arguments that go with them.
    """

    weights: Weights | Path | None = None
    preparation: Preparation | None = None
    config: dict[str, Any] | None = None


def find(args: Any) -> Source:
    """What ``--weights`` names; ``args.model`` is settled where the weights say which model they are of.

    Raises:
        ArgumentError, FileNotFoundError: there are no such weights, or no such model.
    """
    name = args.weights
    if args.model is not None and args.model not in list_models():
        raise ArgumentError(
            f"unknown model {args.model!r}{nearest(args.model, list_models()) or '; see hub.list_models()'}"
        )
    if name == "none":
        return Source()
    path = Path(name)
    folder = path if path.is_dir() else path.parent
    if path.exists() and (folder / runs.SETTINGS).is_file():
        settings = runs.read_settings(folder)
        if settings["task"] != "image-classification":
            raise ArgumentError(f"--weights {name}: of a run on something else than pictures")
        args.model = args.model or settings["model"]
        kept = {k: v for k, v in settings["model_config"].items() if k not in ("num_classes", "in_channels")}
        return Source(folder / runs.WEIGHTS if path.is_dir() else path, Preparation(**settings["preparation"]), kept)
    if not path.exists() and (os.sep in name or path.suffix in ENDINGS):
        raise FileNotFoundError(f"--weights {name}: there is no such file; give a file of weights, or none")
    if args.model is None and not path.exists() and "." in name and name.split(".")[0] in list_models():
        args.model = name.split(".")[0]
    if args.model is None:
        raise ArgumentError(f"--weights {name}: say which model they are of with --model")
    if path.exists():
        return Source(path, _published(args.model))
    entry = get_weights(name if name.startswith(f"{args.model}.") else f"{args.model}.{name}")
    return Source(entry, Preparation.of_weights(entry.transforms()), dict(entry.config))


def _published(model: str) -> Preparation | None:
    """How pictures are prepared for the published weights of a model, as is likely for a file of weights of it."""
    try:
        return Preparation.of_weights(get_model_weights(model)["DEFAULT"].transforms())
    except ArgumentError:
        return None


def build(args: Any, source: Source, preparation: Preparation, classes: int) -> tuple[Any, dict[str, Any]]:
    """The model on its device, and the configuration that builds it again."""
    args.model = args.model or ("small_cnn" if preparation.size <= SMALL_PICTURES else "resnet18")
    config = {**(source.config or {}), "num_classes": classes}
    if preparation.channels != 3 or args.model == "small_cnn":
        config["in_channels"] = preparation.channels
    with nn.init.skipped():  # a net whose position embeddings are for pictures of one size says so
        fixed = getattr(create(args.model, **config), "image_size", preparation.size)
    if fixed != preparation.size:
        config["image_size"] = preparation.size
    model = create(args.model, **config)
    if source.weights is not None:
        try:
            print(f"{args.weights}: {load_pretrained(model, source.weights)}")
        except StateError as error:
            raise ArgumentError(f"--weights {args.weights}: {error}") from None
    return model.to(args.device), config
