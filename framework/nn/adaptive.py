"""Softmax over very many classes in clusters of falling frequency."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from framework.errors import ArgumentError, ShapeError
from framework.nn.containers import ModuleList, Sequential
from framework.nn.linear import Linear
from framework.nn.module import Module
from framework.ops.joining import cat
from framework.ops.loss_classes import nll_loss
from framework.ops.softmax import log_softmax


class AdaptiveOutput(NamedTuple):
    """What ``AdaptiveLogSoftmaxWithLoss`` gives: the log-probability of each target, and the mean loss."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """An approximate softmax for large vocabularies: frequent classes in a short list, rare ones in small clusters.

    Classes must be numbered by falling frequency. The head scores the short list and each cluster; a cluster scores its
    own classes on a projection that is ``div_value`` times narrower than the cluster's before it.

    Args:
        in_features: length of the input's last dim.
        n_classes: number of classes.
        cutoffs: where the clusters begin, rising, each between 1 and ``n_classes - 1``.
        div_value: how much narrower each cluster's projection is.
        head_bias: whether the head has a bias.

    Shape:
        input (N, in_features) or (in_features,), target (N,) or () -> output (N,) or (), loss ().

    Reference: https://arxiv.org/abs/1609.04309
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0,
        head_bias: bool = False, device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        cutoffs = list(cutoffs)
        rising = all(a < b for a, b in pairwise([0, *cutoffs, n_classes]))
        if not cutoffs or not rising or any(int(c) != c for c in cutoffs):
            raise ArgumentError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of unique, positive integers sorted in an "
                f"increasing order, where each value is between 1 and n_classes-1 = {n_classes - 1}; got {cutoffs}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (start, stop) in enumerate(pairwise(self.cutoffs)):
            width = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, device=device, dtype=dtype),
                    Linear(width, stop - start, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        self.head.reset_parameters()
        layers: Any = [layer for cluster in self.tail for layer in cluster.children()]
        for layer in layers:
            layer.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> AdaptiveOutput:
        """The log-probability of each target and the mean loss."""
        name = "AdaptiveLogSoftmaxWithLoss"
        if (
            target_.ndim > 1
            or input_.ndim != target_.ndim + 1
            or (target_.ndim and input_.shape[0] != target_.shape[0])
        ):
            raise ShapeError(
                f"{name}: expected input (N, {self.in_features}) with target (N,), or ({self.in_features},) with a 0-d "
                f"target; got {tuple(input_.shape)} and {tuple(target_.shape)}"
            )
        single = target_.ndim == 0
        input, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if single else (input_, target_)
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < self.n_classes:
            raise ArgumentError(
                f"{name}: target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{int(target.min())}, {int(target.max())}] were found"
            )
        in_head = target.clone()
        parts, rows = [], []
        for i, (start, stop) in enumerate(pairwise(self.cutoffs)):
            members = (target >= start) & (target < stop)
            if not bool(members.any()):
                continue
            in_head = in_head.masked_fill(members, self.shortlist_size + i)
            scores = log_softmax(self.tail[i](input[members]), 1)
            parts.append(-nll_loss(scores, target[members] - start, reduction="none"))
            rows.append(members.nonzero().squeeze(1))
        output = -nll_loss(log_softmax(self.head(input), 1), in_head, reduction="none")
        if parts:
            output = output.index_add(0, cat(rows), cat(parts))
        loss = (-output).mean()
        return AdaptiveOutput(output.squeeze(0) if single else output, loss)

    def _full(self, input: Any, head_output: Any) -> Any:
        head = log_softmax(head_output, 1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(log_softmax(tail(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return cat(parts, 1)

    def log_prob(self, input: Any) -> Any:
        """The log-probabilities (N, n_classes) of all classes."""
        return self._full(input, self.head(input))

    def predict(self, input: Any) -> Any:
        """The most probable class (N,) of each row; clusters are computed only for the rows whose head prefers one."""
        scores = self.head(input)
        best = scores.argmax(1)
        rare = best >= self.shortlist_size
        if not bool(rare.any()):
            return best
        best = best.clone()
        best[rare] = self._full(input[rare], scores[rare]).argmax(1)
        return best
