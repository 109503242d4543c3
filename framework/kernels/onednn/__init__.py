"""Kernels by oneDNN, called through ctypes: one file for its C interface, one for plans, one for each family."""

from framework.kernels.onednn.library import why_not as why_not
