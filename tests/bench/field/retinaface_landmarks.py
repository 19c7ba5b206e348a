"""A face detector with landmarks like RetinaFace: priors, hard negatives mined three to one, boxes and five points."""

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import box_convert, box_iou, nms

torch.manual_seed(0)
SIDE, STRIDE, SIZES = 64, 8, (16, 26)
VARIANCES = (0.1, 0.2)


def photo(generator):
    """A picture of one or two faces, their boxes (n, 4) and their eyes, nose and corners of the mouth (n, 5, 2)."""
    picture = generator.integers(0, 90, 3) + generator.normal(0, 12, (SIDE, SIDE, 3))
    boxes, points = [], []
    for _ in range(generator.integers(1, 3)):
        w = int(generator.integers(16, 28))
        h = int(w * 1.2)
        x, y = int(generator.integers(0, SIDE - w)), int(generator.integers(0, SIDE - h))
        if any(x < b[2] and b[0] < x + w and y < b[3] and b[1] < y + h for b in boxes):
            continue
        skin = (generator.integers(120, 220) * np.array([0.75, 0.85, 1.0])).tolist()
        cv2.ellipse(picture, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, skin, -1)
        marks = np.array([(0.3, 0.38), (0.7, 0.38), (0.5, 0.58), (0.35, 0.78), (0.65, 0.78)])
        marks[:, 0] += generator.uniform(-0.1, 0.1)
        marks = marks * (w, h) + np.array([x, y])
        for mark in marks[:2].astype(int).tolist():
            cv2.circle(picture, mark, 2, (20, 20, 20), -1)
        cv2.line(picture, marks[3].astype(int).tolist(), marks[4].astype(int).tolist(), (60, 40, 200), 2)
        boxes.append((x, y, x + w, y + h))
        points.append(marks)
    return picture.clip(0, 255).astype(np.uint8), np.array(boxes, np.float32), np.array(points, np.float32)


def priors():
    """(n, 4) centres and sizes in shares of the picture, cell by cell."""
    y, x = torch.meshgrid(torch.arange(SIDE // STRIDE), torch.arange(SIDE // STRIDE), indexing="ij")
    centres = (torch.stack([x, y], -1).flatten(0, 1) + 0.5) * STRIDE / SIDE
    sizes = torch.tensor([(s, s * 1.2) for s in SIZES]) / SIDE
    return torch.cat([centres.repeat_interleave(len(SIZES), 0), sizes.repeat(len(centres), 1)], 1)


PRIORS = priors()


def match(boxes, points):
    overlaps = box_iou(boxes, box_convert(PRIORS, "cxcywh", "xyxy"))
    best, owner = overlaps.max(0)
    surest = overlaps.argmax(1)
    owner[surest], best[surest] = torch.arange(len(boxes)), 1.0
    wanted = box_convert(boxes[owner], "xyxy", "cxcywh")
    centres = (wanted[:, :2] - PRIORS[:, :2]) / (VARIANCES[0] * PRIORS[:, 2:])
    sizes = (wanted[:, 2:] / PRIORS[:, 2:]).log() / VARIANCES[1]
    marks = (points[owner] - PRIORS[:, None, :2]) / (VARIANCES[0] * PRIORS[:, None, 2:])
    return torch.cat([centres, sizes], 1), (best >= 0.45).long(), marks.flatten(1)


class Faces(Dataset):
    def __init__(self, count, seed, mirror):
        generator = np.random.default_rng(seed)
        self.photos, self.mirror = [photo(generator) for _ in range(count)], mirror

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, i):
        image, boxes, points = self.photos[i]
        boxes, points = boxes / SIDE, points / SIDE
        if self.mirror and torch.rand(()) < 0.5:
            image = image[:, ::-1]
            boxes[:, [0, 2]] = 1 - boxes[:, [2, 0]]
            points[..., 0] = 1 - points[..., 0]
            points = points[:, [1, 0, 2, 4, 3]]
        image = image.astype(np.float32) - (104, 117, 123)
        image = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 64)
        return image, *match(torch.from_numpy(boxes), torch.from_numpy(points))


class RetinaFace(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for wider, stride in ((16, 2), (32, 2), (64, 2), (64, 1)):
            layers += [nn.Conv2d(width, wider, 3, stride, 1, bias=False), nn.BatchNorm2d(wider), nn.LeakyReLU(0.1)]
            width = wider
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Conv2d(64, len(SIZES) * outputs, 1) for outputs in (4, 2, 10))

    def forward(self, x):
        x = self.body(x)
        return [head(x).permute(0, 2, 3, 1).reshape(len(x), len(PRIORS), -1) for head in self.heads]


def multibox_loss(outputs, loc, conf, marks, negpos_ratio=3):
    found_loc, found_conf, found_marks = outputs
    face = conf > 0
    loss_l = nn.functional.smooth_l1_loss(found_loc[face], loc[face], reduction="sum")
    loss_landm = nn.functional.smooth_l1_loss(found_marks[face], marks[face], reduction="sum")
    each = nn.functional.cross_entropy(found_conf.transpose(1, 2), conf, reduction="none")
    rank = each.detach().masked_fill(face, 0).argsort(1, descending=True).argsort(1)
    negative = rank < negpos_ratio * face.sum(1, keepdim=True)
    loss_c = each[face | negative].sum()
    return loss_l / face.sum(), loss_c / face.sum(), loss_landm / face.sum()


def normalised_error(model, loader):
    """The mean distance of the points from where they are, in widths of the face; 1 for a face that is not found."""
    errors, place = [], 0
    for image, *_ in loader:
        for loc, conf, marks in zip(*model(image), strict=True):
            centres = PRIORS[:, :2] + loc[:, :2] * VARIANCES[0] * PRIORS[:, 2:]
            sizes = PRIORS[:, 2:] * (loc[:, 2:] * VARIANCES[1]).exp()
            boxes = box_convert(torch.cat([centres, sizes], 1), "cxcywh", "xyxy")
            scores = conf.softmax(1)[:, 1]
            keep = nms(boxes, scores, 0.4)
            keep = keep[scores[keep] > 0.5]
            points = PRIORS[keep, None, :2] + marks[keep].unflatten(1, (5, 2)) * VARIANCES[0] * PRIORS[keep, None, 2:]
            _, *truth = loader.dataset.photos[place]
            place += 1
            for box, wanted in zip(*(torch.from_numpy(part) / SIDE for part in truth), strict=True):
                overlaps = box_iou(box[None], boxes[keep])[0]
                hit = len(keep) > 0 and overlaps.max() > 0.5
                off = (points[overlaps.argmax()] - wanted).norm(dim=1).mean() / (box[2] - box[0]) if hit else 1.0
                errors.append(float(off))
    return sum(errors) / len(errors)


train_loader = DataLoader(Faces(480, 0, mirror=True), batch_size=16, shuffle=True)
val_loader = DataLoader(Faces(100, 1, mirror=False), batch_size=25)
net = RetinaFace()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [5], 0.1)
for epoch in range(6):
    net.train()
    for image, loc, conf, marks in train_loader:
        loss_l, loss_c, loss_landm = multibox_loss(net(image), loc, conf, marks)
        loss = 2.0 * loss_l + loss_c + loss_landm
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    net.eval()
    with torch.no_grad():
        nme = normalised_error(net, val_loader)
    print(f"Epoch {epoch} Loc {loss_l:.3f} Cla {loss_c:.3f} Landm {loss_landm:.3f} NME {nme:.3f}")
