"""Reinforcement-style and metric-style code: gather, a target network, soft updates, distances, functional calls."""

import copy
import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class Memory:
    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, count):
        return random.sample(list(self.memory), count)


def main(start):
    random.seed(0)
    rng = np.random.default_rng(8)
    policy = start(nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 2)))
    target = copy.deepcopy(policy)
    target.load_state_dict(policy.state_dict())
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-2, amsgrad=True)
    memory = Memory(50)
    for i in range(30):
        state, action = torch.tensor(rng.normal(size=(1, 4))).float(), torch.tensor([[int(rng.integers(2))]])
        following = None if i % 7 == 0 else torch.tensor(rng.normal(size=(1, 4))).float()
        memory.push(state, action, following, torch.tensor([float(action.item())]))
    losses = []
    for _ in range(4):
        batch = Transition(*zip(*memory.sample(10)))
        alive = torch.tensor(tuple(s is not None for s in batch.next_state), dtype=torch.bool)
        following = torch.cat([s for s in batch.next_state if s is not None])
        states, actions, rewards = torch.cat(batch.state), torch.cat(batch.action), torch.cat(batch.reward)
        values = policy(states).gather(1, actions)
        nexts = torch.zeros(10)
        with torch.no_grad():
            nexts[alive] = target(following).max(1).values
        loss = nn.SmoothL1Loss()(values, (nexts * 0.9 + rewards).unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(policy.parameters(), 100)
        optimizer.step()
        theirs, ours = target.state_dict(), policy.state_dict()
        for key in ours:
            theirs[key] = ours[key] * 0.1 + theirs[key] * 0.9
        target.load_state_dict(theirs)
        losses.append(loss.item())

    # the best of each class by distance, a contrastive loss, and gradients per sample
    points = F.normalize(policy[0](states), dim=1)
    distances = torch.cdist(points, points) + torch.eye(10) * 1e3
    nearest = distances.min(dim=1)
    similarity = points @ points.t() / 0.5
    similarity.fill_diagonal_(float("-inf"))
    contrast = F.cross_entropy(similarity, torch.arange(10).roll(1))
    weights = {k: v.detach() for k, v in policy.named_parameters()}

    def sample_loss(weights, state, action):
        out = functional_call(policy, weights, (state.unsqueeze(0),))
        return F.cross_entropy(out, action)

    per_sample = vmap(grad(sample_loss), in_dims=(None, 0, 0))(weights, states, actions)
    return {
        "losses": losses,
        "nearest": nearest.indices,
        "least": nearest.values,
        "contrast": contrast,
        "per_sample": per_sample["0.weight"],
        "target": target[2].weight,
        "sizes": [tuple(p.shape) for p in policy.parameters()],
    }
