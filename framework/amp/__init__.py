"""Mixed precision: ``autocast`` and what belongs to it, ``GradScaler``."""

from typing import Any as _Any

from framework.amp.functions import custom_bwd as custom_bwd
from framework.amp.functions import custom_fwd as custom_fwd
from framework.amp.grad_scaler import GradScaler as GradScaler
from framework.autograd.autocast import autocast as autocast
from framework.autograd.autocast_state import is_autocast_available as is_autocast_available
from framework.tensor import missing as _missing


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.amp'", name, globals())
