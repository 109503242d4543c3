"""torchvision, for comparison. Its wheel is built for CUDA: without a stand-in for its operator registrations it fails."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import pytest


def torchvision() -> Any:
    """The module, or the test is skipped."""
    pytest.importorskip("torch")
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchvision")
