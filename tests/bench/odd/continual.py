"""Continual learning: three tasks of pictures one after the other, the loss rises where each begins."""

import torch
from data import pictures
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
    nn.Flatten(), nn.Linear(512, 10),
)  # fmt: skip
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
criterion = nn.CrossEntropyLoss()
tasks = []
for task in range(3):
    shuffled = torch.randperm(256, generator=torch.Generator().manual_seed(task)) if task else torch.arange(256)
    train, test = (
        TensorDataset(x.flatten(1)[:, shuffled].view_as(x), y)
        for x, y in (pictures(1500, 2 * task), pictures(300, 2 * task + 1))
    )
    tasks.append(DataLoader(test, batch_size=100))
    for epoch in range(8):
        model.train()
        for x, y in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = [sum((model(x).argmax(1) == y).sum().item() for x, y in seen) / 300 for seen in tasks]
        print(f"task {task} epoch {epoch} loss {loss:.3f} accuracy", " ".join(f"{share:.2f}" for share in right))
