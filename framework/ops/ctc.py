"""Connectionist temporal classification: the loss of a label sequence that is not aligned with its input.

The recursions over time run in float64 on log-probabilities, all samples of a batch at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.composition import gradients_of
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.joining import cat, stack
from framework.ops.loss import reduction_of
from framework.ops.selection import where
from framework.ops.softmax import log_softmax
from framework.tensor import Tensor

_NEVER = -1e30  # a log-probability that stands for zero where gradients must stay finite


class Lattice:
    """Where the labels of a batch may stand in time: the labels with blanks around them, and the lengths.

    Attributes:
        labels: (N, L) class at each place, blank at the even ones; L = 2 * longest target + 1.
        skips: (N, L) whether a place can be reached from two places before: from one label to a different one.
        lengths: (N,) time steps of each sample.
        last: (N,) the last place of each sample, the blank after its last label.
    """

    def __init__(self, xp: Any, padded: Any, input_lengths: Any, target_lengths: Any, blank: int) -> None:
        count, longest = padded.shape
        self.labels = xp.full((count, 2 * longest + 1), blank, np.intp)
        inside = xp.arange(longest) < target_lengths[:, None]
        self.labels[:, 1::2] = xp.where(inside, padded, blank)
        self.skips = xp.zeros(self.labels.shape, bool)
        self.skips[:, 3::2] = self.labels[:, 3::2] != self.labels[:, 1:-2:2]
        self.lengths = input_lengths
        self.last = 2 * target_lengths
        self.places = xp.arange(self.labels.shape[1])

    def at_labels(self, xp: Any, log_probs: Any) -> Any:
        """(T, N, L): the log-probability of each place's class."""
        index = xp.broadcast_to(self.labels, (log_probs.shape[0], *self.labels.shape))
        return xp.take_along_axis(log_probs, index, 2)

    def ends(self) -> Any:
        """(N, L): the places where a path may end."""
        return (self.places == self.last[:, None]) | (self.places == self.last[:, None] - 1)


