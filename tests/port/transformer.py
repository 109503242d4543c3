"""A transformer encoder for sequences, with masks, a warm-up schedule and gradient accumulation."""

import math

import numpy as np
import torch
import torch.nn as nn
from torch.optim.lr_scheduler import LambdaLR


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=32):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Model(nn.Module):
    def __init__(self, words=30, d_model=16, heads=4, layers=2):
        super().__init__()
        self.d_model = d_model
        self.embed = nn.Embedding(words, d_model)
        self.position = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(
            d_model, heads, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(d_model), enable_nested_tensor=False)
        self.head = nn.Linear(d_model, words, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens, padding=None):
        causal = nn.Transformer.generate_square_subsequent_mask(tokens.size(1))
        x = self.position(self.embed(tokens) * math.sqrt(self.d_model))
        if padding is not None:
            padding = torch.zeros_like(padding, dtype=x.dtype).masked_fill(padding, float("-inf"))
        return self.head(self.encoder(x, mask=causal, src_key_padding_mask=padding))


def main(start):
    rng = np.random.default_rng(3)
    tokens = torch.from_numpy(rng.integers(1, 30, (8, 9)))
    padding = torch.zeros(8, 8, dtype=torch.bool)
    padding[::2, 6:] = True
    model = start(Model())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.98), eps=1e-9)
    scheduler = LambdaLR(optimizer, lambda step: min((step + 1) / 3, (step + 1) ** -0.5))
    criterion = nn.CrossEntropyLoss(ignore_index=-100)
    losses, perplexity = [], []
    for _ in range(4):
        optimizer.zero_grad()
        total = 0.0
        for part, mask in zip(tokens.chunk(2), padding.chunk(2)):
            source, target = part[:, :-1], part[:, 1:].clone()
            target[mask] = -100
            logits = model(source, mask)
            loss = criterion(logits.reshape(-1, logits.size(-1)), target.reshape(-1)) / 2
            loss.backward()
            total += loss.item()
        optimizer.step()
        scheduler.step()
        losses.append(total)
        perplexity.append(math.exp(total))
    model.eval()
    generated = tokens[:2, :3]
    with torch.no_grad():
        for _ in range(4):
            step = model(generated)[:, -1].log_softmax(-1)
            generated = torch.cat([generated, step.argmax(-1, keepdim=True)], dim=-1)
    return {
        "losses": losses,
        "perplexity": perplexity,
        "generated": generated,
        "tied": model.head.weight is model.embed.weight,
        "keys": list(model.state_dict().keys()),
        "parameters": len(list(model.parameters())),
    }
