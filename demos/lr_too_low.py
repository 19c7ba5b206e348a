"""Learning rate too low: a thousandth of what this model learns with.

It happens when a rate for fine-tuning meets fresh weights, or when a decimal slips.  Nothing fails: the loss crawls
down a straight line, and would get there in a thousand times as many steps.
"""

from __future__ import annotations

import torch
from shapes import CLASS_NAMES, AugmentedShapes, arguments, evaluation_set, fit, tiny_faster_rcnn

import dettui_probe as probe


def main() -> None:
    args = arguments(lr=2e-5)  # the fault: healthy.py learns with 0.02
    torch.manual_seed(args.seed)
    model = tiny_faster_rcnn(num_classes=len(CLASS_NAMES))
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=1e-4)
    dataset = AugmentedShapes(args.seed)
    with probe.watch(model, optimizer, class_names=CLASS_NAMES, total_steps=args.steps) as run:
        fit(model, optimizer, dataset, evaluation_set(), run=run, steps=args.steps)


if __name__ == "__main__":
    main()
