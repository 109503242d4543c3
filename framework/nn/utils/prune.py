"""Pruning: parameters multiplied by a mask of zeros and ones.

A pruned parameter ``name`` becomes ``name_orig`` (trained) and ``name_mask`` (a buffer); a hook multiplies them before
each forward. Pruning again narrows the mask. ``remove`` makes the zeros permanent.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from framework.nn.module import Module
from framework.nn.utils.convert_parameters import parameters_to_vector
from framework.nn.utils.weight_norm import take_out
from framework.ops.creation import ones_like, zeros_like
from framework.ops.norms import norm
from framework.ops.random import rand, rand_like
from framework.ops.sorting import kthvalue, topk
from framework.tensor import Tensor, missing


class BasePruningMethod(ABC):
    """A way to choose what is pruned; an instance is the hook of one parameter.

    Attributes:
        PRUNING_TYPE: "unstructured" if it looks at single entries that are left, "structured" if at slices along
            ``dim``, "global" if at the whole tensor.
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The new mask, from importance scores (or the tensor) and the mask before."""

    def apply_mask(self, module: Module) -> Any:
        """The masked parameter."""
        original = getattr(module, f"{self._tensor_name}_orig")
        return getattr(module, f"{self._tensor_name}_mask").to(original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune a module's parameter in this way, on top of what was pruned before.

        Args:
            importance_scores: of the parameter's shape: what to judge by, in place of the parameter.
        """
        parameter = getattr(module, name)
        scores = parameter if importance_scores is None else importance_scores
        if scores.shape != parameter.shape:
            raise AssertionError(
                f"prune: importance_scores should have the same shape as the parameter {name}, got "
                f"{tuple(scores.shape)} for {tuple(parameter.shape)}"
            )
        new = cls(*args, **kwargs)
        new._tensor_name = name
        before = take_out(module, lambda hook: isinstance(hook, BasePruningMethod) and hook._tensor_name == name)
        if before is None:
            method: BasePruningMethod = new
            mask = new.compute_mask(scores, default_mask=ones_like(parameter))
            del module._parameters[name]
            module.register_parameter(f"{name}_orig", parameter)
        else:
            method = before if isinstance(before, PruningContainer) else PruningContainer(before)
            method.add_pruning_method(new)
            mask = method.compute_mask(scores, default_mask=getattr(module, f"{name}_mask").detach().clone())
        module.register_buffer(f"{name}_mask", mask.detach())
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """A tensor masked in this way, outside any module."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError(
                f"prune: importance_scores should have the same shape as t, got {tuple(scores.shape)} and "
                f"{tuple(t.shape)}"
            )
        return t * self.compute_mask(scores, default_mask=ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Module) -> None:
        """Make the parameter an ordinary one with the masked values."""
        name = self._tensor_name
        weight = self.apply_mask(module).detach()
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters.pop(f"{name}_orig")
        del module._buffers[f"{name}_mask"]
        original.data = weight
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Several prunings of one parameter, one after the other."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args and hasattr(args[0], "_tensor_name"):
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Add a pruning of the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"PruningContainer: {type(method).__name__} is not a BasePruningMethod subclass")
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"PruningContainer: can only add pruning methods acting on the parameter named "
                f"{self._tensor_name!r}, found {method._tensor_name!r}"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask after the last pruning, which sees only what the ones before left."""
        method: Any = self._pruning_methods[-1]
        if method.PRUNING_TYPE == "unstructured":
            region: Any = default_mask == 1
        elif method.PRUNING_TYPE == "structured":
            if not -t.ndim <= method.dim < t.ndim:
                raise IndexError(f"prune: index {method.dim} is out of bounds for a tensor with {t.ndim} dimensions")
            dim = method.dim % t.ndim
            kept = default_mask.sum([d for d in range(t.ndim) if d != dim]) != 0
            region = (slice(None),) * dim + (kept,)
        elif method.PRUNING_TYPE == "global":
            region = (slice(None),) * t.ndim
        else:
            raise ValueError(f"prune: unrecognized PRUNING_TYPE {method.PRUNING_TYPE!r}")
        mask = default_mask.detach().to(t.dtype).clone()
        mask[region] = method.compute_mask(t.detach()[region], default_mask=default_mask[region]).to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing, but sets the mask up."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask before."""
        return default_mask


class _Amount(BasePruningMethod):
    """A pruning of an amount: a fraction of what there is, or a number."""

    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"prune: amount must be int or float, got {amount!r}")
        if float(amount) < 0 or (not isinstance(amount, numbers.Integral) and float(amount) > 1):
            raise ValueError(
                f"prune: amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
            )
        self.amount = amount

    def count(self, total: int) -> int:
        """How many of ``total`` to prune."""
        count = int(self.amount) if isinstance(self.amount, numbers.Integral) else round(float(self.amount) * total)
        if count > total:
            raise ValueError(f"prune: amount={count} should be smaller than the number of parameters to prune={total}")
        return count


