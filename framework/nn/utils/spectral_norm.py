"""Spectral normalization by a hook: a weight divided by its greatest singular value before each forward."""

from __future__ import annotations

from typing import Any

from framework.autograd.mode import no_grad
from framework.nn.module import Module
from framework.nn.parameter import Parameter, is_lazy
from framework.nn.utils.weight_norm import take_out
from framework.ops.matmul import dot, mv
from framework.ops.similarity import normalize


def as_matrix(weight: Any, dim: int) -> Any:
    """A weight as a matrix whose rows are the entries of one dim."""
    order = [dim, *(d for d in range(weight.ndim) if d != dim)]
    return weight.permute(order).reshape((weight.shape[dim], -1))


def default_dim(module: Module) -> int:
    """The dim of a weight's output features: 1 for transposed convolutions, else 0."""
    return 1 if any(c.__name__.startswith("ConvTranspose") for c in type(module).__mro__) else 0


class SpectralNorm:
    """The hook of one weight."""

    _version = 1

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"spectral_norm: expected n_power_iterations to be positive, but got {n_power_iterations}")
        self.name, self.dim, self.n_power_iterations, self.eps = name, dim, n_power_iterations, eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Any:
        """The weight over its greatest singular value, which power iteration keeps track of."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(normalize(mv(matrix, v), dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()  # a later call may change the buffers before this one's backward
        return weight / dot(u, mv(matrix, v))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


class _Record:
    """Notes the version in the state dict's metadata."""

    def __init__(self, hook: SpectralNorm) -> None:
        self.hook = hook

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        local_metadata.setdefault("spectral_norm", {})[f"{self.hook.name}.version"] = SpectralNorm._version


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Keep a weight's greatest singular value at 1; it becomes ``<name>_orig``. See ``parametrizations.spectral_norm``.

    Reference: Miyato et al., 2018, https://arxiv.org/abs/1802.05957
    """
    if any(isinstance(hook, SpectralNorm) and hook.name == name for hook in module._forward_pre_hooks.values()):
        raise RuntimeError(f"spectral_norm: cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    weight = module._parameters[name]
    if weight is None or is_lazy(weight):
        raise ValueError(f"spectral_norm: cannot be applied, the parameter {name} is None or uninitialized")
    with no_grad():
        rows, columns = as_matrix(weight, hook.dim).shape
        u, v = (normalize(weight.new_empty(n).normal_(0, 1), dim=0, eps=eps) for n in (rows, columns))
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    module._register_state_dict_hook(_Record(hook))
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a parameter again, with its present value."""
    hook = take_out(module, lambda hook: isinstance(hook, SpectralNorm) and hook.name == name)
    if hook is None:
        raise ValueError(f"remove_spectral_norm: spectral_norm of '{name}' not found in {module._get_name()}")
    with no_grad():
        weight = hook.compute_weight(module, do_power_iteration=False)
    for part in ("", "_u", "_v", "_orig"):
        delattr(module, name + part)
    module.register_parameter(name, Parameter(weight.detach()))
    for number, other in list(module._state_dict_hooks.items()):
        if isinstance(other, _Record) and other.hook is hook:
            del module._state_dict_hooks[number]
    return module
