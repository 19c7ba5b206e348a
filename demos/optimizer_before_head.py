"""The optimizer was built before the head was replaced: it holds the old head, and the new one never moves.

It happens in many a fine-tuning script: build the model of COCO's 91 classes, build the optimizer, then remember that
one has three.  Nothing fails: the old head is still there to be stepped, and the new one keeps its random weights.
"""

from __future__ import annotations

import torch
from shapes import CLASS_NAMES, AugmentedShapes, arguments, evaluation_set, fit, tiny_faster_rcnn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

import dettui_probe as probe


def main() -> None:
    args = arguments(lr=0.02)
    torch.manual_seed(args.seed)
    model = tiny_faster_rcnn(num_classes=91)  # as a model that comes with COCO's classes
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=1e-4)
    # The fault: these two lines belong above the optimizer.
    model.roi_heads.box_head = TwoMLPHead(64 * 5 * 5, 128)
    model.roi_heads.box_predictor = FastRCNNPredictor(128, len(CLASS_NAMES))
    dataset = AugmentedShapes(args.seed)
    with probe.watch(model, optimizer, class_names=CLASS_NAMES, total_steps=args.steps) as run:
        fit(model, optimizer, dataset, evaluation_set(), run=run, steps=args.steps)


if __name__ == "__main__":
    main()
