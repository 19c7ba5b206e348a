"""MAML on sine waves: a step within each task, a step over the tasks by the loss after it."""

import math

import torch
from torch import nn
from torch.func import functional_call

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
meta_optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def task():
    amplitude, phase = 0.1 + 4.9 * torch.rand(1), math.pi * torch.rand(1)
    x = 10 * torch.rand(20, 1) - 5
    y = amplitude * torch.sin(x + phase)
    return x[:10], y[:10], x[10:], y[10:]


def adapted_loss(support_x, support_y, query_x, query_y, create_graph):
    weights = dict(model.named_parameters())
    loss = nn.functional.mse_loss(functional_call(model, weights, support_x), support_y)
    gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=create_graph)
    fast = {name: weight - 0.01 * g for (name, weight), g in zip(weights.items(), gradients, strict=True)}
    return nn.functional.mse_loss(functional_call(model, fast, query_x), query_y)


for iteration in range(500):
    meta_optimizer.zero_grad()
    meta_loss = sum(adapted_loss(*task(), create_graph=True) for _ in range(6)) / 6
    meta_loss.backward()
    meta_optimizer.step()
    if iteration % 100 == 99:
        losses = [adapted_loss(*task(), create_graph=False).item() for _ in range(50)]
        print(f"iteration {iteration} meta loss {meta_loss:.3f} after adaptation {sum(losses) / 50:.3f}")
