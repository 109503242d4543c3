"""Ufuncs of the stand-in: CuPy's loops, chosen by CuPy's rule, computed by NumPy.

CuPy takes the first loop to which every input casts safely (a Python number: to which it is weak enough). It has none of
NumPy's `where=`, and only the methods that are written here.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import scipy.special

from tests.gpu.host.cupy_names import UFUNCS
from tests.gpu.host.fake_array import check_device, host, ndarray, synchronises, wrap

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
SCATTERED = {"add": ["int32", "uint32", "uint64", "float16", "float32", "float64"]}  # what CuPy's scatter kernels take
SCATTERED["maximum"] = SCATTERED["minimum"] = ["int32", "uint32", "uint64", "float32", "float64"]


def _kind(x: Any) -> int:
    """How wide an input's kind is, as CuPy ranks them when a Python number meets an array."""
    kind = (x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype).kind
    return {"b": 0, "i": 1, "u": 1, "V": 3}.get(kind, 2)


def dtype_of(char: str) -> np.dtype[Any]:
    return BFLOAT16 if char == "E" else np.dtype(char)


class ufunc:
    def __init__(self, name: str, loops: str, compute: Any) -> None:
        self.name = "cupy_" + name
        self.__name__ = name
        self.types = loops.split()
        self._compute = compute
        pairs = [loop.split("->") for loop in self.types]
        self._loops = [([dtype_of(c) for c in a], [dtype_of(c) for c in b]) for a, b in pairs if a != "VV"]
        self.nin, self.nout = len(pairs[0][0]), len(pairs[0][1])
        self.nargs = self.nin + self.nout

    def _choose(self, inputs: list[Any], dtype: Any) -> Any:
        if dtype is not None:
            for loop in self._loops:
                if all(out == dtype for out in loop[1]):
                    return loop
            raise TypeError(f"Wrong type ({dtype}) of arguments for {self.name}")
        kinds = [_kind(x) for x in inputs]
        arrays = [kind for x, kind in zip(inputs, kinds) if hasattr(x, "dtype")]
        numbers = [kind for x, kind in zip(inputs, kinds) if not hasattr(x, "dtype")]
        weak = bool(arrays) and bool(numbers) and max(arrays) >= max(numbers)
        for loop in self._loops:
            if all(self._fits(x, kind, weak) for x, kind in zip(inputs, loop[0])):
                return loop
        raise TypeError(f"Wrong type ({[getattr(x, 'dtype', type(x)) for x in inputs]}) of arguments for {self.name}")

    @staticmethod
    def _fits(x: Any, kind: np.dtype[Any], weak: bool) -> bool:
        """Whether an input goes into a loop's dtype: by a safe cast, or as a Python number that does not widen it."""
        if np.can_cast(x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype, kind):
            return True
        return weak and not hasattr(x, "dtype") and bool(np.result_type(type(x)(0), kind) == kind)

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
        inputs, given = list(args[: self.nin]), args[self.nin :]
        if len(inputs) < self.nin or len(given) > self.nout:
            raise TypeError(f"Wrong number of arguments for {self.name!r}: {len(args)}")
        outs = list(out if isinstance(out, tuple) else (out,)) if out is not None else list(given)
        for x in (*inputs, *(o for o in outs if o is not None)):
            if isinstance(x, ndarray):
                check_device(x)
            elif not isinstance(x, (bool, int, float, complex, np.generic)):
                raise TypeError(f"Unsupported type {type(x)}")
        loop = self._choose(inputs, None if dtype is None else np.dtype(dtype))
        values = [self._cast(x, kind) for x, kind in zip(inputs, loop[0])]
        wide = [v.astype(np.float32) if v.dtype == BFLOAT16 else v for v in values]
        with np.errstate(all="ignore"):
            results = self._compute(*wide)
        results = results if isinstance(results, tuple) else (results,)
        answers = []
        for number, (result, kind) in enumerate(zip(results, loop[1])):
            result = np.asarray(result).astype(kind, copy=False)
            place = outs[number] if number < len(outs) else None
            if place is None:
                answers.append(wrap(result, "C"))  # CuPy keeps no other order
                continue
            if not np.can_cast(kind, place.dtype, casting):
                raise TypeError(f"output (typecode '{kind.char}') could not be coerced to '{place.dtype.char}'")
            if place.shape != np.broadcast_shapes(place.shape, result.shape):
                raise ValueError(f"non-broadcastable output operand with shape {place.shape}: {result.shape}")
            place._numpy[...] = result
            answers.append(place)
        return answers[0] if self.nout == 1 else tuple(answers)

    @staticmethod
    def _cast(x: Any, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
        with np.errstate(all="ignore"):
            return x._numpy.astype(kind, copy=False) if isinstance(x, ndarray) else np.asarray(x).astype(kind)

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if self.__name__ not in ("add", "maximum", "minimum"):
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        scatter(self.__name__, a, indices, b)

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        if self.__name__ not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        return getattr(array, "sum" if self.__name__ == "add" else "prod")(axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.__name__ not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        return getattr(array, "cumsum" if self.__name__ == "add" else "cumprod")(axis, dtype, out)

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.__name__ != "add":
            raise NotImplementedError(f"`{self.name}.reduceat` is not supported yet")
        return wrap(np.add.reduceat(array._numpy, host(indices), axis, dtype))

    def outer(self, a: Any, b: Any, **options: Any) -> Any:
        return self(a.reshape(a.shape + (1,) * b.ndim), b, **options)


def scatter(name: str, a: ndarray, indices: Any, values: Any) -> None:
    """`a[indices] op= values`, repeated places and all; only of the dtypes that CuPy's atomics have."""
    index = indices if isinstance(indices, tuple) else (indices,)
    arrays = [i for i in index if isinstance(i, (ndarray, list))]
    if any(isinstance(i, ndarray) and i.dtype == bool for i in index):
        synchronises("the number of places in a boolean mask")
    if arrays and a.dtype.name not in SCATTERED[name]:
        raise TypeError(f"scatter_{name} only supports {', '.join(SCATTERED[name])}, got {a.dtype}")
    with np.errstate(all="ignore"):
        getattr(np, name).at(a._numpy, tuple(host(i) for i in index), host(values))


def computed_by(name: str) -> Any:
    """NumPy's or SciPy's function of a ufunc's name."""
    module, _, last = name.rpartition(".")
    return getattr(scipy.special, last) if module == "special" else getattr(np, last)


WHERE = ufunc("where", "???->? ?bb->b ?BB->B ?hh->h ?HH->H ?ii->i ?II->I ?ll->l ?LL->L ?qq->q ?QQ->Q ?ee->e ?ff->f "
              "?dd->d ?FF->F ?DD->D", np.where)  # fmt: skip
CLIP = ufunc("clip", "???->? bbb->b BBB->B hhh->h HHH->H iii->i III->I lll->l LLL->L qqq->q QQQ->Q eee->e fff->f ddd->d",
             lambda x, low, high: np.minimum(np.maximum(x, low), high))  # fmt: skip
"""Of these bfloat16 comes out as float32: they have no loop for it."""

TABLE = {
    name: ufunc(name.removeprefix("special."), loops, computed_by(name))
    for loops, names in UFUNCS.items()
    for name in names.split()
}
