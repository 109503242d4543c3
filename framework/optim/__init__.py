"""Optimizers, learning-rate schedules and weight averaging."""

from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.optim import lr_scheduler, swa_utils
from framework.optim.adadelta import Adadelta
from framework.optim.adafactor import Adafactor
from framework.optim.adagrad import Adagrad
from framework.optim.adam import Adam, AdamW
from framework.optim.adamax import Adamax
from framework.optim.asgd import ASGD
from framework.optim.lamb import Lamb, Lamb as LAMB
from framework.optim.lbfgs import LBFGS
from framework.optim.lion import Lion
from framework.optim.muon import Muon
from framework.optim.nadam import NAdam
from framework.optim.optimizer import Optimizer
from framework.optim.radam import RAdam
from framework.optim.rmsprop import RMSprop
from framework.optim.rprop import Rprop
from framework.optim.sgd import SGD


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.optim'", name, globals())
