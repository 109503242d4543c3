"""Batch norm and instance norm layers, with their running statistics."""

from __future__ import annotations

import warnings
from typing import Any

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.autograd.views import bump
from framework.nn import init
from framework.nn.lazy import LazyModuleMixin
from framework.nn.module import Module
from framework.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from framework.ops.batch_norm import batch_norm, batch_norm_relu
from framework.ops.creation import empty, ones, zeros
from framework.ops.norm import instance_norm
from framework.ops.values import tensor


class _NormBase(Module):
    """Weight and bias a channel, and running statistics.

    Args:
        num_features: the number of channels.
        eps: added to the variance.
        momentum: the share of the batch in the running statistics; None averages over all batches alike.
        affine: whether to learn a weight and a bias a channel.
        track_running_stats: whether to keep running statistics; without, the input's own serve in evaluation too.
        bias: whether ``affine`` includes a bias.
    """

    _version = 2
    allowed: tuple[int, ...] = ()  # the numbers of dims an input may have; empty stands for any
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats

        def parameter(wanted: bool) -> Parameter | None:
            return Parameter(empty(num_features, device=device, dtype=dtype)) if wanted else None

        self.register_parameter("weight", parameter(affine))
        self.register_parameter("bias", parameter(affine and bias))
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, dtype=dtypes.int64, device=device) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and no running statistics."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        if self.allowed and input.ndim not in self.allowed:
            wanted = " or ".join(f"{n}D" for n in self.allowed)
            raise ValueError(f"{type(self).__name__}: expected {wanted} input (got {input.ndim}D input)")

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any) -> None:
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            # checkpoints from before the counter was kept
            state_dict[key] = (
                tensor(0, dtype=dtypes.int64) if self.num_batches_tracked is None else self.num_batches_tracked
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    def forward(self, input: Any) -> Any:
        """The input normalized: by the batch in training, by the running statistics in evaluation."""
        mean, variance, share = self._statistics(input)
        by_batch = self.training or (mean is None and variance is None)
        return batch_norm(input, mean, variance, self.weight, self.bias, by_batch, share, self.eps)

    def with_relu(self, input: Any) -> Any:
        """``relu(self(input))`` in training, in one pass."""
        mean, variance, share = self._statistics(input)
        return batch_norm_relu(input, mean, variance, self.weight, self.bias, share, self.eps)

    def _statistics(self, input: Any) -> tuple[Any, Any, float]:
        """The running statistics that a call uses or updates, and the share of the batch in them."""
        self._check_input_dim(input)
        share = 0.0 if self.momentum is None else self.momentum
        if self.training and not self.track_running_stats:
            return None, None, share
        if self.training and (counter := self.num_batches_tracked) is not None:
            counter.array[...] += 1
            bump(counter, "batch_norm")
            if self.momentum is None:
                share = 1.0 / float(counter)
        return self.running_mean, self.running_var, share


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L); see ``BatchNorm2d``."""

    allowed = (2, 3)


class BatchNorm2d(_BatchNorm):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` a channel of (N, C, H, W).

    In training mean and variance are the batch's and the running statistics follow them; in evaluation they are the
    running ones.

    Args:
        num_features: the number of channels.
        eps: added to the variance.
        momentum: the share of the batch in the running statistics; None averages over all batches alike.
        affine: whether to learn a weight and a bias a channel.
        track_running_stats: whether to keep running statistics; without, the batch's serve in evaluation too.
        bias: whether ``affine`` includes a bias.

    Example:
        >>> nn.BatchNorm2d(8)(framework.randn(4, 8, 5, 5)).shape
        framework.Size([4, 8, 5, 5])

    Reference:
        Ioffe and Szegedy, "Batch Normalization", https://arxiv.org/abs/1502.03167.
    """

    allowed = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of (N, C, D, H, W); see ``BatchNorm2d``."""

    allowed = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch norm of any number of dims. In one process, which is all there is here, it is ``BatchNorm``.

    Args:
        process_group: accepted for PyTorch's signature; must be None.
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, process_group: Any = None, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim < 2:
            raise ValueError(f"SyncBatchNorm: expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with its batch norm layers replaced by ``SyncBatchNorm`` over the same tensors."""
        result = module
        if isinstance(module, _BatchNorm):
            result = SyncBatchNorm(
                module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                process_group, bias=module.bias is not None,
            )  # fmt: skip
            if module.affine:
                result.weight, result.bias = module.weight, module.bias
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(result, name, getattr(module, name))
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result


