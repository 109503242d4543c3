"""A GRU encoder and an attending decoder with teacher forcing and greedy decoding; old spellings of tensor methods."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable


class Encoder(nn.Module):
    def __init__(self, words, hidden):
        super(Encoder, self).__init__()  # noqa: UP008
        self.embedding = nn.Embedding(words, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)

    def forward(self, tokens):
        return self.gru(self.embedding(tokens))


class Decoder(nn.Module):
    def __init__(self, words, hidden):
        super(Decoder, self).__init__()  # noqa: UP008
        self.embedding = nn.Embedding(words, hidden)
        self.query, self.key, self.value = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)
        self.cell = nn.GRUCell(2 * hidden, hidden)
        self.out = nn.Linear(hidden, words)

    def forward(self, token, hidden, states):
        scores = self.value(torch.tanh(self.query(hidden).unsqueeze(1) + self.key(states))).squeeze(2)
        weights = F.softmax(scores, dim=-1)
        context = torch.einsum("bt,bth->bh", weights, states)
        hidden = self.cell(torch.cat((self.embedding(token), context), 1), hidden)
        return self.out(hidden), hidden, weights


def main(start):
    rng = np.random.default_rng(9)
    source = Variable(torch.LongTensor(rng.integers(2, 12, (4, 5)).tolist()))
    target = source.flip(1).clone()
    encoder, decoder = start(Encoder(12, 8)), start(Decoder(12, 8))
    parameters = list(encoder.parameters()) + list(decoder.parameters())
    optimizer = torch.optim.Adamax(parameters, lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2)
    losses = []
    for epoch in range(5):
        states, hidden = encoder(source)
        hidden = hidden[0]
        token, loss = torch.ones(4, dtype=torch.int64), 0
        for t in range(5):
            logits, hidden, _ = decoder(token, hidden, states)
            loss += F.cross_entropy(logits, target[:, t], reduction="sum")
            token = target[:, t]
        optimizer.zero_grad()
        (loss / target.numel()).backward()
        optimizer.step()
        scheduler.step(epoch + 1)
        losses.append(float(loss.data))
    with torch.no_grad():
        states, hidden = encoder(source)
        hidden, token, decoded, attention = hidden.squeeze(0), torch.ones(4).long(), [], []
        for _ in range(5):
            logits, hidden, weights = decoder(token, hidden, states)
            values, token = torch.max(logits, 1)
            decoded.append(token)
            attention.append(weights)
    decoded, attention = torch.stack(decoded, dim=1), torch.stack(attention, 1)
    p = torch.ones(2, 3)
    p.data.add_(-0.5, torch.full((2, 3), 2.0))
    p = p.type(torch.DoubleTensor).mul_(3).sub_(1).clamp_(min=-0.5)
    return {
        "losses": losses,
        "decoded": decoded.numpy(),
        "attention": attention,
        "values": values,
        "p": p,
        "type": p.type(),
        "rates": [g["lr"] for g in optimizer.param_groups],
        "equal": (decoded == target).float().mean(),
    }
