"""Pretrained weights and the registry of models: names, verified downloads, and fitting weights to a model."""

from hub.download import DownloadError, download, verify
from hub.registry import create, list_models, register_model
