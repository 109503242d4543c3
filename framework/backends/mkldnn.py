"""oneDNN, under the name that PyTorch kept for it."""

from framework.kernels import libraries


def is_available() -> bool:
    """Whether any kernel family is served by oneDNN."""
    return "onednn" in libraries()
