"""What the detectors here look for: coloured shapes of three kinds on a noisy ground, and how well they were found."""

import numpy as np
import torch
from torchvision.ops import box_iou

KINDS = ("brick", "disc", "wedge")
COLOURS = np.array([[200, 80, 60], [70, 180, 80], [70, 90, 200]])


def _inside(kind, u, v):
    """Where the shape of *kind* lies, its box reaching from -1 to 1 in *u* and *v*."""
    within = (abs(u) <= 1) & (abs(v) <= 1)
    return (within, u**2 + v**2 <= 1, within & (abs(u) <= (v + 1) / 2))[kind]


def _free_place(rng, taken, width, height):
    """A box (x1, y1, x2, y2) in whole pixels that touches none of *taken*, or None."""
    for _ in range(10):
        w, h = rng.integers(int(0.2 * min(width, height)), int(0.5 * min(width, height)), 2)
        x, y = rng.integers(1, width - w), rng.integers(1, height - h)
        if all(x >= x2 or y >= y2 or x + w <= x1 or y + h <= y1 for x1, y1, x2, y2 in taken):
            return x, y, x + w, y + h
    return None


def scene(rng, width=64, height=64, most=3):
    """An image (height, width, 3) of uint8, its boxes (n, 4) as x1, y1, x2, y2 in pixels, and their kinds (n,)."""
    image = np.full((height, width, 3), rng.integers(70, 170, 3)) + rng.normal(0, 18, (height, width, 3))
    rows, columns = np.mgrid[:height, :width] + 0.5
    boxes, kinds = [], []
    for _ in range(rng.integers(1, most + 1)):
        place = _free_place(rng, boxes, width, height)
        if place is None:
            continue
        x1, y1, x2, y2 = place
        kind = rng.integers(len(KINDS))
        u, v = (2 * columns - x1 - x2) / (x2 - x1), (2 * rows - y1 - y2) / (y2 - y1)
        colour = COLOURS[kind] + rng.normal(0, 25, 3)
        image = np.where(_inside(kind, u, v)[..., None], colour + rng.normal(0, 8, image.shape), image)
        boxes.append(place)
        kinds.append(kind)
    return image.clip(0, 255).astype(np.uint8), np.array(boxes, np.float32), np.array(kinds, np.int64)


def scenes(count, seed, **how):
    """*count* of them as a list."""
    rng = np.random.default_rng(seed)
    return [scene(rng, **how) for _ in range(count)]


def map50(found, truth):
    """Mean over kinds of the average precision at an IoU of 0.5.

    found: of each image boxes (n, 4), scores (n,) and kinds (n,); truth: of each image boxes (m, 4) and kinds (m,).
    """
    precisions = []
    for kind in range(len(KINDS)):
        hits, scores, total = [], [], 0
        for (boxes, confidence, guesses), (gt_boxes, gt_kinds) in zip(found, truth, strict=True):
            mine, theirs = boxes[guesses == kind], gt_boxes[gt_kinds == kind]
            total += len(theirs)
            taken = set()
            order = confidence[guesses == kind].argsort(descending=True)
            overlaps = box_iou(mine[order], theirs) if len(theirs) else torch.zeros(len(mine), 1)
            for overlap, best in zip(*(part.tolist() for part in overlaps.max(1)), strict=True):
                hits.append(overlap >= 0.5 and best not in taken)
                taken.add(best if hits[-1] else None)
            scores += confidence[guesses == kind][order].tolist()
        right = torch.tensor(hits, dtype=torch.float)[torch.tensor(scores).argsort(descending=True)].cumsum(0)
        precision = right / torch.arange(1, len(right) + 1)
        precision = precision.flip(0).cummax(0).values.flip(0)
        precisions.append((precision * right.diff(prepend=torch.zeros(1))).sum().item() / max(total, 1))
    return sum(precisions) / len(precisions)
