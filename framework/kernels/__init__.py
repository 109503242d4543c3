"""Kernels: the one place that knows a numerical library.

Each heavy family (gemm, conv, pool, ...) has a generic implementation for NumPy and CuPy arrays alike, and others of
the same signatures where a library does better. ``choose`` picks one a call; ``force`` and ``explain`` are for tests
and for people.
"""

from framework.kernels.registry import Kernel as Kernel
from framework.kernels.registry import choose as choose
from framework.kernels.registry import explain as explain
from framework.kernels.registry import fallbacks as fallbacks
from framework.kernels.registry import families as families
from framework.kernels.registry import force as force
from framework.kernels.registry import libraries as libraries
from framework.kernels.registry import register as register
from framework.kernels.registry import reset_fallbacks as reset_fallbacks
from framework.kernels.memory import keep_freed_blocks

keep_freed_blocks()  # here, since it has to come before the arrays
