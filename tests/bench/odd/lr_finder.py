"""A search for the learning rate, up to where the loss explodes; the weights put back; then the real training."""

import copy

import torch
from data import pictures
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train_loader = DataLoader(TensorDataset(*pictures(2000, seed=0)), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(*pictures(500, seed=1)), batch_size=100)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
)  # fmt: skip
criterion = nn.CrossEntropyLoss()
kept = copy.deepcopy(model.state_dict())

optimizer = torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9)
lrs, losses, lr = [], [], 1e-5
while True:
    for x, y in train_loader:
        optimizer.param_groups[0]["lr"] = lr
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lrs.append(lr)
        losses.append(loss.item())
        lr *= 1.12
    if losses[-1] > 4 * min(losses) or lr > 10:
        break
best = lrs[losses.index(min(losses))] / 10
print(f"suggested learning rate {best:.4f}")

model.load_state_dict(kept)
optimizer = torch.optim.SGD(model.parameters(), lr=best, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15 * len(train_loader))
for epoch in range(15):
    model.train()
    for x, y in train_loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        accuracy = sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader) / 500
    print(f"epoch {epoch} loss {loss:.3f} accuracy {accuracy:.3f}")
