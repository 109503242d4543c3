"""Special functions under the names of ``torch.special``; they live in ``framework.ops``."""

from typing import Any as _Any

from framework.ops.exponential import exp2 as exp2
from framework.ops.exponential import expit as expit
from framework.ops.exponential import expm1 as expm1
from framework.ops.exponential import log1p as log1p
from framework.ops.exponential import logit as logit
from framework.ops.reduction import logsumexp as logsumexp
from framework.ops.rounding import round as round
from framework.ops.softmax import log_softmax as log_softmax
from framework.ops.softmax import softmax as softmax
from framework.ops.special import digamma as digamma
from framework.ops.special import entr as entr
from framework.ops.special import erf as erf
from framework.ops.special import erfc as erfc
from framework.ops.special import erfcx as erfcx
from framework.ops.special import erfinv as erfinv
from framework.ops.special import gammainc as gammainc
from framework.ops.special import gammaincc as gammaincc
from framework.ops.special import gammaln as gammaln
from framework.ops.special import i0 as i0
from framework.ops.special import i0e as i0e
from framework.ops.special import i1 as i1
from framework.ops.special import i1e as i1e
from framework.ops.special import log_ndtr as log_ndtr
from framework.ops.special import multigammaln as multigammaln
from framework.ops.special import ndtr as ndtr
from framework.ops.special import ndtri as ndtri
from framework.ops.special import polygamma as polygamma
from framework.ops.special import psi as psi
from framework.ops.special import xlog1py as xlog1py
from framework.ops.special import xlogy as xlogy
from framework.ops.special import zeta as zeta
from framework.ops.trigonometric import sinc as sinc
from framework.tensor import missing as _missing


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.special'", name, globals())
