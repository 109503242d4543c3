"""Pretrained weights and the registry of models: names, verified downloads, and fitting weights to a model."""

from hub.download import DownloadError, download, verify
from hub.fitting import Fit, freeze, head_of, load_pretrained, read_state_dict
from hub.registry import create, list_models, refuse_weights, register_model
