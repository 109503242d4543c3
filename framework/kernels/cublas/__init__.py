"""Kernels by cuBLAS and cuBLASLt, called through ctypes: one file for their C interface, one for plans, one a family."""

from framework.kernels.cublas.library import why_not as why_not
