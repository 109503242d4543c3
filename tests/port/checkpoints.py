"""Saving and resuming: a resumed run equals an uninterrupted one; strict and partial loading; freezing."""

import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.features = nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU())
        self.pool = nn.AdaptiveMaxPool1d(2)
        self.classifier = nn.Linear(8, classes)

    def forward(self, x):
        return self.classifier(self.pool(self.features(x)).flatten(1))


def train(model, optimizer, scheduler, x, y, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.nll_loss(F.log_softmax(model(x), dim=-1), y)
        loss.backward()
        optimizer.step()
        scheduler.step(loss)
        losses.append(loss.item())
    return losses


def tools(model):
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.02)
    return optimizer, torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.2)


def main(start):
    rng = np.random.default_rng(6)
    x, y = torch.tensor(rng.normal(size=(12, 2, 6))).float(), torch.tensor(rng.integers(0, 3, (12,)))
    model = start(Net())
    optimizer, scheduler = tools(model)
    losses = train(model, optimizer, scheduler, x, y, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        torch.save(
            {
                "epoch": 3,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "best": min(losses),
            },
            path,
        )
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    losses += train(model, optimizer, scheduler, x, y, 3)

    other = Net()
    result = other.load_state_dict(checkpoint["model"])
    optimizer2, scheduler2 = tools(other)
    optimizer2.load_state_dict(checkpoint["optimizer"])
    scheduler2.load_state_dict(checkpoint["scheduler"])
    resumed = train(other, optimizer2, scheduler2, x, y, 3)

    wider = Net(5)
    try:
        wider.load_state_dict(checkpoint["model"])
        refused = ""
    except RuntimeError as error:
        refused = "size mismatch for classifier.weight" in str(error)
    kept = {k: v for k, v in checkpoint["model"].items() if not k.startswith("classifier.")}
    partial = wider.load_state_dict(kept, strict=False)
    for p in wider.features.parameters():
        p.requires_grad = False
    trainable = [n for n, p in wider.named_parameters() if p.requires_grad]
    wider(x).sum().backward()
    return {
        "losses": losses,
        "same": np.allclose(resumed, losses[3:], rtol=1e-6),
        "epoch": checkpoint["epoch"],
        "missing": sorted(partial.missing_keys),
        "unexpected": partial.unexpected_keys,
        "refused": refused,
        "matched": str(result),
        "trainable": trainable,
        "frozen": wider.features[0].weight.grad is None,
        "rate": optimizer.param_groups[0]["lr"],
        "state": sorted(optimizer.state_dict()["state"][0]),
    }
