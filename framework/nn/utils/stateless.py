"""Calling a module with other parameters than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from framework.errors import ArgumentError, StateError
from framework.nn.module import Module
from framework.ops.dims import also_named
from framework.ops.joining import stack
from framework.tensor import Tensor, missing


@also_named(parameter_and_buffer_dicts="parameters_and_buffers")
def functional_call(
    module: Module,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with these tensors in the places of its parameters and buffers; gradients flow to them.

    Args:
        parameters_and_buffers: tensors by dotted name, or a sequence of such dicts. Names not given keep their tensors.
        args: the positional arguments: a tuple, or one value.
        kwargs: the keyword arguments.
        tie_weights: a tensor that the module has under several names is replaced under all of them.
        strict: every parameter and buffer must be given, and no other name; else other names are ignored.

    Example:
        >>> nn.utils.stateless.functional_call(layer, {"weight": w, "bias": b}, (x,))
    """
    if isinstance(parameters_and_buffers, Mapping):
        given = dict(parameters_and_buffers)
    elif isinstance(parameters_and_buffers, list | tuple):
        given = {}
        for part in parameters_and_buffers:
            if not isinstance(part, Mapping):
                raise ValueError(
                    f"functional_call: expected all elements of the sequence to be dicts, got {type(part).__name__}"
                )
            repeated = given.keys() & part.keys()
            if repeated:
                raise ValueError(
                    f"functional_call: {sorted(repeated)} appeared in multiple dictionaries; give each name once"
                )
            given.update(part)
    else:
        raise ValueError(
            f"functional_call: expected parameters_and_buffers to be a dict or a sequence of dicts, got "
            f"{type(parameters_and_buffers).__name__}"
        )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Module, given: dict[str, Any], tie_weights: bool, strict: bool) -> Iterator[None]:
    places = _places(module)
    if tie_weights:
        given = _tied(places, given)
    unknown = [name for name in given if name not in places]
    missing = [name for name in places if name not in given]
    if strict and (unknown or missing):
        raise StateError(f"functional_call: Missing key(s): {missing}. Unexpected key(s): {unknown}.")
    saved = []
    try:
        for name, value in given.items():
            if name not in places:
                continue
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(f"functional_call: {name} should be a Tensor, got {type(value).__name__}")
            table, key = places[name]
            saved.append((table, key, table[key]))
            table[key] = value
        yield
    finally:
        for table, key, value in reversed(saved):
            table[key] = value


def _places(module: Module) -> dict[str, tuple[dict[str, Any], str]]:
    """Where each parameter and buffer is kept, by its dotted name; a shared one under every name."""
    places = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for key in table:
                if table[key] is not None:
                    places[f"{path}.{key}" if path else key] = (table, key)
    return places


def _tied(places: dict[str, tuple[dict[str, Any], str]], given: dict[str, Any]) -> dict[str, Any]:
    """The replacements under every name of each tensor that is shared."""
    names: dict[int, list[str]] = {}
    for name, (table, key) in places.items():
        names.setdefault(id(table[key]), []).append(name)
    for shared in names.values():
        values = {id(given[n]): given[n] for n in shared if n in given}
        if len(values) > 1:
            raise ValueError(
                f"functional_call: {shared} name one tied tensor, and were given different values; pass "
                "tie_weights=False to replace them apart"
            )
        for value in values.values():
            given = {**given, **dict.fromkeys(shared, value)}
    return given


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of several modules of one make, each stacked along a new first dim.

    With ``func.vmap`` and ``func.functional_call`` they run as one ensemble.

    Raises:
        ArgumentError: there are no modules, or they differ in class or mode.
    """
    models = list(models)
    if not models:
        raise ArgumentError("stack_module_state: expected at least one model, got none")
    if len({(type(m), m.training) for m in models}) != 1:
        raise ArgumentError(
            "stack_module_state: expected models of one class, all in training or all in evaluation mode"
        )

    def stacked(named: Any) -> dict[str, Tensor]:
        columns: dict[str, list[Tensor]] = {}
        for model in models:
            for name, tensor in named(model):
                columns.setdefault(name, []).append(tensor)
        made = {}
        for name, tensors in columns.items():
            made[name] = stack(tensors).detach().requires_grad_(tensors[0].requires_grad)
        return made

    return stacked(lambda model: model.named_parameters()), stacked(lambda model: model.named_buffers())


def __getattr__(name: str) -> Any:
    missing("module 'framework.nn.utils.stateless'", name, globals())
