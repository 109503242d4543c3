"""What a comparison ran on, and with which versions."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

# whose versions each side tells, by the names that packages have on the index
PACKAGES = {
    "framework": ("eagerkit", "numpy", "ml_dtypes", "cupy-cuda13x", "cupy-cuda12x", "nvidia-cudnn-frontend"),
    "torch": ("torch", "torchvision", "transformers"),
}


def card(lib: Any, on_card: bool) -> dict[str, str]:
    """The card's name, and the driver's version; of a run without one, the processor's."""
    if not on_card:
        return {"card": platform.processor() or platform.machine(), "driver": "none"}
    return {"card": str(lib.cuda.get_device_name()), "driver": driver()}


def driver() -> str:
    """The version of NVIDIA's driver, or "unknown" where its tool isn't there to say."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.split()
    return said[0] if said else "unknown"


def versions(lib: Any, on_card: bool) -> dict[str, str]:
    """A side's packages, and the libraries of NVIDIA's that it found."""
    found = {"python": platform.python_version()}
    for package in PACKAGES[lib.__name__]:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if on_card:
        side = "eagerkit" if lib.__name__ == "framework" else "torch"
        found[f"cudnn of {side}"] = str(lib.backends.cudnn.version())
        if lib.version.cuda is not None:
            found[f"cuda of {side}"] = lib.version.cuda
    return found
