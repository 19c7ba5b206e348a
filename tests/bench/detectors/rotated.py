"""Ships at any angle from DOTA-like text files: a score, a place, a size and the doubled angle in each cell."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
CROP, STRIDE = 64, 8
GRID = CROP // STRIDE


def make_dota(root, count, seed):
    """Aerial pictures of 80 pixels in root/images, and a line of eight coordinates and a class for each ship."""
    rng = np.random.default_rng(seed)
    for part in ("images", "labelTxt"):
        (root / part).mkdir(parents=True)
    for i in range(count):
        image = rng.normal(rng.integers(60, 120, 3), 15, (80, 80, 3))
        lines, centres = [], []
        for _ in range(rng.integers(2, 6)):
            centre, size = rng.uniform(10, 70, 2), rng.uniform((16, 6), (26, 10))
            if any(np.abs(centre - other).max() < 20 for other in centres):
                continue
            corners = cv2.boxPoints((centre, size, rng.uniform(0, 180)))
            colour = rng.integers(150, 250, 3).tolist()
            cv2.fillPoly(image, [corners.round().astype(np.int32)], colour)
            lines.append(" ".join(f"{value:.1f}" for value in corners.flatten()) + " ship 0")
            centres.append(centre)
        cv2.imwrite(str(root / "images" / f"P{i}.png"), image)
        (root / "labelTxt" / f"P{i}.txt").write_text("\n".join(lines))


class DOTADataset(Dataset):
    def __init__(self, root, train):
        self.img_files = sorted((root / "images").glob("*.png"))
        self.ann_files = sorted((root / "labelTxt").glob("*.txt"))
        self.train = train

    def __len__(self):
        return len(self.img_files)

    def __getitem__(self, idx):
        img = cv2.imread(str(self.img_files[idx])).astype(np.float32)
        lines = self.ann_files[idx].read_text().splitlines()
        polys = np.array([line.split()[:8] for line in lines], np.float32).reshape(-1, 4, 2)
        x0, y0 = torch.randint(0, 17, (2,)).tolist() if self.train else (8, 8)
        img, polys = img[y0 : y0 + CROP, x0 : x0 + CROP], polys - (x0, y0)
        img = (img - 110.0) / 55.0
        rboxes = [(*xy, *wh, np.deg2rad(angle)) for xy, wh, angle in map(cv2.minAreaRect, polys.astype(np.float32))]
        rboxes = np.array([box for box in rboxes if min(box[:2]) >= 0 and max(box[:2]) < CROP], np.float32)
        return torch.from_numpy(img.transpose(2, 0, 1)), torch.from_numpy(rboxes.reshape(-1, 5))


def collate(batch):
    return torch.stack([img for img, _ in batch]), [rboxes for _, rboxes in batch]


class RotatedHead(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for i, o, stride in ((3, 16, 2), (16, 32, 2), (32, 64, 2), (64, 64, 1)):
            layers += [nn.Conv2d(i, o, 3, stride, 1), nn.ReLU()]
        self.backbone = nn.Sequential(*layers)
        self.score, self.box = nn.Conv2d(64, 1, 1), nn.Sequential(nn.Conv2d(64, 64, 1), nn.ReLU(), nn.Conv2d(64, 6, 1))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.backbone(x)
        return self.score(x)[:, 0], self.box(x).permute(0, 2, 3, 1)


def encode(targets):
    score, box = torch.zeros(len(targets), GRID, GRID), torch.zeros(len(targets), GRID, GRID, 6)
    for i, rboxes in enumerate(targets):
        x, y, w, h, theta = rboxes.T
        w, h, theta = torch.maximum(w, h), torch.minimum(w, h), torch.where(w < h, theta + torch.pi / 2, theta)
        column, row = (x / STRIDE).long(), (y / STRIDE).long()
        offsets = x / STRIDE - column, y / STRIDE - row
        sizes = (w / STRIDE).log(), (h / STRIDE).log()
        score[i, row, column] = 1
        box[i, row, column] = torch.stack([*offsets, *sizes, (2 * theta).cos(), (2 * theta).sin()], 1)
    return score, box


def decode(score, box, threshold=0.5):
    found = []
    peak = F.max_pool2d(score[None], 3, 1, 1)[0] == score
    for row, column in (peak & (score.sigmoid() > threshold)).nonzero().tolist():
        dx, dy, w, h, cos, sin = box[row, column].tolist()
        xy, wh = ((column + dx) * STRIDE, (row + dy) * STRIDE), np.exp([min(w, 3), min(h, 3)]) * STRIDE
        found.append((xy, wh.tolist(), float(np.degrees(np.arctan2(sin, cos) / 2))))
    return found


def rotated_iou(one, other):
    polygon = cv2.rotatedRectangleIntersection(one, other)[1]
    overlap = 0.0 if polygon is None else cv2.contourArea(cv2.convexHull(polygon))
    return overlap / (np.prod(one[1]) + np.prod(other[1]) - overlap)


def f1(model, loader):
    hits = guesses = ships = 0
    with torch.no_grad():
        for imgs, targets in loader:
            for score, box, rboxes in zip(*model(imgs), targets, strict=True):
                free = [((x, y), (w, h), float(np.degrees(theta))) for x, y, w, h, theta in rboxes.tolist()]
                found = decode(score, box)
                guesses, ships = guesses + len(found), ships + len(free)
                for guess in found:
                    overlaps = [rotated_iou(guess, ship) for ship in free]
                    if overlaps and max(overlaps) > 0.5:
                        hits += 1
                        free.pop(int(np.argmax(overlaps)))
    return 2 * hits / (guesses + ships)


folder = tempfile.TemporaryDirectory()
make_dota(Path(folder.name) / "train", 500, 0)
make_dota(Path(folder.name) / "val", 80, 1)
train_loader = DataLoader(DOTADataset(Path(folder.name) / "train", train=True), 16, shuffle=True, collate_fn=collate)
val_loader = DataLoader(DOTADataset(Path(folder.name) / "val", train=False), 20, collate_fn=collate)
model = RotatedHead()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(1, 13):
    for imgs, targets in train_loader:
        score, box = model(imgs)
        gt_score, gt_box = encode(targets)
        cls_loss = F.binary_cross_entropy_with_logits(score, gt_score, reduction="sum") / gt_score.sum()
        box_loss = F.smooth_l1_loss(box[gt_score > 0], gt_box[gt_score > 0], beta=0.1)
        loss = cls_loss + 4 * box_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch:2d} cls {cls_loss:.3f} box {box_loss:.3f} F1@0.5 {f1(model, val_loader):.3f}", flush=True)