class CtcLoss(Op):
    """The negative log-likelihood of each sample: forward (alpha) and backward (beta) recursions.

    As in PyTorch the gradient takes ``log_probs`` for the output of ``log_softmax`` and holds that function's part:
    ``exp(log_probs) - occupancy``.
    """

    def forward(self, log_probs: Any, lattice: Lattice, zero_infinity: bool) -> Any:
        xp = array_module(log_probs)
        self.lattice, self.zero_infinity = lattice, zero_infinity
        lp = lattice.at_labels(xp, log_probs.astype(np.float64))
        steps, count, places = lp.shape
        alpha = xp.full((steps, count, places), -np.inf)
        if steps:
            alpha[0, :, :2] = xp.where(lattice.places[:2] <= lattice.last[:, None], lp[0, :, :2], -np.inf)
        for t in range(1, steps):
            alpha[t] = _merge(xp, alpha[t - 1], lattice.skips) + lp[t]
        rows = xp.arange(count)
        final = alpha[xp.maximum(lattice.lengths - 1, 0), rows] if steps else xp.full((count, places), -np.inf)
        final = xp.where(lattice.ends(), final, -np.inf)
        top = xp.maximum(final.max(axis=1), -1e300)  # finite also where no path ends
        likelihood = top + xp.log(xp.exp(final - top[:, None]).sum(axis=1))
        empty = lattice.lengths == 0
        loss = -xp.where(empty, xp.where(lattice.last == 0, 0.0, -np.inf), likelihood)
        if self.needs[0]:
            self.save(log_probs)
            self.alpha, self.loss = alpha, loss
        if zero_infinity:
            loss = xp.where(loss == np.inf, 0.0, loss)
        return loss.astype(log_probs.dtype)

    def backward(self, g: Any) -> Any:
        (log_probs,) = self.saved
        if isinstance(g, Tensor):
            return gradients_of(self._composition, (log_probs,), g)[0]
        xp = array_module(log_probs)
        lattice = self.lattice
        lp = lattice.at_labels(xp, log_probs.astype(np.float64))
        steps = lp.shape[0]
        start = xp.where(lattice.ends(), 0.0, -np.inf)
        beta = xp.full(lp.shape[1:], -np.inf)  # what follows a place, its own log-probability left out
        occupancy = xp.zeros(log_probs.shape)
        rows = xp.arange(lp.shape[1])[:, None]
        for t in range(steps - 1, -1, -1):
            beta = xp.where((lattice.lengths == t + 1)[:, None], start, beta)
            share = xp.exp(self.alpha[t] + beta + self.loss[:, None])
            xp.add.at(occupancy[t], (rows, lattice.labels), xp.where(xp.isnan(share), 0.0, share))
            beta = _merge_back(xp, beta + lp[t], lattice.skips)
        d = (xp.exp(log_probs.astype(np.float64)) - occupancy) * g[:, None]
        beyond = xp.arange(steps)[:, None] >= lattice.lengths
        d[beyond] = 0
        impossible = self.loss == np.inf
        d[:, impossible] = 0 if self.zero_infinity else np.nan
        d[beyond] = 0
        return d.astype(log_probs.dtype)

    def _composition(self, log_probs: Any) -> Any:
        """The same loss in plain ops, with finite numbers for impossible places."""
        lattice, array = self.lattice, log_probs.array
        xp = array_module(array)
        steps, count, _ = array.shape
        index = (xp.arange(steps)[:, None, None], xp.arange(count)[None, :, None], lattice.labels[None])
        lp = log_softmax(log_probs, 2)[index]
        never = xp.full(lattice.labels.shape, _NEVER, array.dtype)
        alpha = where((lattice.places < 2) & (lattice.places <= lattice.last[:, None]), lp[0], never)
        total = alpha
        for t in range(1, steps):
            one = cat([alpha.detach()[:, :1] * 0 + _NEVER, alpha[:, :-1]], 1)
            two = cat([alpha.detach()[:, :2] * 0 + _NEVER, alpha[:, :-2]], 1)
            ways = stack([alpha, one, where(lattice.skips, two, never)])
            top = ways.detach().array.max(0)
            alpha = (ways - top).exp().sum(0).log() + top + lp[t]
            total = where((lattice.lengths == t + 1)[:, None], alpha, total)
        ends = where(lattice.ends(), total, never)
        top = ends.detach().array.max(1)
        loss = -((ends - top[:, None]).exp().sum(1).log() + top)
        possible = xp.isfinite(self.loss) & (lattice.lengths > 0)
        return where(possible, loss, 0.0)


def _shift(xp: Any, x: Any, by: int) -> Any:
    out = xp.full_like(x, -np.inf)
    if by > 0:
        out[:, by:] = x[:, :-by]
    else:
        out[:, :by] = x[:, -by:]
    return out


def _merge(xp: Any, alpha: Any, skips: Any) -> Any:
    """The ways to come to each place: stay, step on, or skip a blank."""
    ways = xp.logaddexp(alpha, _shift(xp, alpha, 1))
    if alpha.shape[1] > 2:
        ways = xp.logaddexp(ways, xp.where(skips, _shift(xp, alpha, 2), -np.inf))
    return ways


def _merge_back(xp: Any, beta: Any, skips: Any) -> Any:
    """The ways to go on from each place."""
    ways = xp.logaddexp(beta, _shift(xp, beta, -1))
    if beta.shape[1] > 2:
        ways = xp.logaddexp(ways, _shift(xp, xp.where(skips, beta, -np.inf), -2))
    return ways


