"""The augmentation flips the image and leaves its boxes where they were.

It happens when a classification pipeline is put to use on a detection set: Compose without ``bbox_params`` takes the
image alone.  Nothing fails: every other image teaches boxes that lie on the background.
"""

from __future__ import annotations

import albumentations as A  # noqa: N812 - as its own documentation does
import torch
from shapes import (
    CLASS_NAMES,
    Annotation,
    Example,
    Image,
    Shapes,
    arguments,
    evaluation_set,
    fit,
    tiny_faster_rcnn,
    to_target,
    to_tensor,
)

import dettui_probe as probe


class FlippedShapes(Shapes):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.augment = A.Compose([A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=0.5)], seed=seed)

    def prepare(self, image: Image, annotation: Annotation) -> Example:
        image = self.augment(image=image)["image"]  # the fault: the boxes are not given to the pipeline
        return to_tensor(image), to_target(annotation["bbox"], annotation["category"])


def main() -> None:
    args = arguments(lr=0.02)
    torch.manual_seed(args.seed)
    model = tiny_faster_rcnn(num_classes=len(CLASS_NAMES))
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=1e-4)
    dataset = FlippedShapes(args.seed)
    with probe.watch(model, optimizer, class_names=CLASS_NAMES, total_steps=args.steps) as run:
        fit(model, optimizer, dataset, evaluation_set(), run=run, steps=args.steps)


if __name__ == "__main__":
    main()
