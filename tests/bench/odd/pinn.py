"""A physics-informed network: a damped oscillator by Adam, then by L-BFGS, with no data but its equation."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
t = torch.linspace(0, 1, 60)[:, None].requires_grad_()
zero = torch.zeros(1, 1, requires_grad=True)
DAMPING, STIFFNESS = 2.0, 64.0
omega = (STIFFNESS - DAMPING**2 / 4) ** 0.5
exact = torch.exp(-DAMPING / 2 * t) * (torch.cos(omega * t) + DAMPING / 2 / omega * torch.sin(omega * t))


def derivative(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


def loss_fn():
    start = model(zero)
    u = model(t)
    du = derivative(u, t)
    physics = ((derivative(du, t) + DAMPING * du + STIFFNESS * u) ** 2).mean()
    return (start - 1).pow(2).mean() + 0.1 * derivative(start, zero).pow(2).mean() + 1e-4 * physics


optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(800):
    optimizer.zero_grad()
    loss = loss_fn()
    loss.backward()
    optimizer.step()
    if step % 200 == 199:
        print(f"adam {step} loss {loss:.6f} error {(model(t) - exact).abs().mean():.4f}")

optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=20, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = loss_fn()
    loss.backward()
    return loss


for step in range(60):
    loss = optimizer.step(closure)
    if step % 20 == 19:
        print(f"lbfgs {step} loss {loss:.6f} error {(model(t) - exact).abs().mean():.4f}")
