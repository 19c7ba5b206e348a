"""Ships from above in turned boxes: each cell of a grid says ship or not, where, how long and wide, and how turned."""

import math

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
SIDE, GRID, EPOCHS = 64, 8, 7


def harbour(generator):
    """A picture of one to three ships, and cx, cy, length, width in pixels and the angle in radians, of each."""
    sea = np.full((SIDE, SIDE, 3), generator.integers(20, 60, 3), np.uint8)
    ships = []
    for _ in range(generator.integers(1, 4)):
        length, width, angle = generator.uniform(18, 28), generator.uniform(7, 10), generator.uniform(0, math.pi)
        cx, cy = generator.uniform(12, SIDE - 12, 2)
        if all(math.hypot(cx - x, cy - y) > 24 for x, y, *_ in ships):
            corners = cv2.boxPoints(((cx, cy), (length, width), math.degrees(angle)))
            cv2.fillPoly(sea, [corners.round().astype(np.int32)], generator.integers(130, 250, 3).tolist())
            ships.append((cx, cy, length, width, angle))
    noise = generator.normal(0, 8, sea.shape)
    return (sea + noise).clip(0, 255).astype(np.float32).transpose(2, 0, 1) / 255, ships


def encode(ships):
    target = torch.zeros(7, GRID, GRID)
    for cx, cy, length, width, angle in ships:
        x, y = cx / SIDE * GRID, cy / SIDE * GRID
        box = (x - int(x), y - int(y), length / 16, width / 16, math.sin(2 * angle), math.cos(2 * angle))
        target[:, int(y), int(x)] = torch.tensor([1, *box])
    return target


def dataset(count, seed):
    generator = np.random.default_rng(seed)
    images, ships = zip(*[harbour(generator) for _ in range(count)], strict=True)
    return torch.from_numpy(np.stack(images)), torch.stack([encode(s) for s in ships]), ships


def conv(inputs, outputs, stride):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU())


def decode(output):
    """((cx, cy), (length, width), degrees) of the cells that say ship, the surest first, none near a surer one."""
    score = output[0].sigmoid()
    boxes = []
    for cell in score.flatten().argsort(descending=True)[:10].tolist():
        row, col = divmod(cell, GRID)
        if score[row, col] < 0.4:
            break
        x, y, length, width, sin, cos = output[1:, row, col].tolist()
        centre = ((col + x) * SIDE / GRID, (row + y) * SIDE / GRID)
        if all(math.dist(centre, other[0]) > 8 for other in boxes):
            boxes.append((centre, (abs(length) * 16, abs(width) * 16), math.degrees(math.atan2(sin, cos) / 2)))
    return boxes


def rotated_iou(a, b):
    corners = cv2.rotatedRectangleIntersection(a, b)[1]
    common = cv2.contourArea(cv2.convexHull(corners)) if corners is not None else 0.0
    return common / (a[1][0] * a[1][1] + b[1][0] * b[1][1] - common)


def f1(outputs, harbours):
    hits = said = there = 0
    for output, ships in zip(outputs, harbours, strict=True):
        boxes = decode(output)
        wanted = [((cx, cy), (length, width), math.degrees(angle)) for cx, cy, length, width, angle in ships]
        hits += sum(any(rotated_iou(box, ship) > 0.5 for box in boxes) for ship in wanted)
        said, there = said + len(boxes), there + len(wanted)
    return 2 * hits / (said + there)


images, targets, _ = dataset(900, 0)
test_images, _, test_ships = dataset(100, 1)
loader = DataLoader(TensorDataset(images, targets), batch_size=16, shuffle=True)
model = nn.Sequential(conv(3, 16, 2), conv(16, 32, 2), conv(32, 64, 2), conv(64, 64, 1), nn.Conv2d(64, 7, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
for epoch in range(EPOCHS):
    model.train()
    for x, y in loader:
        output = model(x)
        ship = y[:, 0] == 1
        conf_loss = binary_cross_entropy_with_logits(output[:, 0], y[:, 0], pos_weight=torch.tensor(5.0))
        box_loss = smooth_l1_loss(output[:, 1:5].transpose(0, 1)[:, ship], y[:, 1:5].transpose(0, 1)[:, ship])
        angle_loss = smooth_l1_loss(output[:, 5:].transpose(0, 1)[:, ship], y[:, 5:].transpose(0, 1)[:, ship])
        loss = conf_loss + 5 * box_loss + 2 * angle_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        score = f1(model(test_images), test_ships)
    print(f"[{epoch}] conf {conf_loss:.3f} box {box_loss:.4f} angle {angle_loss:.4f} F1@0.5 {score:.3f}")
