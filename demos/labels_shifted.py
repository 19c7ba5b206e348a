"""Class ids start at 0, and the head keeps 0 for background.

It happens when ids come from ``enumerate(names)`` or from a YOLO file.  Nothing fails: circles (0) train as background
and are never found, while squares (1) and triangles (2) are learnt as if nothing were wrong.
"""

from __future__ import annotations

import torch
from shapes import CLASSES, AugmentedShapes, Example, arguments, evaluation_set, fit, tiny_faster_rcnn
from torch.utils.data import Dataset

import dettui_probe as probe


class ZeroBased(Dataset[Example]):
    """The same pictures, with the ids that ``enumerate(CLASSES)`` gives."""

    def __init__(self, shapes: Dataset[Example]) -> None:
        self.shapes = shapes

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> Example:
        image, target = self.shapes[index]
        return image, {**target, "labels": target["labels"] - 1}  # the fault: circles become 0, which is background


def main() -> None:
    args = arguments(lr=0.02)
    torch.manual_seed(args.seed)
    model = tiny_faster_rcnn(num_classes=len(CLASSES) + 1)
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=1e-4)
    dataset, evaluation = ZeroBased(AugmentedShapes(args.seed)), ZeroBased(evaluation_set())
    with probe.watch(model, optimizer, class_names=CLASSES, total_steps=args.steps) as run:
        fit(model, optimizer, dataset, evaluation, run=run, steps=args.steps)


if __name__ == "__main__":
    main()
