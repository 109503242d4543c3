"""Automatic differentiation: the engine, the modes, and the tools around them."""

from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.autograd import anomaly as anomaly_mode
from framework.autograd import graph as graph
from framework.autograd import mode as grad_mode
from framework.autograd.anomaly import detect_anomaly as detect_anomaly
from framework.autograd.anomaly import set_detect_anomaly as set_detect_anomaly
from framework.autograd.engine import backward as backward
from framework.autograd.engine import grad as grad
from framework.autograd.function import Function as Function
from framework.autograd.gradcheck import GradcheckError as GradcheckError
from framework.autograd.gradcheck import gradcheck as gradcheck
from framework.autograd.gradcheck import gradgradcheck as gradgradcheck
from framework.autograd.mode import enable_grad as enable_grad
from framework.autograd.mode import inference_mode as inference_mode
from framework.autograd.mode import no_grad as no_grad
from framework.autograd.mode import set_grad_enabled as set_grad_enabled
from framework.tensor import Tensor as Variable

__all__ = [
    "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck",
    "gradgradcheck", "inference_mode", "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name == "profiler":  # loaded when it is first named
        from importlib import import_module

        return import_module("framework.autograd.profiler")
    _missing("module 'framework.autograd'", name, globals())
