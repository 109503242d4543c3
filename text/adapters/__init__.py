"""Low-rank adapters: put on a model, trained, merged, and kept in PEFT's layout."""

from text.adapters.config import LoraConfig
from text.adapters.files import adapter_state_dict, load_adapter, save_adapter
from text.adapters.layer import LoraLayer
from text.adapters.lora import (
    add_lora,
    disabled,
    lora_layers,
    merge,
    merge_and_unload,
    merged_state_dict,
    unload,
    unmerge,
)
