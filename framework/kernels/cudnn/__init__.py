"""Kernels by cuDNN's graphs, through NVIDIA's Python frontend: one file for the library, one for plans, one a family."""

from framework.kernels.cudnn.library import why_not as why_not
