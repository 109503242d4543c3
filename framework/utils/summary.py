"""A model's layers as a table: output shapes, parameters, multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from framework.autograd.mode import no_grad
from framework.nn.module import Module
from framework.ops.creation import zeros
from framework.profiler import ProfilerActivity, profile, record_function
from framework.tensor import Tensor

_MARK = "summary of "  # before a layer's name, in the profile


@dataclass
class Row:
    """A layer.

    Attributes:
        name: dotted; the model itself is "".
        kind: the class.
        shapes: of its outputs, in the last call.
        params: parameters of it and of what is inside it, each counted once.
        multiply_adds: of its products and convolutions, in all calls.
        calls: how often it was called.
    """

    name: str
    kind: str
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    params: int = 0
    multiply_adds: int = 0
    calls: int = 0


@dataclass
class Summary:
    """What ``summary`` found. Printing it gives the table.

    Attributes:
        rows: one a layer, in the order that the model defines them.
        total_params, trainable_params: of the whole model.
        total_mult_adds: multiplications, each with an addition, of one forward pass.
        depth: how many levels of layers the table shows.
    """

    rows: list[Row]
    total_params: int
    trainable_params: int
    total_mult_adds: int
    depth: int

    def __str__(self) -> str:
        shown = [row for row in self.rows if _level(row.name) <= self.depth]
        head = ("layer", "type", "output shape", "parameters", "multiply-adds")
        cells = [
            (
                "  " * _level(row.name) + (row.name.rpartition(".")[2] or "(model)"),
                row.kind,
                ", ".join(str(list(shape)) for shape in row.shapes) or "not called",
                f"{row.params:,}",
                f"{row.multiply_adds:,}",
            )
            for row in shown
        ]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        lines = [
            "  ".join((*map(str.ljust, row[:3], widths), *map(str.rjust, row[3:], widths[3:])))
            for row in (head, *cells)
        ]
        fixed = self.total_params - self.trainable_params
        return "\n".join(
            [
                lines[0],
                "-" * len(lines[0]),
                *lines[1:],
                "-" * len(lines[0]),
                f"parameters: {self.total_params:,}, of which {self.trainable_params:,} are trained and {fixed:,} are not",
                f"multiply-adds: {self.total_mult_adds:,}",
            ]
        )


def summary(
    model: Module, input_size: Sequence[Any] | None = None, *, input_data: Any = None, depth: int = 2
) -> Summary:
    """Run a model once, in evaluation mode and without gradients, and list its layers.

    Args:
        model: stays as it is.
        input_size: the shape of its input, the batch included; or several, for several inputs. Zeros are passed.
        input_data: instead: a tensor, a tuple of arguments, or a dict of them by name.
        depth: how many levels of layers the table shows; ``rows`` has them all.

    Returns:
        A ``Summary``; ``print`` it.

    Example:
        >>> print(summary(vision.models.resnet18(), (1, 3, 224, 224)))
    """
    arguments, named = _inputs(model, input_size, input_data)
    rows = {name: Row(name, type(module).__name__) for name, module in model.named_modules()}
    names = {id(module): name for name, module in model.named_modules()}
    open_blocks: list[record_function] = []

    def before(module: Module, _: Any) -> None:
        open_blocks.append(record_function(f"{_MARK}{names[id(module)]}"))
        open_blocks[-1].__enter__()

    def after(module: Module, _: Any, output: Any) -> None:
        open_blocks.pop().__exit__(None, None, None)
        row = rows[names[id(module)]]
        row.calls += 1
        row.shapes = _shapes(output)

    modes = {module: module.training for module in model.modules()}
    hooks = [
        handle
        for module in modes
        for handle in (module.register_forward_pre_hook(before), module.register_forward_hook(after))
    ]
    try:
        for module in modes:
            module.training = False
        with no_grad(), profile(activities=[ProfilerActivity.CPU], with_flops=True) as prof:
            model(*arguments, **named)
    finally:
        for handle in hooks:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    for event in prof.events():
        outer = event if event.flops else None
        while outer is not None:
            if outer.name.startswith(_MARK):
                rows[outer.name.removeprefix(_MARK)].multiply_adds += event.flops // 2
            outer = outer.cpu_parent
    for name, module in model.named_modules():
        rows[name].params = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Summary(list(rows.values()), rows[""].params, trained, rows[""].multiply_adds, depth)


def _inputs(model: Module, size: Sequence[Any] | None, data: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if (size is None) == (data is None):
        raise ValueError("summary: give input_size, such as (1, 3, 224, 224), or input_data, and not both")
    if isinstance(data, dict):
        return (), data
    if data is not None:
        return (data if isinstance(data, tuple) else (data,)), {}
    first = next(model.parameters(), None)
    shapes: Any = size if size and isinstance(size[0], Sequence) else [size]
    kind: dict[str, Any] = {} if first is None else {"dtype": first.dtype, "device": first.device}
    return tuple(zeros(*shape, **kind) for shape in shapes), {}


def _shapes(output: Any) -> list[tuple[int, ...]]:
    if isinstance(output, Tensor):
        return [tuple(output.shape)]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return [shape for part in parts for shape in _shapes(part)]


def _level(name: str) -> int:
    return name.count(".") + 1 if name else 0
