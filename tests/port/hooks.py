"""Hooks for features and Grad-CAM, a network with skip connections, parametrizations and pruning."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import parametrizations, prune


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(4, 4, 3, padding="same", padding_mode="reflect", dilation=1)
        self.up = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.last = nn.Conv2d(5, 2, 1)

    def forward(self, x):
        h = F.leaky_relu(self.down(x), 0.1)
        h = F.relu(self.norm(self.middle(h)) + h)
        h = F.interpolate(self.up(h), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return self.last(torch.cat([h, x], 1))


def dice(logits, target):
    probabilities = logits.softmax(1)
    onehot = F.one_hot(target, 2).permute(0, 3, 1, 2).to(logits.dtype)
    overlap = (probabilities * onehot).sum(dim=(0, 2, 3))
    return 1 - ((2 * overlap + 1) / ((probabilities + onehot).sum(dim=(0, 2, 3)) + 1)).mean()


def main(start):
    rng = np.random.default_rng(7)
    x = torch.tensor(rng.normal(size=(2, 1, 8, 8)), dtype=torch.float32)
    target = torch.tensor((rng.uniform(size=(2, 8, 8)) > 0.5).astype("int64"))
    model = start(UNet())
    features, gradients, order = {}, {}, []

    def keep(name):
        def hook(module, inputs, output):
            features[name] = output.detach()
            order.append(f"{name} {tuple(inputs[0].shape)}")

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in model.named_children()]
    handles.append(model.down.register_full_backward_hook(lambda m, gi, go: gradients.update(down=go[0])))
    handles.append(model.up.register_forward_pre_hook(lambda m, args: (args[0] * 1.5,)))
    logits = model(x)
    loss = dice(logits, target) + F.cross_entropy(logits, target)
    loss.backward()
    weights = gradients["down"].mean(dim=(2, 3), keepdim=True)
    cam = F.relu((weights * features["down"]).sum(1))
    cam = (cam - cam.amin((1, 2), keepdim=True)) / (cam.amax((1, 2), keepdim=True) + 1e-8)
    for handle in handles:
        handle.remove()
    model(x)
    count = len(order)

    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        logits = model(x)
        loss = dice(logits, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    layer.weight = torch.arange(6.0).reshape(2, 3)
    prune.l1_unstructured(model.last, name="weight", amount=0.4)
    return {
        "losses": losses,
        "cam": cam,
        "order": order,
        "count": count,
        "kept": int(model.last.weight_mask.sum()),
        "normed": layer.weight,
        "pruned": model.last.weight,
        "names": sorted(n for n, _ in model.last.named_parameters()),
        "iou": (logits.argmax(1) & target).sum() / (logits.argmax(1) | target).sum(),
    }
