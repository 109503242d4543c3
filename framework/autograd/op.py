"""What an op is: a forward on plain arrays, its gradient rule beside it, and the record that joins them to a graph.

An op is a subclass of ``Op``; a recorded call is an instance, a node of the graph. ``forward`` gets plain arrays and
keeps with ``save`` those of its inputs and outputs that the rule reads. ``backward`` gets the output's gradient and
gives one gradient an input. The rule runs on plain arrays in an ordinary backward pass and on Tensors under
``create_graph=True``, so it is written with operators and the functions of ``framework.ops``, which take both:

    class Mul(Op):
        broadcasts = True

        def forward(self, a, b):
            self.save(a if self.needs[1] else None, b if self.needs[0] else None)
            return a * b

        def backward(self, g):
            a, b = self.saved
            return g * b if self.needs[0] else None, g * a if self.needs[1] else None
"""

from __future__ import annotations

import itertools
from contextvars import ContextVar
from typing import Any, ClassVar

import numpy as np

from framework import devices
from framework.autograd import anomaly
from framework.autograd.mode import _enabled
from framework.errors import DeviceError, GraphError
from framework.tensor import Tensor, wrap

sequence = itertools.count(1)  # numbers recorded calls, so that a node is younger than all it came from
new = object.__new__
_saved_hooks: ContextVar[tuple[Any, Any] | None] = ContextVar("framework.saved_hooks", default=None)
_anomaly = anomaly._mode.get
Scalar = np.generic  # what NumPy gives for a 0-d result
_asarray = np.asarray

Edge = tuple[Any, int, tuple[int, ...], Any]  # (node or leaf tensor, output number, shape, dtype of that input)

Tag = tuple[int, list[Any], int]  # a saved value's source, its version counter, and the version it was saved at

OUTPUT = -1  # the source of a saved value: OUTPUT - k is output k; 0 and above are inputs
FREED: tuple[Any, ...] = (None,)  # the ``saved`` of a node whose gradient was taken
_CONSTANT: list[Any] = [0, "", False]  # the version counter of what no op writes to


