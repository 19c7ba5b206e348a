"""Progressive resizing: small pictures first, larger ones later; one cycle of the learning rate, mixed precision."""

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train, test = TensorDataset(*pictures(1500, seed=0)), TensorDataset(*pictures(400, seed=1))
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
    nn.Flatten(), nn.Linear(512, 10),
)  # fmt: skip
SIZES = (8, 8, 12, 12, 16, 16, 24, 24)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=len(SIZES) * 47)
for epoch, size in enumerate(SIZES):
    model.train()
    for images, y in DataLoader(train, batch_size=32, shuffle=True):
        x = F.interpolate(images, size=size, mode="bilinear")
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in DataLoader(test, batch_size=100):
            right += (model(F.interpolate(x, size=size, mode="bilinear")).argmax(1) == y).sum().item()
    print(f"epoch {epoch} size {size} loss {loss:.3f} accuracy {right / len(test):.3f}")
