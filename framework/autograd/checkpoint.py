"""Trading time for memory: activations that are computed again in the backward pass rather than kept.

Reference: Chen et al., "Training Deep Nets with Sublinear Memory Cost", https://arxiv.org/abs/1604.06174
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from framework.autograd import autocast_state
from framework.autograd.mode import enable_grad, is_grad_enabled
from framework.autograd.op import saved_tensors_hooks
from framework.errors import ArgumentError, GraphError
from framework.tensor import Tensor


class _Call:
    """A function with its arguments: the tensors apart, and everything a second run needs to equal the first."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], keep: bool) -> None:
        from framework.random import get_rng_state

        self.function = function
        self.args, self.kwargs = args, kwargs
        self.parameters: list[Tensor] = []
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.state = get_rng_state() if keep else None
        self.casting = autocast_state.current()

    def run(self, tensors: Iterable[Tensor]) -> Any:
        args = list(self.args)
        for place, t in zip(self.places, tensors, strict=False):
            args[place] = t
        return self.function(*args, **self.kwargs)

    def again(self, tensors: Iterable[Tensor]) -> Any:
        from framework.random import fork_rng, set_rng_state

        with autocast_state.restored(self.casting), fork_rng() if self.state is not None else nullcontext():
            if self.state is not None:
                set_rng_state(self.state)
            return self.run(tensors)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    preserve_rng_state: bool = True,
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Call ``function(*args, **kwargs)`` without keeping its activations; the backward pass runs it again.

    The parameters that the function uses get their gradients too: what it saves is kept as a recipe, and recomputed at
    the first use. Random numbers repeat in the second run unless ``preserve_rng_state`` is off.

    Args:
        function: usually a part of a model. Its second run must do what the first did.
        use_reentrant, context_fn, determinism_check, debug, early_stop: accepted; there is one implementation here.

    Example:
        >>> y = framework.utils.checkpoint.checkpoint(block, x, use_reentrant=False)
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    return _recompute(function, args, kwargs, preserve_rng_state)


def _recompute(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], keep: bool) -> Any:
    """Record the call's graph with empty places for what it saves; the first gradient that needs one runs it again."""
    call = _Call(function, args, kwargs, keep)
    found: list[Tensor] = []
    count = 0

    def leave_out(_: Tensor) -> int:
        nonlocal count
        count += 1
        return count - 1

    def put_back(place: int) -> Tensor:
        if not found:

            def collect(t: Tensor) -> None:
                found.append(t)

            with enable_grad(), saved_tensors_hooks(collect, _unused):
                call.again([args[i] for i in call.places])
            if len(found) != count:
                raise GraphError(
                    f"checkpoint: the second run of {getattr(function, '__name__', function)} saved {len(found)} "
                    f"tensors, the first {count}; it must do the same each time"
                )
        return found[place]

    with saved_tensors_hooks(leave_out, put_back):
        return function(*args, **kwargs)


def _unused(_: Any) -> Any:
    raise GraphError("checkpoint: the graph of the second run is not for differentiating")


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run a ``Sequential`` (or a list of functions) in ``segments`` parts, each but the last checkpointed."""
    modules = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if not 1 <= segments <= max(len(modules), 1):
        raise ArgumentError(f"checkpoint_sequential: segments must be between 1 and {len(modules)}, got {segments}")
    length = len(modules) // segments

    def part(start: int, stop: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for module in modules[start:stop]:
                x = module(x)
            return x

        return run

    last = length * (segments - 1)
    for start in range(0, last, length):
        input = checkpoint(part(start, start + length), input, use_reentrant=use_reentrant, **kwargs)
    return part(last, len(modules))(input)
