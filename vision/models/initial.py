"""Initial values that several families share."""

from __future__ import annotations

from framework import nn


def start_by_outputs(model: nn.Module) -> None:
    """Fill a net: convolutions by He et al.'s rule for their outputs, linear layers with deviation 0.01, biases with zero.

    Norms keep what they begin with.

    Reference: He et al., "Delving Deep into Rectifiers", https://arxiv.org/abs/1502.01852
    """
    for m in model.modules():
        if not isinstance(m, nn.Conv2d | nn.Linear):
            continue
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        else:
            nn.init.normal_(m.weight, 0.0, 0.01)
        if m.bias is not None:
            nn.init.zeros_(m.bias)
