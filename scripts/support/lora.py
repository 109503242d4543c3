"""Low-rank adapters for the training scripts: ``--lora`` and what belongs to it.

A run's folder then holds the adapter alone in ``adapter`` too, in PEFT's layout; ``model.safetensors`` has it in the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from framework.io import save_file
from support import run as runs
from support.console import number
from support.recipe import refuse
from text.adapters import LoraConfig, add_lora, lora_layers, merged_state_dict, save_adapter

FOLDER = "adapter"
FLAGS = ("lora_alpha", "lora_dropout", "lora_targets")


def add_flags(add: Callable[..., Any]) -> None:
    """The flags of a command line; ``add`` is its ``add_argument``."""
    add(
        "--lora",
        type=number(int, 1),
        metavar="RANK",
        help="train adapters of this rank beside the model's weights, and new heads, instead of all weights; 8 is usual",
    )
    add(
        "--lora-alpha",
        type=number(float, 0),
        help="adapters are scaled by it over their rank; twice the rank unless given",
    )
    add(
        "--lora-dropout",
        type=number(float, 0, 0.99),
        help="share of an adapter's input that is dropped; 0 unless given",
    )
    add(
        "--lora-targets",
        nargs="+",
        metavar="NAME",
        help="ends of names of the layers that get one, or all-linear; what is usual for the family unless given",
    )


def settle(args: Any) -> None:
    """Refuse what does not go together, and fill in what the command line left open.

    Raises:
        ArgumentError: so it is.
    """
    if args.lora is None:
        refuse(args, "goes with --lora", *FLAGS)
        return
    if args.lora_alpha is None:
        args.lora_alpha = 2.0 * args.lora
    if args.lora_dropout is None:
        args.lora_dropout = 0.0


def put_on(model: Any, args: Any, task_type: str) -> None:
    """Give a model its adapters, if ``--lora`` asks for them; its head is trained whole.

    Args:
        model: is changed.
        args: the command line.
        task_type: what PEFT calls the task.

    Raises:
        ArgumentError: the model has no layers of such names.
    """
    if args.lora is None:
        return
    targets = args.lora_targets
    trunk = model.base_model
    heads = [
        name
        for name, child in model.named_children()
        if child is not trunk and any(True for _ in child.parameters()) and child is not model.get_output_embeddings()
    ]
    config = LoraConfig(
        r=args.lora,
        lora_alpha=args.lora_alpha,
        lora_dropout=args.lora_dropout,
        target_modules=targets[0]
        if targets is not None and len(targets) == 1 and targets[0] == "all-linear"
        else targets,
        modules_to_save=heads if task_type == "SEQ_CLS" else None,
        task_type=task_type,
        base_model_name_or_path=args.model,
    )
    try:
        add_lora(model, config)
    except ArgumentError as error:
        raise ArgumentError(f"--lora {args.lora}: {error}") from None


def save_weights(folder: Path, model: Any) -> None:
    """The model's weights as a safetensors file, adapters put into them; and the adapters alone, where there are some."""
    if not lora_layers(model):
        runs.save_weights(folder, model)
        return
    save_file(merged_state_dict(model), folder / runs.WEIGHTS, {"format": "pt"})
    save_adapter(model, folder / FOLDER)
