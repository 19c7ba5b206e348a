"""Knowledge distillation: a teacher is trained, then a student learns from its softened answers."""

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train_loader = DataLoader(TensorDataset(*pictures(2000, seed=0)), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(*pictures(500, seed=1)), batch_size=100)


def net(width):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8 * width, 10),
    )  # fmt: skip


def test(model):
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader)
    return right / len(test_loader.dataset)


teacher, student = net(32), net(8)
optimizer = torch.optim.Adam(teacher.parameters(), lr=2e-3)
for epoch in range(6):
    teacher.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(teacher(x), y)
        loss.backward()
        optimizer.step()
    print(f"teacher {epoch} accuracy {test(teacher):.3f}")

T, alpha = 4.0, 0.7
optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
for epoch in range(15):
    student.train()
    for x, y in train_loader:
        with torch.no_grad():
            soft = teacher(x)
        logits = student(x)
        distilled = F.kl_div(F.log_softmax(logits / T, 1), F.softmax(soft / T, 1), reduction="batchmean") * T * T
        loss = alpha * distilled + (1 - alpha) * F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"student {epoch} accuracy {test(student):.3f}")
