"""Plans of products: what a call of cuBLAS takes besides addresses, found once for shapes, strides and types.

Arrays are row-major and cuBLAS's matrices column-major, so it is asked for the transposed product, whose left operand is
our right one. A matrix goes as it lies in memory where its rows or its columns lie together, at any distance from one
another; else it is copied. Leading dims that lie evenly in both operands are one dim, and one that only the left operand
has is more of its rows. What is left is a strided batch, several of them, or addresses in the GPU's memory.

Not yet run on a GPU: checked on the host with a library of cuBLAS's interface (tests/gpu).
"""

from __future__ import annotations

import math
import sys
from ctypes import addressof, c_double, c_float, c_int32, c_uint32, c_uint64
from functools import lru_cache
from typing import Any

import numpy as np

from framework.kernels.cublas import library as api
from framework.kernels.cublas.library import Choice, CublasError, Handle, Search

KEPT = 1024  # plans of each kind, the least recently used going first
COPY_ALIGNED = 16  # bytes, which any new array is a multiple of, and the most that a thread loads at once
CALLS = 4  # strided batches that take less of the host than three arrays of addresses do
# bytes that tensor cores load at once: addresses that lie in the GPU's memory, where cuBLAS can't look at them before it
# chooses, have to be multiples of it
VECTOR = 16

_numbers = {
    number: {
        api.R_32F: c_float(number), api.R_64F: c_double(number),
        api.C_32F: (c_float * 2)(number, 0), api.C_64F: (c_double * 2)(number, 0),
    }
    for number in (0, 1)
}  # fmt: skip
_ZERO, _ONE = ({kind: addressof(value) for kind, value in _numbers[number].items()} for number in (0, 1))

Steps = tuple[int, ...]


def matrix(rows: int, columns: int, row: int, column: int) -> tuple[int, int] | None:
    """How cuBLAS names a row-major matrix with these strides: transposed or not, and its leading dimension.

    None if neither rows nor columns lie together. A stride that is never stepped may be anything.
    """
    if (column == 1 or columns == 1) and (row >= columns or rows == 1):
        return api.OP_N, max(row, columns, 1) if rows > 1 else max(columns, 1)
    if (row == 1 or rows == 1) and column >= rows:
        return api.OP_T, column
    return None


