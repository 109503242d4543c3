"""transformers, for comparison. It imports torchvision where it is, which needs the stand-in of tests/vision/peer.py."""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

import pytest

from tests.vision.peer import torchvision


def transformers() -> Any:
    """The module, or the test is skipped."""
    pytest.importorskip("torch")
    if importlib.util.find_spec("torchvision"):
        torchvision()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("transformers")
        module.logging.set_verbosity_error()
        module.utils.logging.disable_progress_bar()
        return module
