"""Pretrained weights and the registry of models: names, verified downloads, and fitting weights to a model."""

from hub import huggingface
from hub.cache import get_dir, set_dir
from hub.download import DownloadError, download
from hub.fitting import Fit, FitRules, fit_channels, head_of, load_pretrained, rules_of
from hub.freezing import freeze, layers_of, param_groups, unfreeze
from hub.from_url import download_url_to_file, load_state_dict_from_url
from hub.hashes import verify
from hub.registry import (
    create,
    describe,
    get_model_builder,
    get_model_weights,
    get_weight,
    get_weights,
    list_models,
    list_weights,
    register_model,
    register_weights,
)
from hub.saving import save_state_dict, save_torch
from hub.state_files import load_state_dict, read_checkpoint
from hub.weights import Weights, WeightsEnum