def _lengths(name: str, value: Any, count: int, most: int | None) -> Any:
    lengths = np.asarray(value.numpy(force=True) if isinstance(value, Tensor) else value)
    if lengths.dtype.kind not in "iu":
        raise DtypeError(f"ctc_loss: {name} must be integral, got {lengths.dtype}")
    lengths = lengths.reshape(-1).astype(np.intp)
    if len(lengths) != count:
        raise ShapeError(f"ctc_loss: {name} must be of size batch_size {count}, got {len(lengths)}")
    if (lengths < 0).any():
        raise ArgumentError(f"ctc_loss: {name} must be non-negative, got {lengths.min()}")
    if most is not None and (lengths > most).any():
        raise ArgumentError(f"ctc_loss: expected {name} to have value at most {most}, got {lengths.max()}")
    return lengths


def ctc_loss(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: str = "mean",
    zero_infinity: bool = False
) -> Any:  # fmt: skip
    """The negative log-probability of all alignments of ``targets`` with the input.

    Args:
        log_probs: (T, N, C) or (T, C) log-probabilities of the classes at each time step, from ``log_softmax``.
        targets: (N, S) padded class indices, or all targets one after the other, (sum of target_lengths,).
        input_lengths: (N,) time steps of each sample, at most T.
        target_lengths: (N,) length of each target.
        blank: the class that stands for no label.
        reduction: "mean" divides each loss by its target's length, then averages over the batch.
        zero_infinity: count 0, also in the gradient, for a target too long for its input.

    Reference: https://www.cs.toronto.edu/~graves/icml_2006.pdf
    """
    if region() is not None:
        return recast(ctc_loss, locals())
    name = "ctc_loss"
    reduction = reduction_of(name, None, None, reduction)
    if log_probs.ndim not in (2, 3):
        raise ShapeError(f"{name}: expected log_probs (T, N, C) or (T, C), got {tuple(log_probs.shape)}")
    if not log_probs.dtype.is_floating_point:
        raise DtypeError(f"{name}: not implemented for {log_probs.dtype} log_probs; convert with .float()")
    if single := log_probs.ndim == 2:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.reshape(1, -1)
    steps, count, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise ArgumentError(f"{name}: blank must be in label range [0, {classes - 1}], got {blank}")
    index = targets.array if isinstance(targets, Tensor) else np.asarray(targets)
    if index.dtype.kind not in "iu":
        raise DtypeError(f"{name}: targets must be integral, got {index.dtype}")
    xp = array_module(log_probs.array)
    ins = _lengths("input_lengths", input_lengths, count, steps)
    outs = _lengths("target_lengths", target_lengths, count, index.shape[1] if index.ndim == 2 else None)
    longest = int(outs.max(initial=0))
    if index.ndim == 1:
        if len(index) != outs.sum():
            raise ShapeError(
                f"{name}: concatenated targets have length {len(index)}, target_lengths sum to {outs.sum()}"
            )
        starts = np.cumsum(outs) - outs
        inside = np.arange(longest) < outs[:, None]
        padded = xp.full((count, longest), blank, np.intp)
        padded[xp.asarray(inside)] = index[xp.asarray((starts[:, None] + np.arange(longest))[inside])]
    elif index.ndim == 2 and index.shape[0] == count:
        padded = index[:, :longest].astype(np.intp)
    else:
        raise ShapeError(f"{name}: expected targets ({count}, S) or one after the other, got {tuple(index.shape)}")
    used = padded[xp.asarray(np.arange(longest) < outs[:, None])]
    if used.size and not 0 <= int(used.min()) <= int(used.max()) < classes:
        raise ArgumentError(
            f"{name}: target class indices must be in [0, {classes - 1}], got {int(used.min())} to {int(used.max())}"
        )
    lattice = Lattice(xp, padded, xp.asarray(ins), xp.asarray(outs), blank)
    loss = apply(CtcLoss, log_probs, lattice=lattice, zero_infinity=zero_infinity)
    if reduction == "mean":
        return (loss / xp.asarray(np.maximum(outs, 1), log_probs.array.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if single else loss