class Op:
    """A differentiable operation, and a node of the graph when recorded.

    Attributes:
        broadcasts: the engine sums this op's gradients back over the axes that broadcasting added.
        needs: for each input, true if its gradient is wanted. False throughout when nothing is recorded.
        saved: what ``save`` kept: arrays, or the same values as Tensors while a gradient of a gradient is recorded.
        edges: where each input came from, None for an input that needs no gradient.
    """

    __slots__ = ("__dict__", "__weakref__", "edges", "needs", "saved", "sequence", "tags")

    broadcasts: ClassVar[bool] = False
    bare: ClassVar[bool] = False  # a call keeps nothing but what it saves: no attributes to free
    gives_fresh: ClassVar[bool] = True  # the rule's results are nobody else's, so a leaf may keep them without a copy
    name: ClassVar[str] = "op"
    non_differentiable: tuple[int, ...] = ()  # outputs without a gradient; integer and bool ones never have one

    edges: list[Edge | None]
    needs: list[Edge | None]
    saved: tuple[Any, ...]
    sequence: int
    tags: list[Tag | None]

    # What few nodes have stands on the class, so that recording a call sets no more than it must.
    hooks: dict[Any, tuple[int, Any]] | None = None  # by handle: (output number, hook); retain_grad's have a string key
    outputs: int = 1
    trace: Any = None
    unpack: Any = None

    def __init_subclass__(cls) -> None:
        cls.name = cls.__dict__.get("name", cls.__name__)

    def forward(self, *arrays: Any, **params: Any) -> Any:
        """Compute the output array (or a tuple of them) from arrays; ``save`` what ``backward`` reads."""
        raise NotImplementedError(f"{self.name}: forward is not written")

    def backward(self, *gradients: Any) -> Any:
        """The gradient of each input, None where not in ``needs``, from that of each output (None if unused)."""
        raise GraphError(f"{self.name}: the derivative is not defined")

    def save(self, *values: Any) -> None:
        """Keep inputs and outputs of this call for ``backward``. Anything else is kept as a plain attribute.

        A plain attribute is a constant to gradients of gradients, so only what does not depend on the inputs'
        values differentiably belongs there: shapes, masks, indices, kernels.
        """
        self.saved = values

    def release(self) -> None:
        """Free what the call kept; asking its gradient again is then an error. Shapes and the like may stay."""
        if self.saved or any(hasattr(value, "dtype") for value in self.__dict__.values()):
            outputs = self.outputs
            self.saved = FREED
            self.__dict__.clear()
            if outputs != 1:
                self.outputs = outputs

    @property
    def freed(self) -> bool:
        """Whether a backward pass has freed what the call kept."""
        return self.saved is FREED

    # The names a user of PyTorch looks for

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input, the node (or the leaf tensor) that it came from, and which output of it."""
        return tuple((edge[0], edge[1]) if edge else (None, 0) for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name if self.name[0].isupper() else type(self).__name__}Backward0>"


def apply(op: type[Op], *inputs: Any, **params: Any) -> Any:
    """Call an op on tensors (giving tensors, recorded where one requires a gradient) or on arrays (giving arrays).

    Inputs that are not tensors (arrays, Python numbers, None) are constants.
    """
    node = new(op)
    node.saved = ()
    arrays = []
    edges: list[Edge | None] = []
    tensors = recording = False
    enabled = _enabled.get()
    for value in inputs:
        if isinstance(value, Tensor):
            tensors = True
            if value._view is not None:
                value._view.refresh(value)
            array = value.array
            arrays.append(array)
            if enabled and value._requires_grad:
                recording = True
                source = value._node
                edges.append((value if source is None else source, value._output_nr, array.shape, array.dtype))
            else:
                edges.append(None)
        else:
            arrays.append(value)
            edges.append(None)
    node.needs = edges
    try:
        if devices.several:
            out = devices.there(op.name, node.forward, arrays, params)
        else:
            out = node.forward(*arrays, **params)
    except MISMATCH as error:
        return moved(error, op, inputs, arrays, params)
    if not tensors:
        return out
    if type(out) is tuple:
        outputs = tuple([wrap(_asarray(a) if isinstance(a, Scalar) else a) for a in out])
        if recording:
            record(node, inputs, arrays, outputs, out)
        return outputs
    tensor = new(Tensor)
    tensor.array = _asarray(out) if isinstance(out, Scalar) else out  # NumPy gives scalars for 0-d results
    if recording:
        record(node, inputs, arrays, tensor, out)
    return tensor


def moved(error: Exception, op: type[Op], inputs: Any, arrays: Any, params: dict[str, Any]) -> Any:
    """The op again with its 0-d tensors of the CPU on the GPU of the others; where that is not it, the error.

    Raises:
        DeviceError: tensors lie on several devices.
    """
    wrong = devices.apart(op.name, arrays, params)
    if wrong is None or isinstance(error, DeviceError):
        raise error
    where = [devices.of(a) for a in arrays if hasattr(a, "strides") and not isinstance(a, np.ndarray | np.generic)]
    odd = [isinstance(a, np.ndarray) for a in arrays]
    if not where or not all(isinstance(x, Tensor) and not x.array.ndim for x, o in zip(inputs, odd, strict=True) if o):
        raise wrong from error
    return apply(op, *(x.to(where[0]) if o else x for x, o in zip(inputs, odd, strict=True)), **params)


MISMATCH = (TypeError, ValueError, IndexError, AttributeError)  # what array libraries say to each other's arrays


def edge_of(tensor: Tensor) -> Edge:
    """Where a tensor that requires a gradient sends it."""
    source = tensor._node
    return (tensor if source is None else source, tensor._output_nr, tensor.array.shape, tensor.array.dtype)


def record(node: Op, inputs: Any, arrays: Any, out: Any, results: Any = None) -> None:
    """Join a call to the graph: number it, tag what it saved with source and version, give the outputs their history.

    ``node.needs`` holds the edges already: an edge where a gradient is wanted, None elsewhere. ``out`` is a tensor, or a
    tuple of them beside the arrays that ``forward`` gave.
    """
    node.edges = node.needs
    node.sequence = next(sequence)
    if _anomaly()[0]:
        node.trace = anomaly.stack()
    if node.saved:
        node.tags = [None if v is None else _tag(node, v, inputs, arrays, out, results) for v in node.saved]
        hooks = _saved_hooks.get()
        if hooks is not None:
            node.unpack = hooks[1]
            node.saved = tuple(None if v is None else hooks[0](wrap(v)) for v in node.saved)
    if isinstance(out, Tensor):
        if out.array.dtype.kind not in "iub" and 0 not in node.non_differentiable:
            out._requires_grad = True
            out._node = node
        return
    node.outputs = len(out)
    for number, tensor in enumerate(out):
        if number not in node.non_differentiable and tensor.array.dtype.kind not in "iub":
            tensor._requires_grad = True
            tensor._node = node
            tensor._output_nr = number


def record_pair(node: Op, first: Any, second: Any, out: Tensor) -> None:
    """``record`` for an op of two inputs that saves these alone, each in its place or None: what an operator costs."""
    if _anomaly()[0] or _saved_hooks.get() is not None:
        record(node, (first, second), node.saved, out)
        return
    node.edges = node.needs
    node.sequence = next(sequence)
    if node.saved:
        x, y = node.saved
        node.tags = [None if x is None else _input_tag(0, first), None if y is None else _input_tag(1, second)]
    out._requires_grad = True
    out._node = node


def _input_tag(place: int, source: Any) -> Tag:
    if not isinstance(source, Tensor):
        return place, _CONSTANT, 0
    counter = source._counter
    if counter is None:
        counter = source._counter = [0, "", False]
    return place, counter, counter[0]


def _tag(node: Op, value: Any, inputs: Any, arrays: Any, out: Any, results: Any) -> Tag:
    """Where a saved value came from, found by identity, and the version it had."""
    for place, array in enumerate(arrays):
        if value is array:
            return _input_tag(place, inputs[place])
    single = isinstance(out, Tensor)
    for number, result in enumerate((results,) if single else results):
        if value is result:
            counter = (out if single else out[number])._shared_counter()
            return OUTPUT - number, counter, counter[0]
    raise GraphError(f"{node.name}: save() takes inputs and outputs of the op; keep anything else as an attribute")


class saved_tensors_hooks:
    """Within it, what ops save passes through ``pack_hook``, and through ``unpack_hook`` when the gradient needs it.

    Example:
        >>> with saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()):
        ...     loss = model(x).sum()
    """

    def __init__(self, pack_hook: Any, unpack_hook: Any) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        self._token = _saved_hooks.set((self.pack_hook, self.unpack_hook))

    def __exit__(self, *_: object) -> None:
        _saved_hooks.reset(self._token)
