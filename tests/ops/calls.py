"""One call, written as text, made of this framework and of PyTorch: the results must agree to the last stride."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import framework


def outcome(library: Any, call: str) -> Any:
    """What a call in which ``F`` is the library gives: nested plain values, or that it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _plain(library, eval(call, {"F": library, "np": np}))
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"


def _plain(library: Any, value: Any) -> Any:
    if isinstance(value, library.Tensor):
        strides = value.stride() if value.numel() else None
        return str(value.dtype).split(".")[1], tuple(value.shape), strides, value.tolist(), value.requires_grad
    if isinstance(value, tuple | list) and not isinstance(value, library.Size):
        return [_plain(library, item) for item in value]
    return str(value).replace("torch", "framework")


def agree(call: str) -> None:
    """Check that both libraries give the same, or both refuse."""
    torch = pytest.importorskip("torch")
    theirs, ours = outcome(torch, call), outcome(framework, call)
    if str(theirs).startswith("raised"):
        assert str(ours).startswith("raised"), f"{call}: PyTorch {theirs}, this framework gave {ours}"
        assert "MissingAttribute" not in ours and "AttributeError" not in ours, ours
    else:
        assert str(ours) == str(theirs), call