class _InstanceNorm(_NormBase):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Any) -> Any:
        """Each sample's channels normalized apart; (C, ...) counts as one sample."""
        self._check_input_dim(input)
        alone = input.ndim == self.allowed[0]
        axis = 0 if alone else 1
        if input.shape[axis] != self.num_features:
            words = (
                f"{type(self).__name__}: expected input's size at dim={axis} to match num_features "
                f"({self.num_features}), but got: {input.shape[axis]}."
            )
            if self.affine:
                raise ValueError(words)
            warnings.warn(words + " It is not used, since affine=False.", stacklevel=2)
        shape = tuple(input.shape)
        y = instance_norm(
            input.reshape((1, *shape)) if alone else input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, 0.0 if self.momentum is None else self.momentum, self.eps,
        )  # fmt: skip
        return y.reshape(shape) if alone else y


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of (N, C, L) or (C, L); see ``InstanceNorm2d``."""

    allowed = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` a channel of each sample of (N, C, H, W), or of (C, H, W).

    Args:
        num_features: the number of channels.
        eps: added to the variance.
        momentum: the share of the batch in the running statistics.
        affine: whether to learn a weight and a bias a channel.
        track_running_stats: whether to keep running statistics, used in evaluation.

    Reference:
        Ulyanov et al., "Instance Normalization", https://arxiv.org/abs/1607.08022.
    """

    allowed = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance norm of (N, C, D, H, W) or (C, D, H, W); see ``InstanceNorm2d``."""

    allowed = (4, 5)


class _LazyNorm(LazyModuleMixin):
    """A norm that takes ``num_features`` from its first input."""

    allowed: tuple[int, ...]

    def __init__(
        self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine, self.track_running_stats = affine, track_running_stats
        if self.affine:
            self.weight: Any = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias: Any = UninitializedParameter(device=device, dtype=dtype)
        if self.track_running_stats:
            self.running_mean: Any = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var: Any = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked: Any = tensor(0, dtype=dtypes.int64, device=device)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and no running statistics, once the shapes are known."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Any) -> None:
        """Take the number of the input's channels."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        with no_grad():
            for found in (self.weight, self.bias, self.running_mean, self.running_var):
                if found is not None:
                    found.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, _BatchNorm):
    """A ``BatchNorm1d`` that takes ``num_features`` from its first input, and then is a ``BatchNorm1d``."""

    allowed, cls_to_become = (2, 3), BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, _BatchNorm):
    """A ``BatchNorm2d`` that takes ``num_features`` from its first input, and then is a ``BatchNorm2d``."""

    allowed, cls_to_become = (4,), BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, _BatchNorm):
    """A ``BatchNorm3d`` that takes ``num_features`` from its first input, and then is a ``BatchNorm3d``."""

    allowed, cls_to_become = (5,), BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, _InstanceNorm):
    """An ``InstanceNorm1d`` that takes ``num_features`` from its first input, and then is an ``InstanceNorm1d``."""

    allowed, cls_to_become = (2, 3), InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, _InstanceNorm):
    """An ``InstanceNorm2d`` that takes ``num_features`` from its first input, and then is an ``InstanceNorm2d``."""

    allowed, cls_to_become = (3, 4), InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, _InstanceNorm):
    """An ``InstanceNorm3d`` that takes ``num_features`` from its first input, and then is an ``InstanceNorm3d``."""

    allowed, cls_to_become = (4, 5), InstanceNorm3d
