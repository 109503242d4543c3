"""Function transforms, under the names of ``torch.func``."""

from framework.autograd.transforms import grad as grad
from framework.autograd.transforms import grad_and_value as grad_and_value
from framework.autograd.transforms import hessian as hessian
from framework.autograd.transforms import jacfwd as jacfwd
from framework.autograd.transforms import jacrev as jacrev
from framework.autograd.transforms import jvp as jvp
from framework.autograd.transforms import vjp as vjp
from framework.autograd.transforms import vmap as vmap
