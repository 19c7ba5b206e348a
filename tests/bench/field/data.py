"""What the trainings here learn: pictures of bright shapes on a dim ground, and how well their boxes are found."""

import cv2
import numpy as np
import torch
from torchvision.ops import box_iou

CLASSES = ("square", "disc", "triangle")
COLOURS = np.array([(200, 110, 90), (100, 190, 100), (90, 110, 210)])


def scene(generator, side=64, most=3, sizes=(12, 26)):
    """A picture (side, side, 3) of bytes, its boxes (n, 4) as x1 y1 x2 y2 in pixels, and their classes (n,) from 0."""
    picture = generator.integers(0, 60, 3) + generator.normal(0, 10, (side, side, 3))
    boxes, kinds = [], []
    for _ in range(generator.integers(1, most + 1)):
        width, height = generator.integers(*sizes, 2).tolist()
        x, y = int(generator.integers(0, side - width)), int(generator.integers(0, side - height))
        if any(x < b[2] and b[0] < x + width and y < b[3] and b[1] < y + height for b in boxes):
            continue
        kind = int(generator.integers(len(CLASSES)))
        draw(picture, kind, (x, y, x + width, y + height), (COLOURS[kind] + generator.normal(0, 20, 3)).tolist())
        boxes.append((x, y, x + width, y + height))
        kinds.append(kind)
    picture += generator.normal(0, 6, picture.shape)
    return picture.clip(0, 255).astype(np.uint8), np.array(boxes, np.float32), np.array(kinds)


def draw(picture, kind, box, colour):
    """A square, a disc or a triangle that fills *box* of *picture*."""
    x1, y1, x2, y2 = box
    if kind == 0:
        cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, -1)
    elif kind == 1:
        cv2.ellipse(picture, ((x1 + x2) // 2, (y1 + y2) // 2), ((x2 - x1) // 2, (y2 - y1) // 2), 0, 0, 360, colour, -1)
    else:
        cv2.fillPoly(picture, [np.array([(x1, y2 - 1), (x2 - 1, y2 - 1), ((x1 + x2) // 2, y1)])], colour)


def ap50(found, truth):
    """Mean AP at IoU 0.5 of *found*, (boxes, scores, labels) a picture, against *truth*, (boxes, labels) a picture."""
    return sum(class_ap(found, truth, kind) for kind in range(len(CLASSES))) / len(CLASSES)


def class_ap(found, truth, kind):
    """AP at IoU 0.5 of the boxes of one class, by the area under the made-monotone precision."""
    wanted = [boxes[labels == kind] for boxes, labels in truth]
    hits = []
    for (boxes, scores, labels), targets in zip(found, wanted, strict=True):
        order = [i for i in scores.argsort(descending=True).tolist() if labels[i] == kind]
        taken = set()
        for i in order:
            overlaps = box_iou(boxes[i : i + 1].float(), targets.float())[0].tolist()
            best = max(range(len(targets)), key=overlaps.__getitem__, default=-1)
            hit = best >= 0 and overlaps[best] >= 0.5 and best not in taken
            taken |= {best} if hit else set()
            hits.append((scores[i].item(), hit))
    right = torch.tensor([hit for _, hit in sorted(hits, key=lambda pair: -pair[0])], dtype=torch.float)
    total = sum(map(len, wanted))
    if not len(right) or not total:
        return 0.0
    precision = right.cumsum(0) / torch.arange(1, len(right) + 1)
    envelope = precision.flip(0).cummax(0)[0].flip(0)
    return (envelope * right).sum().item() / total
