"""The fixture ``cudnn``: cuDNN's kernels, run by a stand-in for its frontend where there is no card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
ROUNDING = {np.dtype("f4"): 2e-5, np.dtype("f2"): 5e-3, BFLOAT16: 4e-2}


@pytest.fixture
def cudnn(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in's module; None on a card, which has the real one."""
    import framework.kernels.cudnn as package
    from framework import settings
    from framework.kernels.cudnn import library, plans

    plans._calls.clear()
    plans._compiled.clear()
    precision = settings.get_float32_matmul_precision()
    if gpu.real:
        if (why := package.why_not()) is not None:
            pytest.skip(why)
        gpu.use("cuda", "cublas", "cudnn")
        yield None
    else:
        from tests.gpu.host import fake_cudnn

        monkeypatch.setattr(package, "why_not", lambda: None)
        monkeypatch.setattr(library, "_handles", library.Handles(library.Handle))
        with fake_cudnn.installed():
            gpu.use("cuda", "cudnn")
            yield fake_cudnn
    settings.set_float32_matmul_precision(precision)


def near(found: Any, expected: Any, dtype: Any, factor: float = 1) -> None:
    """Check an array of the GPU against one of NumPy, shape and all."""
    if expected is None:
        assert found is None
        return
    a, b = found.get().astype("f8"), np.asarray(expected).astype("f8")
    assert a.shape == b.shape, (a.shape, b.shape)
    bound = factor * ROUNDING[dtype]
    assert np.allclose(a, b, rtol=bound, atol=bound * max(1.0, np.abs(b).max(initial=0))), np.abs(a - b).max()


def last(xp: Any, x: Any) -> Any:
    """An array on the GPU with the channels innermost in memory."""
    return xp.asarray(np.ascontiguousarray(np.moveaxis(x, 1, -1))).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
