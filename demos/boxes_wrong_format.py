"""COCO's boxes (x, y, width, height) are given as corners (x1, y1, x2, y2).

It happens whenever COCO annotations meet torchvision.  torchvision does refuse boxes whose corners are the wrong way
round, so the common "repair" is to drop those: the script then runs, on the few boxes that pass by chance.
"""

from __future__ import annotations

import numpy as np
import torch
from shapes import (
    CLASS_NAMES,
    Annotation,
    AugmentedShapes,
    Example,
    Image,
    arguments,
    evaluation_set,
    fit,
    tiny_faster_rcnn,
    to_tensor,
)

import dettui_probe as probe


class CocoShapes(AugmentedShapes):
    def prepare(self, image: Image, annotation: Annotation) -> Example:
        out = self.augment(image=image, bboxes=annotation["bbox"], category=annotation["category"])
        boxes = torch.tensor(np.asarray(out["bboxes"]), dtype=torch.float32).reshape(-1, 4)  # the fault: x, y, w, h
        labels = torch.tensor(out["category"], dtype=torch.int64)
        valid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # "fixes" torchvision's complaint
        return to_tensor(out["image"]), {"boxes": boxes[valid], "labels": labels[valid]}


def main() -> None:
    args = arguments(lr=0.02)
    torch.manual_seed(args.seed)
    model = tiny_faster_rcnn(num_classes=len(CLASS_NAMES))
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=1e-4)
    dataset = CocoShapes(args.seed)
    with probe.watch(model, optimizer, class_names=CLASS_NAMES, total_steps=args.steps) as run:
        fit(model, optimizer, dataset, evaluation_set(), run=run, steps=args.steps)


if __name__ == "__main__":
    main()
