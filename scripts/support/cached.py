"""Training a head on features that are computed once: for a frozen backbone, which gives the same ones in every epoch."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import framework as F
from framework import nn
from framework.data import DataLoader, Dataset
from framework.errors import ArgumentError
from hub import head_of
from support import mixed
from support.console import progress
from support.placing import pinned


class Tail(nn.Module):
    """What a classifier does after its frozen part: the child of the model that holds the head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.child = getattr(model, child_of(model))

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of features."""
        return self.child(x).flatten(1)


def forward(tail: Tail, x: Any, device: str) -> Any:
    """Class scores (N, num_classes) of features."""
    return tail(x.to(device, non_blocking=True))


class Views(Dataset):
    """Features (N, views, ...) and targets: a sample is one of its views, each with the same chance."""

    def __init__(self, features: Any, targets: Any) -> None:
        self.features, self.targets = features, targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        views = self.features[index]
        return views[int(F.randint(len(views), (1,)))], self.targets[index]


def child_of(model: nn.Module) -> str:
    """The name of the model's direct child that holds the head."""
    return head_of(model)[0].split(".")[0]


def loaders(model: nn.Module, task: Any, args: Any) -> tuple[DataLoader, DataLoader]:
    """Batches of features to train on, in a new order each epoch, and to measure."""
    train = Views(*_compute(model, task, task.train, args, args.cache_features, "training"))
    test = Views(*_compute(model, task, task.test, args, 1, task.held_out))
    uneven = len(train) > args.batch_size and len(train) % args.batch_size == 1
    loader = DataLoader(
        train, args.batch_size, shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0,
        pin_memory=pinned(args.device), drop_last=uneven,  # a batch of one sample has no statistics for batch norm
    )  # fmt: skip
    tests = DataLoader(test, max(args.batch_size, 200), num_workers=args.workers, pin_memory=pinned(args.device))
    return loader, tests


def _compute(model: nn.Module, task: Any, dataset: Any, args: Any, views: int, label: str) -> tuple[Any, Any]:
    """(features (N, views, ...), targets (N)): what comes into the head's part for each sample of a data set.

    Raises:
        ArgumentError: the model does more after that part than to flatten, or features are not of one shape.
    """
    inputs: list[Any] = []
    name = child_of(model)
    collected, targets = [], []
    handle = getattr(model, name).register_forward_pre_hook(
        lambda module, arguments: inputs.append(arguments[0].clone())
    )
    loader = task.test_loader(dataset, args)
    model.eval()
    try:
        with F.no_grad():
            for view in range(views):
                title = f"features of the {label} {task.samples}, view {view + 1}/{views}"
                for x, y in progress(iter(loader), len(loader), title):
                    with mixed.autocast(args):
                        out = task.forward(model, x, args.device)
                    if not collected:
                        _check(model, name, out, inputs[-1], args)
                        _check_memory(inputs[-1], len(dataset) * views)
                    elif inputs[-1].shape[1:] != collected[0].shape[1:]:
                        raise ArgumentError(
                            f"--cache-features: what comes into {name!r} of {type(model).__name__} is not of one shape; "
                            "leave it out"
                        )
                    collected.append(inputs.pop().cpu())
                    if view == 0:
                        targets.append(y)
    finally:
        handle.remove()
    found = F.cat(collected)
    return found.unflatten(0, (views, -1)).transpose(0, 1), F.cat(targets)


def _check_memory(batch: Any, samples: int) -> None:
    needed = batch.nbytes // len(batch) * samples
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else needed * 3
    if needed > there // 3:
        raise ArgumentError(
            f"--cache-features: the features would take {needed / 2**30:.1f} GB of this machine's {there / 2**30:.1f}; "
            "leave it out"
        )


def _check(model: nn.Module, name: str, out: Any, x: Any, args: Any) -> None:
    with F.no_grad(), mixed.autocast(args):
        again = Tail(model).eval()(x)
    same = tuple(again.shape) == tuple(out.shape)
    if not same or not np.allclose(again.float().cpu().numpy(), out.float().cpu().numpy(), atol=1e-5):
        raise ArgumentError(
            f"--cache-features: {type(model).__name__} does more than to flatten after {name!r}; leave it out"
        )
