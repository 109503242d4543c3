"""A Wasserstein GAN with gradient penalty: two optimizers, gradients of gradients."""

import numpy as np
import torch
import torch.nn as nn
from torch import autograd


def gradient_penalty(critic, real, fake, mix):
    between = (mix * real + (1 - mix) * fake).requires_grad_(True)
    scores = critic(between)
    gradients = autograd.grad(
        outputs=scores,
        inputs=between,
        grad_outputs=torch.ones_like(scores),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


def main(start):
    rng = np.random.default_rng(4)
    generator = start(nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 2), nn.Tanh()))
    critic = start(nn.Sequential(nn.Linear(2, 8), nn.ELU(), nn.Linear(8, 8), nn.Softplus(), nn.Linear(8, 1)))
    g_opt = torch.optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.9))
    d_opt = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.9))
    d_losses, g_losses, penalties = [], [], []
    for _ in range(3):
        for p in critic.parameters():
            p.requires_grad = True
        for _ in range(2):
            real = torch.Tensor(rng.normal(0.5, 0.1, (6, 2)))
            noise = torch.Tensor(rng.normal(size=(6, 3)))
            with torch.no_grad():
                fake = generator(noise)
            critic.zero_grad()
            loss = critic(fake).mean() - critic(real).mean()
            penalty = gradient_penalty(critic, real.data, fake.data, torch.Tensor(rng.uniform(size=(6, 1))))
            (loss + 10.0 * penalty).backward()
            d_opt.step()
            d_losses.append(loss.item())
            penalties.append(penalty.item())
        for p in critic.parameters():
            p.requires_grad = False
        g_opt.zero_grad()
        g_loss = -critic(generator(torch.Tensor(rng.normal(size=(6, 3))))).mean()
        g_loss.backward()
        g_opt.step()
        g_losses.append(g_loss.item())
    return {"d": d_losses, "g": g_losses, "penalties": penalties, "grads": [p.grad for p in generator.parameters()]}
