"""An eager deep-learning core on NumPy and CuPy arrays, under PyTorch's names."""

import warnings as _warnings

# IEEE arithmetic is silent here, as in PyTorch: a division by zero gives inf. Only warnings from these modules are hidden.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"framework\.")

from framework import autograd as autograd  # noqa: E402
from framework.autograd.mode import enable_grad as enable_grad
from framework.autograd.mode import inference_mode as inference_mode
from framework.autograd.mode import is_grad_enabled as is_grad_enabled
from framework.autograd.mode import no_grad as no_grad
from framework.autograd.mode import set_grad_enabled as set_grad_enabled
from framework.methods import attach as _attach
from framework.ops.arithmetic import add as add
from framework.ops.creation import from_numpy as from_numpy
from framework.ops.creation import tensor as tensor
from framework.tensor import Size as Size
from framework.tensor import Tensor as Tensor

_attach()
