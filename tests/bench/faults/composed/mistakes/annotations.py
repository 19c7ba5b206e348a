"""Mistakes in boxes, as they reach a detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from bench.faults.composed.changes import Batch, Draft
from bench.faults.composed.detectors import SIDE
from bench.faults.composed.mistakes.data import on_training
from bench.faults.composed.mistakes.mistake import WITH_BOXES, in_task, mistake
from bench.faults.plan import Examples
from torch import Tensor

Target = dict[str, Tensor]
_has_boxes = in_task(*WITH_BOXES)


def on_targets(draft: Draft, change: Callable[[Target], Target]) -> None:
    """Changes the targets of the training set."""
    on_training(draft, lambda examples: Examples(examples.x, [change(dict(target)) for target in examples.y]))


def on_boxes(draft: Draft, change: Callable[[Tensor], Tensor]) -> None:
    """Changes their boxes, (n, 4)."""
    on_targets(draft, lambda target: {**target, "boxes": change(target["boxes"])})


@mistake("boxes_wrong_format", "degenerate_boxes", fits=_has_boxes, strength=(1.0, 3.0))
def wrong_format(draft: Draft, form: float) -> None:
    """Boxes as middle and size, or as corner and size, where corners are asked for."""
    from_the_middle = form < 1.75

    def change(boxes: Tensor) -> Tensor:
        size = boxes[:, 2:] - boxes[:, :2]
        return torch.cat([boxes[:, :2] + size / 2 if from_the_middle else boxes[:, :2], size], 1)

    on_boxes(draft, change)


@mistake("boxes_wrong_scale", "boxes_outside_image", fits=_has_boxes, strength=(1.0, 4.0))
def wrong_scale(draft: Draft, draw: float) -> None:
    """Boxes of the picture before it was resized to half; or shares of its size."""
    factor = 2.0 if draw < 2.0 else 1 / SIDE
    on_boxes(draft, lambda boxes: boxes * factor)


@mistake("boxes_outside_image", "boxes_wrong_scale", fits=_has_boxes, strength=(0.5, 1.0))
def outside(draft: Draft, shift: float) -> None:
    """Padding was added to the boxes and not to the picture."""
    on_boxes(draft, lambda boxes: boxes + shift * SIDE)


@mistake("missing_annotations", "empty_targets", "label_noise", fits=_has_boxes, strength=(0.5, 0.8))
def unlabelled(draft: Draft, share: float) -> None:
    """Real objects without a box."""

    def change(target: Target) -> Target:
        keep = torch.rand(len(target["boxes"]), generator=draft.draw) >= share
        return {key: value[keep] for key, value in target.items()}

    on_targets(draft, change)


@mistake("boxes_not_transformed", "labels_shuffled", fits=_has_boxes, strength=(0.5, 0.8))
def flipped_without_boxes(draft: Draft, share: float) -> None:
    """A horizontal flip that does not know of the boxes."""

    def flip(step: int, x: Tensor, y: Any) -> Batch:
        turned = torch.rand(len(x), generator=draft.draw) < share
        return torch.where(turned.view(-1, 1, 1, 1), x.flip(-1), x), y

    draft.on_batch.append(flip)
