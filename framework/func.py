"""Function transforms, under the names of ``torch.func``."""

from typing import Any as _Any

from framework.autograd.transforms import grad as grad
from framework.autograd.transforms import grad_and_value as grad_and_value
from framework.autograd.transforms import hessian as hessian
from framework.autograd.transforms import jacfwd as jacfwd
from framework.autograd.transforms import jacrev as jacrev
from framework.autograd.transforms import jvp as jvp
from framework.autograd.transforms import vjp as vjp
from framework.autograd.transforms import vmap as vmap
from framework.nn.utils.stateless import functional_call as functional_call
from framework.nn.utils.stateless import stack_module_state as stack_module_state
from framework.tensor import missing as _missing


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.func'", name, globals())
