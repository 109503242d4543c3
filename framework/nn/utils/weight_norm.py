"""Weight normalization by a hook: a weight recomputed from its length and direction before each forward."""

from __future__ import annotations

from typing import Any

from framework.nn.module import Module
from framework.nn.parameter import Parameter, is_lazy
from framework.ops.norms import vector_norm


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The ``pow``-norm over all dims but one, which keep length 1; over all dims, 0-d, for ``dim`` -1."""
    if dim == -1:
        return vector_norm(v, pow)
    return (
        vector_norm(v, pow, [d for d in range(v.ndim) if d != dim % v.ndim] or [], keepdim=True)
        if v.ndim > 1
        else v.abs()
    )


def weight_from(v: Any, g: Any, dim: int = 0) -> Any:
    """The weight with the direction of ``v`` and the lengths ``g``."""
    return v * (g / norm_except_dim(v, 2, dim))


def take_out(module: Module, wanted: Any) -> Any:
    """Remove and return the forward pre-hook for which ``wanted(hook)`` holds; None if there is none."""
    for number, hook in module._forward_pre_hooks.items():
        if wanted(hook):
            del module._forward_pre_hooks[number]
            module._hooked.pop(number, None)
            return hook
    return None


class WeightNorm:
    """The hook of one weight."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """The weight from its length and direction."""
        return weight_from(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into its lengths, ``<name>_g``, and its direction, ``<name>_v``. See also ``parametrizations``.

    Args:
        dim: the dim that keeps a length for each entry; None for one length in all.

    Reference: Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868
    """
    if any(isinstance(hook, WeightNorm) and hook.name == name for hook in module._forward_pre_hooks.values()):
        raise RuntimeError(f"weight_norm: cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    if is_lazy(weight):
        raise ValueError("weight_norm: the module has uninitialized parameters; run it on an input first")
    hook = WeightNorm(name, dim)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight.detach(), 2, hook.dim)))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, None)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a parameter again, with its present value."""
    hook = take_out(module, lambda hook: isinstance(hook, WeightNorm) and hook.name == name)
    if hook is None:
        raise ValueError(f"remove_weight_norm: weight_norm of '{name}' not found in {module._get_name()}")
    weight = hook.compute_weight(module).detach()
    delattr(module, name)
    del module._parameters[f"{name}_g"], module._parameters[f"{name}_v"]
    setattr(module, name, Parameter(weight))
    return module