class _Unstructured(_Amount):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask with the entries of least score zeroed."""
        count = self.count(t.numel())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[topk(self.scores(t).reshape(-1), count, largest=False).indices] = 0
        return mask

    @abstractmethod
    def scores(self, t: Any) -> Any:
        """What each entry is worth."""


class RandomUnstructured(_Unstructured):
    """Prunes entries at random."""

    def scores(self, t: Any) -> Any:
        """Random numbers."""
        return rand_like(t)


class L1Unstructured(_Unstructured):
    """Prunes the entries of least absolute value."""

    def scores(self, t: Any) -> Any:
        """Absolute values."""
        return t.detach().abs()


class _Structured(_Amount):
    PRUNING_TYPE = "structured"
    dim: int

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask with whole slices along ``dim`` zeroed."""
        if t.ndim <= 1:
            raise ValueError(
                f"prune: structured pruning can only be applied to multidimensional tensors, found shape "
                f"{tuple(t.shape)}"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"prune: invalid index {self.dim} for tensor of size {tuple(t.shape)}")
        count = self.count(t.shape[self.dim])
        if not count:
            return default_mask
        mask = zeros_like(t)
        mask[(slice(None),) * (self.dim % t.ndim) + (self.kept(t, count),)] = 1
        return mask * default_mask.to(mask.dtype)

    @abstractmethod
    def kept(self, t: Any, count: int) -> Any:
        """The slices that stay, as a mask or as indices."""


class RandomStructured(_Structured):
    """Prunes slices at random."""

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def kept(self, t: Any, count: int) -> Any:
        """All but ``count`` slices, at random."""
        chances = rand(t.shape[self.dim])
        return chances > kthvalue(chances, count).values


class LnStructured(_Structured):
    """Prunes the slices of least norm."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.n = n
        self.dim = dim

    def kept(self, t: Any, count: int) -> Any:
        """The slices of greatest norm."""
        sizes = norm(t.detach(), self.n, [d for d in range(t.ndim) if d != self.dim % t.ndim])
        return topk(sizes, t.shape[self.dim] - count, largest=True).indices


class CustomFromMask(BasePruningMethod):
    """Prunes by a given mask."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Both masks together."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"prune: the mask should have shape {tuple(default_mask.shape)}, got {tuple(self.mask.shape)}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """Set a parameter up for pruning without pruning it."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: Any) -> Module:
    """Prune an amount (a fraction, or a number) of a parameter's entries at random."""
    RandomUnstructured.apply(module, name, amount=amount)
    return module


def l1_unstructured(module: Module, name: str, amount: Any, importance_scores: Any = None) -> Module:
    """Prune the entries of least absolute value (or score)."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: Any, dim: int) -> Module:
    """Prune slices along ``dim`` at random."""
    RandomStructured.apply(module, name, amount=amount, dim=dim)
    return module


def ln_structured(module: Module, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Module:
    """Prune the slices along ``dim`` of least ``n``-norm."""
    LnStructured.apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune by a mask of the parameter's shape."""
    CustomFromMask.apply(module, name, mask=mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[Any, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters together, as if they were one.

    Args:
        parameters: (module, name) pairs.
        pruning_method: a class of type "unstructured"; ``kwargs`` are its arguments.
        importance_scores: scores by (module, name), in place of the parameter's own values.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError(f"global_unstructured: parameters is not an Iterable, got {type(parameters).__name__}")
    if importance_scores is not None and not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured: importance_scores must be of type dict")
    method: Any = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f"global_unstructured: only 'unstructured' PRUNING_TYPE is supported, got {method.PRUNING_TYPE!r}"
        )
    pairs, given = list(parameters), importance_scores or {}
    tensors = [getattr(module, name) for module, name in pairs]
    scores = parameters_to_vector([given.get(pair, t) for pair, t in zip(pairs, tensors, strict=True)])
    before = [getattr(m, f"{name}_mask", None) for m, name in pairs]
    default = parameters_to_vector([ones_like(t) if b is None else b for b, t in zip(before, tensors, strict=True)])
    container = PruningContainer()
    container._tensor_name = method._tensor_name = "all"
    container.add_pruning_method(method)
    mask, start = container.compute_mask(scores, default), 0
    for (module, name), t in zip(pairs, tensors, strict=True):
        custom_from_mask(module, name, mask[start : start + t.numel()].view(t.shape))
        start += t.numel()


def remove(module: Module, name: str) -> Module:
    """Make a pruned parameter an ordinary one again, with its zeros."""
    method = take_out(module, lambda hook: isinstance(hook, BasePruningMethod) and hook._tensor_name == name)
    if method is None:
        raise ValueError(
            f"prune.remove: parameter {name!r} of module {module._get_name()} has to be pruned before pruning can be "
            "removed"
        )
    method.remove(module)
    return module


def is_pruned(module: Module) -> bool:
    """Whether a module or one below it has a pruned parameter."""
    return any(isinstance(hook, BasePruningMethod) for m in module.modules() for hook in m._forward_pre_hooks.values())


def __getattr__(name: str) -> Any:
    missing("module 'framework.nn.utils.prune'", name, globals())
