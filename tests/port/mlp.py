"""A multi-layer perceptron on blobs: SGD with momentum, a step schedule, gradient clipping, accuracy."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.0),
            nn.Linear(hidden, classes),
        )
        self.apply(self.reset)

    @staticmethod
    def reset(m):
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            nn.init.constant_(m.bias, 0.01)

    def forward(self, x):
        return self.layers(x.view(x.size(0), -1))


def main(start):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 96)
    x = rng.normal(size=(96, 2, 4)) + y[:, None, None]
    train = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).long())
    loader = DataLoader(train, batch_size=32, shuffle=False, drop_last=True)

    model = start(Net(8, 16, 3)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    losses, norms, rates = [], [], []
    for _epoch in range(4):
        model.train()
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(data), target, label_smoothing=0.1)
            loss.backward()
            norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)))
            optimizer.step()
            losses.append(loss.item())
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data.to(device))
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {
        "losses": losses,
        "norms": norms,
        "rates": rates,
        "correct": correct,
        "count": count,
        "last": scheduler.get_last_lr(),
        "tracked": model.layers[1].num_batches_tracked.item(),
        "mean": model.layers[1].running_mean,
        "probabilities": output.softmax(-1).cpu().numpy(),
    }
