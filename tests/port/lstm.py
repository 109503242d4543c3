"""A bidirectional LSTM classifier on sequences of several lengths: a Dataset, a collate function, packed sequences."""

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, Subset, random_split


class Sentences(Dataset):
    def __init__(self, count):
        rng = np.random.default_rng(2)
        self.items = [(rng.integers(1, 20, n).tolist(), int(n > 5)) for n in rng.integers(2, 9, count)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        tokens, label = self.items[index]
        return torch.tensor(tokens), label


def collate(batch):
    tokens, labels = zip(*batch)
    lengths = torch.as_tensor([len(t) for t in tokens])
    return pad_sequence(tokens, batch_first=True, padding_value=0), lengths, torch.tensor(labels, dtype=torch.float)


class Classifier(nn.Module):
    def __init__(self, words=20, size=6, hidden=5):
        super().__init__()
        self.embedding = nn.Embedding(words, size, padding_idx=0)
        self.lstm = nn.LSTM(size, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.attention = nn.Linear(2 * hidden, 1)
        self.out = nn.Linear(2 * hidden, 1)

    def forward(self, text, lengths):
        packed = pack_padded_sequence(self.embedding(text), lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed, (h, _c) = self.lstm(packed)
        states, _ = pad_packed_sequence(packed, batch_first=True)
        scores = self.attention(states).squeeze(-1)
        mask = torch.arange(states.size(1))[None, :] >= lengths[:, None]
        weights = torch.softmax(scores.masked_fill(mask, float("-inf")), dim=1)
        context = torch.bmm(weights.unsqueeze(1), states).squeeze(1)
        return self.out(context + torch.cat((h[-2], h[-1]), dim=1)).squeeze(1)


def main(start):
    data = Sentences(22)
    parts = random_split(data, [20, 2], generator=torch.Generator().manual_seed(0))
    sizes = [len(p) for p in parts]
    loader = DataLoader(Subset(data, range(20)), batch_size=5, collate_fn=collate, num_workers=0)
    model = start(Classifier())
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01, alpha=0.9, momentum=0.5)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(1.5))
    losses, hits = [], 0
    for _ in range(3):
        for text, lengths, labels in loader:
            optimizer.zero_grad()
            logits = model(text, lengths)
            loss = criterion(logits, labels)
            loss.backward()
            torch.nn.utils.clip_grad_value_(model.parameters(), clip_value=0.5)
            optimizer.step()
            losses.append(loss.detach().item())
            hits += int(((logits.sigmoid() > 0.5) == labels.bool()).sum())
    return {
        "losses": losses,
        "hits": hits,
        "sizes": sizes,
        "padding": model.embedding.weight[0],
        "names": sorted(n for n, _ in model.named_parameters()),
        "batches": len(loader),
        "gradient": model.lstm.weight_hh_l1_reverse.grad,
    }
