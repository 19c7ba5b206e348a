"""A healthy run: the loss falls, mAP rises, and DETTUI has nothing to say.

Compare any other demo with this file: the difference is the fault.
"""

from __future__ import annotations

import torch
from shapes import CLASS_NAMES, AugmentedShapes, arguments, evaluation_set, fit, tiny_faster_rcnn

import dettui_probe as probe


def main() -> None:
    args = arguments(lr=0.02)
    torch.manual_seed(args.seed)
    model = tiny_faster_rcnn(num_classes=len(CLASS_NAMES))
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=1e-4)
    dataset = AugmentedShapes(args.seed)
    with probe.watch(model, optimizer, class_names=CLASS_NAMES, total_steps=args.steps) as run:
        fit(model, optimizer, dataset, evaluation_set(), run=run, steps=args.steps)


if __name__ == "__main__":
    main()
