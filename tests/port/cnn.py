"""A small residual network on images: AdamW with parameter groups, the one-cycle schedule, moving averages."""

import copy

import numpy as np
import torch
from torch import nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)


class Block(nn.Module):
    expansion: int = 1

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Net(nn.Module):
    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.layer1, self.layer2 = Block(8, 8), Block(8, 16, 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def main(start):
    rng = np.random.default_rng(1)
    images = torch.tensor(rng.normal(size=(24, 3, 12, 10)), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 4, 24))
    model = start(Net())
    decay = [p for n, p in model.named_parameters() if p.ndim > 1]
    plain = [p for n, p in model.named_parameters() if p.ndim <= 1]
    optimizer = optim.AdamW([{"params": decay}, {"params": plain, "weight_decay": 0.0}], lr=1e-3, weight_decay=0.05)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, epochs=3, steps_per_epoch=3)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 1.0, 0.5]))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    losses, rates = [], []
    for _ in range(3):
        for batch in range(0, 24, 8):
            output = model(images[batch : batch + 8].contiguous(memory_format=torch.channels_last))
            loss = criterion(output, labels[batch : batch + 8])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
            average.update_parameters(model)
            losses.append(loss.item())
            rates.append(scheduler.get_last_lr()[0])
    frozen = copy.deepcopy(model).eval()
    for p in frozen.parameters():
        p.requires_grad_(False)
    with torch.inference_mode():
        top = frozen(images).topk(2, dim=1)
        averaged = average.eval()(images)
    return {
        "losses": losses,
        "rates": rates,
        "top": top.values,
        "averaged": averaged,
        "shapes": list(model.state_dict()),
        "first": model.stem[0].weight.detach().abs().mean(),
        "repr": repr(model.layer2),
    }
