"""Denoising diffusion: noise of a drawn strength to be told from the picture, the weights averaged for sampling."""

import copy

import torch
from data import pictures
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
loader = DataLoader(pictures(2000, seed=0)[0] * 2 - 1, batch_size=64, shuffle=True, drop_last=True)
held_out = pictures(256, seed=1)[0] * 2 - 1
T = 200
betas = torch.linspace(1e-4, 0.05, T)
alphas_bar = (1 - betas).cumprod(0)


class Denoiser(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, width)
        self.last = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, x, t):
        angles = t[:, None] / T * 2 ** torch.arange(8)
        time = self.time(torch.cat([angles.sin(), angles.cos()], 1))[:, :, None, None]
        skip = nn.functional.silu(self.first(x) + time)
        hidden = nn.functional.silu(self.down(skip))
        hidden = nn.functional.silu(self.norm(self.middle(hidden) + time))
        return self.last(torch.cat([self.up(hidden), skip], 1))


def p_losses(net, x):
    t = torch.randint(T, (len(x),))
    noise = torch.randn_like(x)
    share = alphas_bar[t][:, None, None, None]
    return nn.functional.mse_loss(net(share.sqrt() * x + (1 - share).sqrt() * noise, t), noise)


model = Denoiser()
ema = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(12):
    model.train()
    for x in loader:
        loss = p_losses(model, x)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        for averaged, current in zip(ema.parameters(), model.parameters(), strict=True):
            averaged.lerp_(current.detach(), 0.01)
    with torch.no_grad():
        print(f"epoch {epoch} loss {loss:.4f} held out {p_losses(ema.eval(), held_out):.4f}")
