"""Class imbalance: a hundred circles for every square and every triangle.

It happens to most sets that were collected and not designed.  Nothing fails: the loss falls even lower than in
healthy.py, for circles make nearly all of it, and two of three classes are hardly learnt.
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
    counts = (100, 1, 1)  # the fault: circles, squares, triangles; healthy.py has as many of each
    dataset = AugmentedShapes(args.seed, class_weights=[n / sum(counts) for n in counts])
    with probe.watch(model, optimizer, class_names=CLASS_NAMES, total_steps=args.steps) as run:
        fit(model, optimizer, dataset, evaluation_set(), run=run, steps=args.steps)


if __name__ == "__main__":
    main()
