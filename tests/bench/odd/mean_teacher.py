"""Mean teacher: few labels, many pictures without, and a term that is ramped up."""

import copy
import math

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
images, labels = pictures(200, seed=0)
unlabelled, _ = pictures(2000, seed=2)
test_images, test_labels = pictures(500, seed=1)
student = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout2d(0.1),
    nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
    nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, 10),
)  # fmt: skip
ema_model = copy.deepcopy(student)
for parameter in ema_model.parameters():
    parameter.detach_()
optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)


def noisy(x):
    return x.roll(tuple(torch.randint(-1, 2, (2,)).tolist()), (2, 3)) + 0.1 * torch.randn_like(x)


def accuracy(model):
    model.eval()
    with torch.no_grad():
        return (model(test_images).argmax(1) == test_labels).float().mean().item()


RAMP = 300
for step in range(600):
    student.train()
    ema_model.train()
    known, free = torch.randint(len(images), (32,)), torch.randint(len(unlabelled), (32,))
    x = torch.cat([images[known], unlabelled[free]])
    logits = student(noisy(x))
    with torch.no_grad():
        wanted = ema_model(noisy(x)).softmax(1)
    weight = 10 * math.exp(-5 * (1 - min(1, step / RAMP)) ** 2)
    class_loss = F.cross_entropy(logits[:32], labels[known])
    consistency_loss = weight * F.mse_loss(logits.softmax(1), wanted)
    loss = class_loss + consistency_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    alpha = min(1 - 1 / (step + 1), 0.98)
    for ema, current in zip(ema_model.parameters(), student.parameters(), strict=True):
        ema.data.mul_(alpha).add_(current.data, alpha=1 - alpha)
    if step % 60 == 59:
        top1, top1_ema = accuracy(student), accuracy(ema_model)
        print(f"{step} class {class_loss:.3f} cons {consistency_loss:.3f} top1 {top1:.3f} ema {top1_ema:.3f}")
