"""A picture as a function of its coordinates, as NeRF and SIREN fit one: judged by PSNR over what it learns."""

import torch
from data import pictures
from torch import nn

torch.manual_seed(0)
picture = pictures(16, seed=3)[0].view(4, 4, 16, 16).permute(0, 2, 1, 3).reshape(64, 64)
grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 64)] * 2, indexing="ij"), -1).view(-1, 2)
colours = picture.reshape(-1, 1)


def encode(x):
    angles = (x[:, None, :] * 2 ** torch.arange(6)[:, None] * torch.pi / 2).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], 1)


field = nn.Sequential(
    nn.Linear(24, 96),
    nn.ReLU(),
    nn.Linear(96, 96),
    nn.ReLU(),
    nn.Linear(96, 96),
    nn.ReLU(),
    nn.Linear(96, 1),
    nn.Sigmoid(),
)
optimizer = torch.optim.Adam(field.parameters(), lr=5e-4)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / 2000))
for step in range(2000):
    rays = torch.randint(len(grid), (256,))
    loss = ((field(encode(grid[rays])) - colours[rays]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 250 == 249:
        with torch.no_grad():
            psnr = -10 * ((field(encode(grid)) - colours) ** 2).mean().log10()
        print(f"Iter: {step} Loss: {loss:.5f} PSNR: {psnr:.2f}")
