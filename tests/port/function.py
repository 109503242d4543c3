"""Custom autograd functions, tensor hooks, manual updates and an optimizer of one's own."""

import numpy as np
import torch
from torch.autograd import Function, gradcheck
from torch.optim import Optimizer


class Round(Function):
    """Rounds forward, passes gradients straight through where they are not clipped."""

    @staticmethod
    def forward(ctx, x, limit):
        ctx.save_for_backward(x)
        ctx.limit = limit
        return x.round()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x.abs() <= ctx.limit).to(grad_output.dtype), None


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * y


class Sign(Optimizer):
    def __init__(self, params, lr=1e-2, decay=0.9):
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, {"lr": lr, "decay": decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["average"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                state["step"] += 1
                state["average"].mul_(group["decay"]).add_(p.grad, alpha=1 - group["decay"])
                p.addcdiv_(state["average"], state["average"].abs().add_(1e-3), value=-group["lr"])
        return loss


def main(start):
    rng = np.random.default_rng(5)
    x = torch.tensor(rng.normal(size=(10, 3)), dtype=torch.float64)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64) + 0.3
    w = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    seen = []
    handle = w.register_hook(lambda g: seen.append(g.norm().item()) or g * 0.5)
    losses = []
    for step in range(4):
        if step == 2:
            handle.remove()
        loss = (Exp.apply(x @ w * 0.1) + x @ w + b - y).pow(2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            b -= 0.1 * b.grad
        w.grad.zero_()
        b.grad = None
        losses.append(loss.item())
    optimizer = Sign([w, b], lr=0.05)

    def closure():
        optimizer.zero_grad()
        loss = (Round.apply(x * 2, 1.5) @ w + b - y).abs().mean()
        loss.backward()
        return loss

    losses += [optimizer.step(closure).item() for _ in range(3)]
    z = torch.tensor([0.2, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    Round.apply(z * 2, 1.5).sum().backward()
    checked = gradcheck(Exp.apply, (torch.tensor([0.1, 0.7], dtype=torch.float64, requires_grad=True),))
    (first,) = torch.autograd.grad(Exp.apply(z).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), z)
    return {"losses": losses, "seen": seen, "w": w, "b": b, "grad": z.grad, "second": second, "checked": checked}
