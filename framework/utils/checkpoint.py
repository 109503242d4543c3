"""Activation checkpointing."""

from framework.autograd.checkpoint import checkpoint as checkpoint
from framework.autograd.checkpoint import checkpoint_sequential as checkpoint_sequential