def _steps(shape: Steps, strides: Steps, size: int) -> tuple[Steps, bool]:
    """The strides in elements of an operand as a batch of matrices, and whether it must be copied to have them."""
    even = all(not stride % size for stride in strides)
    steps = tuple([stride // size for stride in strides])
    if not even or matrix(*shape[-2:], *steps[-2:]) is None:
        steps = tuple(math.prod(shape[place + 1 :]) for place in range(len(shape)))
        return steps, True
    return steps, False


def _lead(shape: Steps, steps: Steps, batch: Steps) -> Steps:
    """The steps of an operand over the broadcast leading dims: 0 where it is repeated."""
    own = tuple([0 if n == 1 else step for n, step in zip(shape[:-2], steps, strict=False)])
    return (0,) * (len(batch) - len(own)) + own


def _merged(batch: Steps, *steps: Steps) -> list[tuple[int, ...]]:
    """Leading dims with the step of each operand, those that lie evenly in all of them as one."""
    dims: list[tuple[int, ...]] = []
    for count, *own in zip(batch, *steps, strict=True):
        if count == 1:
            continue
        if dims and all(outer == count * inner for outer, inner in zip(dims[-1][1:], own, strict=True)):
            dims[-1] = (dims[-1][0] * count, *own)
        else:
            dims.append((count, *own))
    return dims


def _offsets(dims: list[tuple[int, ...]], size: int) -> Any:
    """How many bytes from the first each matrix of the operands and the result lies, (3, matrices)."""
    offsets = np.zeros((3, 1), np.int64)
    for count, *steps in dims:
        along = np.arange(count) * np.array(steps)[:, None] * size
        offsets = (along[:, :, None] + offsets[:, None]).reshape(3, -1)
    return offsets


def copies(handle: Handle, copied: tuple[bool, bool], *operands: Any) -> list[Any]:
    """The operands, copied to lie row by row where a plan says so."""
    return [handle.xp.ascontiguousarray(x) if copy else x for x, copy in zip(operands, copied, strict=True)]


class Product:
    """A plan of ``a @ b`` over the last two axes, the leading ones broadcasting.

    Args:
        tf32: whether float32 may round to TF32.

    Attributes:
        copied: for each operand, whether it is copied to lie as the plan takes it.
        batch: how many matrices a strided batch multiplies.
    """

    __slots__ = (
        "_addresses", "_aligned", "_count", "_left", "_offsets", "_one", "_places", "_right", "_sizes", "_steps",
        "_types", "_zero", "batch", "copied", "dtype", "nothing", "shape"
    )  # fmt: skip

    def __init__(self, a: Steps, a_strides: Steps, b: Steps, b_strides: Steps, dtype: Any, tf32: bool) -> None:
        self.shape = np.broadcast_shapes(a[:-2], b[:-2]) + a[-2:-1] * (len(a) > 1) + b[-1:] * (len(b) > 1)
        self.dtype = dtype
        kind, compute, scale = api.TYPES[dtype]
        a, a_strides = (a, a_strides) if len(a) > 1 else ((1, *a), (0, *a_strides))
        b, b_strides = (b, b_strides) if len(b) > 1 else ((*b, 1), (*b_strides, 0))
        self.nothing = not math.prod(self.shape) or not a[-1]
        left, copy_left = _steps(a, a_strides, dtype.itemsize)
        right, copy_right = _steps(b, b_strides, dtype.itemsize)
        self.copied = (copy_left, copy_right) if copy_left or copy_right else None
        (rows, inner), columns = a[-2:], b[-1]
        op_a, leading_a = matrix(rows, inner, *left[-2:]) or (api.OP_N, inner)
        op_b, leading_b = matrix(inner, columns, *right[-2:]) or (api.OP_N, columns)
        batch = np.broadcast_shapes(a[:-2], b[:-2])
        dims = _merged(batch, _lead(a, left, batch), _lead(b, right, batch))
        if dims and dims[-1][2] == 0:  # the right operand is the same for all of the innermost dim
            count, step, _ = dims[-1]
            if op_a == api.OP_N and (step == rows * leading_a or (rows == 1 and step >= inner)):
                rows, leading_a = rows * count, step if rows == 1 else leading_a
                dims.pop()
            elif op_a == api.OP_T and step == rows:
                rows *= count
                dims.pop()
        places, whole = [], rows * columns
        for count, *steps in reversed(dims):
            places.append((count, *steps, whole))
            whole *= count
        self._aligned = VECTOR if tf32 or dtype.itemsize == 2 else dtype.itemsize
        self._plan_batch(places, dtype.itemsize)
        if tf32:
            compute = api.COMPUTE_32F_FAST_TF32
        self._sizes = (op_b, op_a, columns, rows, inner)
        self._left, self._right = (kind, leading_a), (kind, leading_b)
        self._types = (kind, columns, compute)
        self._one, self._zero = _ONE[scale], _ZERO[scale]

    def _plan_batch(self, dims: list[tuple[int, ...]], size: int) -> None:
        """Share leading dims among one strided batch, several, or addresses.

        Args:
            dims: the count of each and its steps in the operands and the result, the innermost first.
        """
        longest = max(dims, default=(1, 0, 0, 0))
        rest = [dim for dim in dims if dim is not longest]
        self.batch, *steps = longest
        self._steps = tuple(steps)
        starts = _offsets(rest, size)
        self._offsets: Any = None if starts.shape[1] == 1 else starts.T.tolist()
        self._places: Any = None  # of all matrices, where addresses serve
        if starts.shape[1] > CALLS:
            places = _offsets(dims, size)
            self._count = places.shape[1]
            self._places = None if (places % self._aligned).any() else places
        self._addresses: dict[Any, Any] = {}

    def run(self, handle: Handle, a: Any, b: Any) -> Any:
        """The product of two arrays of the shapes and strides that the plan was made for."""
        xp = handle.xp
        if self.nothing:
            return xp.zeros(self.shape, self.dtype)
        if self.copied is not None:
            a, b = copies(handle, self.copied, a, b)
        out = xp.empty(self.shape, self.dtype)
        left, right, to = a.data.ptr, b.data.ptr, out.data.ptr
        if self._offsets is None:
            self._call(handle, left, right, to)
        elif self._places is None or (left | right | to) % self._aligned:
            for offset_left, offset_right, offset in self._offsets:
                self._call(handle, left + offset_left, right + offset_right, to + offset)
        else:
            self._call_batched(handle, (left, right, to))
        return out

    def _call(self, handle: Handle, left: int, right: int, to: int) -> None:
        lib, (kind, columns, compute) = handle.library, self._types
        if self.batch == 1:
            status = lib.gemm(
                handle.blas, *self._sizes, self._one, right, *self._right, left, *self._left, self._zero, to, kind,
                columns, compute, api.GEMM_DEFAULT
            )  # fmt: skip
            if status:
                raise CublasError("cublasGemmEx", status)
            return
        step_left, step_right, step = self._steps
        status = lib.gemm_strided(
            handle.blas, *self._sizes, self._one, right, *self._right, step_right, left, *self._left, step_left,
            self._zero, to, kind, columns, step, self.batch, compute, api.GEMM_DEFAULT
        )  # fmt: skip
        if status:
            raise CublasError("cublasGemmStridedBatchedEx", status)

    def _call_batched(self, handle: Handle, bases: tuple[int, int, int]) -> None:
        """One call for matrices at any places: their addresses are added up on the GPU, without waiting for it."""
        place = handle.device, handle.stream
        offsets = self._addresses.get(place)
        if offsets is None:
            offsets = self._addresses[place] = handle.xp.asarray(self._places)
        addresses = handle.xp.empty_like(offsets)
        for row, base in enumerate(bases):
            handle.xp.add(offsets[row], base, out=addresses[row])
        left, step = addresses.data.ptr, 8 * self._count
        kind, columns, compute = self._types
        status = handle.library.gemm_batched(
            handle.blas, *self._sizes, self._one, left + step, *self._right, left, *self._left, self._zero,
            left + 2 * step, kind, columns, self._count, compute, api.GEMM_DEFAULT
        )  # fmt: skip
        if status:
            raise CublasError("cublasGemmBatchedEx", status)


@lru_cache(KEPT)
def product(a: Steps, a_strides: Steps, b: Steps, b_strides: Steps, dtype: Any, tf32: bool) -> Product:
    """The plan of a product."""
    return Product(a, a_strides, b, b_strides, dtype, tf32)


class Fused:
    """A product of two matrices by cuBLASLt, with what its epilogue does to it; of one thread and device.

    Attributes:
        algorithm: what cuBLASLt chose, None if it has nothing for these types and this epilogue.
    """

    def __init__(
        self, handle: Handle, a: Steps, a_strides: Steps, b: Steps, b_strides: Steps, dtype: Any, tf32: bool,
        epilogue: int, alignments: tuple[int, int, int], vector: int
    ) -> None:  # fmt: skip
        lib = self._library = handle.library
        kind, compute, scale = api.TYPES[dtype]
        left, copy_left = _steps(a, a_strides, dtype.itemsize)
        right, copy_right = _steps(b, b_strides, dtype.itemsize)
        self.copied = (copy_left, copy_right) if copy_left or copy_right else None
        (rows, inner), columns = a, b[1]
        op_a, leading_a = matrix(rows, inner, *left) or (api.OP_N, inner)
        op_b, leading_b = matrix(inner, columns, *right) or (api.OP_N, columns)
        if tf32:
            compute = api.COMPUTE_32F_FAST_TF32
        self._made: list[tuple[str, Any]] = []
        self.product = self._create("MatmulDesc", compute, scale)
        values = ((api.TRANS_A, c_int32(op_b)), (api.TRANS_B, c_int32(op_a)), (api.EPILOGUE, c_uint32(epilogue)))
        for attribute, value in values:
            lib.attribute("cublasLtMatmulDescSetAttribute", self.product, attribute, value)
        self._vector = c_uint64(vector)  # which the search for an algorithm looks at
        self._vector_at = addressof(self._vector)
        lib.attribute("cublasLtMatmulDescSetAttribute", self.product, api.BIAS_POINTER, self._vector)
        self.right = self._layout(kind, inner, columns, op_b, leading_b)
        self.left = self._layout(kind, rows, inner, op_a, leading_a)
        self.out = self._layout(kind, rows, columns, api.OP_N, columns)
        align_left, align_right, align_out = alignments
        align_left = min(align_left, COPY_ALIGNED) if copy_left else align_left
        align_right = min(align_right, COPY_ALIGNED) if copy_right else align_right
        search = Search(lib, (align_right, align_left, align_out, align_out))
        self.algorithm: Choice | None = search.best(handle, self.product, (self.right, self.left, self.out))
        self._algorithm_at = addressof(self.algorithm) if self.algorithm else 0  # its first field
        self._one, self._zero = _ONE[scale], _ZERO[scale]

    def _create(self, what: str, *arguments: Any) -> Any:
        made = self._library.create(f"cublasLt{what}Create", *arguments)
        self._made.append((what, made))
        return made

    def _layout(self, kind: int, rows: int, columns: int, op: int, leading: int) -> Any:
        """A matrix of ours as cuBLASLt sees its memory: column-major, so with our columns for rows."""
        if op == api.OP_T:
            rows, columns = columns, rows
        return self._create("MatrixLayout", kind, columns, rows, leading)

    def run(self, handle: Handle, left: int, right: int, to: int, vector: int) -> None:
        """Multiply matrices at addresses; the vector is the bias to add or the sums to write."""
        lib = handle.library
        if vector != self._vector.value:
            self._vector.value = vector
            lib.set_attribute(self.product, api.BIAS_POINTER, self._vector_at, 8)
        status = lib.matmul(
            handle.light, self.product, self._one, right, self.right, left, self.left, self._zero, to, self.out, to,
            self.out, self._algorithm_at, handle.workspace, api.WORKSPACE, handle.stream
        )  # fmt: skip
        if status:
            raise CublasError("cublasLtMatmul", status)

    def __del__(self) -> None:
        if not sys.is_finalizing():
            for what, made in getattr(self, "_made", ()):
                self._library.call(f"cublasLt{what}Destroy", made)


def _aligned(address: int) -> int:
    bits = address | api.ALIGNED
    return bits & -bits


def fused(handle: Handle, a: Any, b: Any, tf32: bool, epilogue: int, vector: Any) -> Any:
    """``a @ b`` of two matrices with an epilogue, or None if cuBLASLt has no algorithm for it.

    Args:
        vector: the bias to add, the sums to write, or None.
    """
    out = handle.xp.empty((a.shape[0], b.shape[1]), a.dtype)
    left, right, to = a.data.ptr, b.data.ptr, out.data.ptr
    at = 0 if vector is None else vector.data.ptr
    if (left | right | to | at) & (api.ALIGNED - 1):
        alignments = _aligned(left), _aligned(right), _aligned(to | at)
    else:
        alignments = api.ALIGNED, api.ALIGNED, api.ALIGNED
    key = (a.shape, a.strides, b.shape, b.strides, a.dtype, tf32, epilogue, alignments)
    plan = handle.fused.get(key)
    if plan is None:
        plan = handle.fused[key] = Fused(handle, *key, at)
        if len(handle.fused) > KEPT:
            handle.fused.popitem(last=False)
    else:
        handle.fused.move_to_end(key)
    if plan.algorithm is None:
        return None
    if plan.copied is not None:
        a, b = copies(handle, plan.copied, a, b)
        left, right = a.data.ptr, b.data.ptr
    plan.run(handle, left, right, to, at)
    return out
