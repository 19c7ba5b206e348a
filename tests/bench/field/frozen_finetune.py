"""Fine-tuning a classifier: a body trained before on many pictures, a new head; the body frozen first, then not."""

import cv2
import numpy as np
import torch
from data import draw
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
MEAN, STD = 0.35, 0.25


def photos(count, seed, kinds):
    """(count, 3, 32, 32) pictures in 0..1 of what stands in *kinds*, and which; 0-2 are filled shapes, 3-5 outlines."""
    generator = np.random.default_rng(seed)
    images, labels = [], generator.integers(0, len(kinds), count)
    for label in labels:
        kind = kinds[label]
        picture = generator.integers(0, 120, 3) + generator.normal(0, 12, (32, 32, 3))
        w, h = generator.integers(14, 24, 2).tolist()
        x, y = int(generator.integers(0, 32 - w)), int(generator.integers(0, 32 - h))
        colour = generator.integers(130, 255, 3).tolist()
        draw(picture, kind % 3, (x, y, x + w, y + h), colour)
        if kind >= 3:
            draw(picture, kind % 3, (x + 3, y + 3, x + w - 3, y + h - 3), generator.integers(0, 60, 3).tolist())
        images.append(cv2.GaussianBlur(picture, (3, 3), 0).clip(0, 255))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(labels)


def normalise(images):
    return (images - MEAN) / STD


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        layers, width = [], 3
        for wider in (8, 16, 32):
            layers += [nn.Conv2d(width, wider, 3, 2, 1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x):
        return self.fc(self.body(x))


def train_one_epoch(model, loader, optimizer, criterion):
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        total += loss.item() / len(loader)
    return total


def evaluate(model, loader):
    model.eval()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return right / len(loader.dataset)


criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
images, labels = photos(1500, 0, (0, 1))
pretraining = DataLoader(TensorDataset(normalise(images), labels), batch_size=64, shuffle=True)
model = Net(num_classes=2)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(4):
    print(f"pretraining epoch {epoch} loss {train_one_epoch(model, pretraining, optimizer, criterion):.3f}")

images, labels = photos(900, 1, (0, 1, 2, 3, 4, 5))
train_loader = DataLoader(TensorDataset(normalise(images), labels), batch_size=32, shuffle=True)
images, labels = photos(400, 2, (0, 1, 2, 3, 4, 5))
val_loader = DataLoader(TensorDataset(normalise(images), labels), batch_size=100)
model.fc = nn.Linear(32, 6)
for param in model.body.parameters():
    param.requires_grad = False
optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.02, momentum=0.9)
for epoch in range(4):
    loss = train_one_epoch(model, train_loader, optimizer, criterion)
    print(f"head epoch {epoch} loss {loss:.3f} val acc {evaluate(model, val_loader):.3f}")

for param in model.parameters():
    param.requires_grad = True
optimizer = torch.optim.SGD(
    [{"params": model.body.parameters(), "lr": 0.01}, {"params": model.fc.parameters()}],
    lr=0.02, momentum=0.9, weight_decay=1e-4,
)  # fmt: skip
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 16)
for epoch in range(16):
    loss = train_one_epoch(model, train_loader, optimizer, criterion)
    scheduler.step()
    print(f"epoch {epoch} loss {loss:.3f} val acc {evaluate(model, val_loader):.3f}")
