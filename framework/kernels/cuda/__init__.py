"""Our own CUDA kernels: ``source/*.cu``, compiled by NVRTC when first called, and one module for each family."""

from framework.kernels.cuda.modules import why_not as why_not
