"""What is done in a clip: a small 3D network over eight frames; what moves tells nothing, how it moves does."""

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
FRAMES, SIDE = 8, 24
ACTIONS = ("left", "right", "up", "down", "grow", "shrink", "circle")


def clip(generator, action):
    """(FRAMES, SIDE, SIDE, 3) bytes of a ball that does *action*."""
    colour = generator.integers(120, 255, 3).tolist()
    x, y = generator.uniform(9, 15, 2)
    radius, speed, phase = generator.uniform(2.5, 4.5), generator.uniform(0.7, 1.3), generator.uniform(0, 6.28)
    frames = generator.normal(40, 15, (FRAMES, SIDE, SIDE, 3))
    for t, frame in enumerate(frames, start=-FRAMES // 2):
        dx, dy, dr = {
            "left": (-speed * t, 0, 0), "right": (speed * t, 0, 0), "up": (0, -speed * t, 0), "down": (0, speed * t, 0),
            "grow": (0, 0, 0.4 * t), "shrink": (0, 0, -0.4 * t),
            "circle": (4 * np.cos(phase + 0.8 * t), 4 * np.sin(phase + 0.8 * t), 0),
        }[action]  # fmt: skip
        cv2.circle(frame, (round(x + dx), round(y + dy)), max(1, round(radius + dr)), colour, -1)
    return frames.clip(0, 255).astype(np.uint8)


class Clips(Dataset):
    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.labels = sorted(generator.integers(0, len(ACTIONS), count).tolist())
        self.clips = [clip(generator, ACTIONS[label]) for label in self.labels]

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, i):
        frames = torch.from_numpy(self.clips[i]).permute(3, 0, 1, 2)
        return (frames.float() / 255 - 0.25) / 0.2, self.labels[i]


class Basic3D(nn.Sequential):
    def __init__(self, inputs, outputs, stride):
        super().__init__(
            nn.Conv3d(inputs, outputs, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(outputs), nn.ReLU(),
            nn.Conv3d(outputs, outputs, (3, 1, 1), 1, (1, 0, 0), bias=False), nn.BatchNorm3d(outputs), nn.ReLU(),
        )  # fmt: skip


class Small3D(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layers = nn.Sequential(Basic3D(3, 12, 2), Basic3D(12, 24, 2), Basic3D(24, 48, 2))
        self.dropout, self.fc = nn.Dropout(0.2), nn.Linear(48, num_classes)

    def forward(self, x):
        return self.fc(self.dropout(self.layers(x).mean((2, 3, 4))))


train_loader = DataLoader(Clips(700, 0), batch_size=20, shuffle=True)
val_loader = DataLoader(Clips(210, 1), batch_size=70)
model = Small3D(len(ACTIONS))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, 7)
for epoch in range(7):
    model.train()
    running_loss, running_corrects = 0.0, 0
    for clips, labels in train_loader:
        outputs = model(clips)
        loss = criterion(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * len(clips)
        running_corrects += (outputs.argmax(1) == labels).sum().item()
    scheduler.step()
    print(f"[train] Epoch {epoch} Loss: {running_loss / 700:.3f} Acc: {running_corrects / 700:.3f}")
    model.eval()
    with torch.no_grad():
        corrects = sum((model(clips).argmax(1) == labels).sum().item() for clips, labels in val_loader)
    print(f"[val] Epoch {epoch} val_acc: {corrects / 210:.3f}")
