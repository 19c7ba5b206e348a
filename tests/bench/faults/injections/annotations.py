"""Mistakes in boxes and class ids, as they reach a detector."""

from __future__ import annotations

from collections.abc import Callable

import torch
from bench.faults.injection import CLASSIFIERS, DETECTORS, FIFTH_PLAIN, FOURTH_PLAIN, SEVENTH_PLAIN, injection
from bench.faults.injections.data import on_training
from bench.faults.plan import Examples, Plan
from torch import Tensor

Target = dict[str, Tensor]
READ_AS_CENTRES = ("yolo", "detr", "grid", "darknet", "dfl")
"""Programs whose own files hold centres and sizes, as shares of the picture."""


def on_targets(plan: Plan, change: Callable[[Target], Target]) -> None:
    """Changes the targets of the training set."""
    on_training(plan, lambda examples: Examples(examples.x, [change(dict(target)) for target in examples.y]))


def on_boxes(plan: Plan, change: Callable[[Tensor], Tensor]) -> None:
    """Changes their boxes, (n, 4)."""
    on_targets(plan, lambda target: {**target, "boxes": change(target["boxes"])})


def _first_class(plan: Plan) -> int:
    """The id that its classes count from: 1 where 0 is the background."""
    return int("background" in plan.program.class_names)


@injection("boxes_wrong_format", also=("degenerate_boxes",), on=DETECTORS, levels=("yxyx", "cxcywh", "xywh"))
def wrong_format(plan: Plan, form: str) -> None:
    """Boxes of another convention; of rows that are to be cx, cy, w and h, "cxcywh" stands for corners."""

    def change(boxes: Tensor) -> Tensor:
        if form == "yxyx":
            return boxes[:, [1, 0, 3, 2]]
        size = boxes[:, 2:] - boxes[:, :2]
        return torch.cat([boxes[:, :2] + (size / 2 if form == "cxcywh" else 0), size], dim=1)

    def taken_for_centres(boxes: Tensor) -> Tensor:
        """The corners that come of rows of *form* where centres and sizes are read from them."""
        if form == "yxyx":
            return boxes[:, [1, 0, 3, 2]]
        half = (boxes[:, 2:] - (boxes[:, :2] if form == "xywh" else 0)) / 2
        return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)

    on_boxes(plan, taken_for_centres if plan.name in READ_AS_CENTRES else change)


@injection("boxes_wrong_scale", also=("boxes_outside_image",), on=DETECTORS, levels=(0.5, 2.0, None))
def wrong_scale(plan: Plan, scale: float | None) -> None:
    """Boxes of the picture before it was resized, or (None) shares of its size."""
    factor = 1 / plan.program.side if scale is None else scale
    on_boxes(plan, lambda boxes: boxes * factor)


@injection("degenerate_boxes", on=DETECTORS, levels=(0.02, 0.1, 0.4))
def no_width(plan: Plan, share: float) -> None:
    """Some boxes have no width."""

    def change(boxes: Tensor) -> Tensor:
        broken = torch.rand(len(boxes), generator=plan.generator) < share
        boxes = boxes.clone()
        boxes[broken, 2] = boxes[broken, 0]
        return boxes

    on_boxes(plan, change)


@injection("boxes_outside_image", also=("boxes_wrong_scale",), on=DETECTORS, levels=(0.25, 0.5, 1.0))
def outside(plan: Plan, shift: float) -> None:
    """Padding was added to the boxes and not to the picture."""
    on_boxes(plan, lambda boxes: boxes + shift * plan.program.side)


@injection("label_noise", also=("labels_shuffled", "boxes_not_transformed"), on=DETECTORS, levels=(0.2, 0.4, 0.8))
def jittered(plan: Plan, share: float) -> None:
    """Careless annotators: corners off by a share of the size."""

    def change(boxes: Tensor) -> Tensor:
        size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        moved = boxes + share * size * (torch.rand(boxes.shape, generator=plan.generator) - 0.5) * 2
        moved = torch.cat(
            [torch.minimum(moved[:, :2], moved[:, 2:] - 2), torch.maximum(moved[:, 2:], moved[:, :2] + 2)], 1
        )
        return moved.clamp(0, plan.program.side)

    def legal(boxes: Tensor) -> Tensor:
        changed = change(boxes)
        good = (changed[:, 2:] > changed[:, :2] + 1).all(1)
        return torch.where(good[:, None], changed, boxes)

    on_boxes(plan, legal)


@injection("missing_annotations", also=("empty_targets", "label_noise"), on=DETECTORS, levels=(0.3, 0.5, 0.8))
def unlabelled(plan: Plan, share: float) -> None:
    """Real objects without a box."""

    def change(target: Target) -> Target:
        keep = torch.rand(len(target["boxes"]), generator=plan.generator) >= share
        return {key: value[keep] for key, value in target.items()}

    on_targets(plan, change)


@injection("empty_targets", also=("missing_annotations",), on=DETECTORS, levels=(0.7, 0.9, 1.0))
def empty(plan: Plan, share: float) -> None:
    """Most annotation files were not found, and nobody said so."""

    def change(target: Target) -> Target:
        gone = float(torch.rand((), generator=plan.generator)) < share
        return {key: value[:0] if gone else value for key, value in target.items()}

    on_targets(plan, change)


@injection(
    "background_label_used",
    on=("two_stage", "fcos", "ssd", "mask", "retina", "keypoints", "pyramid"),
    levels=(0.1, 0.4, 1.0),
)
def shifted_down(plan: Plan, share: float) -> None:
    """Class ids counted from 0 (in part of the files) where 0 is the background."""

    def change(target: Target) -> Target:
        shifted = float(torch.rand((), generator=plan.generator)) < share
        return {**target, "labels": target["labels"] - int(shifted)}

    on_targets(plan, change)


@injection(
    "labels_out_of_range",
    on=("one_stage", "centre", "yolo", "detr", "effdet", "grid", "darknet", "corner", "dfl", "textlines"),
    levels=(0.1, 0.4, 1.0),
)
def below_zero(plan: Plan, share: float) -> None:
    """Class ids reduced by one (in part of the files) where they already counted from 0: -1 is taken as the last, or is
    out of the range of a cross-entropy."""

    def change(target: Target) -> Target:
        shifted = float(torch.rand((), generator=plan.generator)) < share
        return {**target, "labels": target["labels"] - int(shifted)}

    on_targets(plan, change)


@injection(
    "labels_out_of_range",
    on=(
        "mlp",
        "cnn_bn",
        "cnn",
        "vit",
        "gru",
        "mobile",
        "mixer",
        "convnext",
        "tcn",
        *FOURTH_PLAIN,
        *FIFTH_PLAIN,
        "points",
        *SEVENTH_PLAIN,
    ),
    levels=(0.002, 0.02, 0.2),
)
def beyond_the_head(plan: Plan, share: float) -> None:
    """Some labels lie beyond the head."""

    def change(examples: Examples) -> Examples:
        y = examples.y.clone()
        wrong = torch.rand(y.shape, generator=plan.generator) < share
        wrong[int(0.3 * len(y))] = True
        y[wrong & (y >= 0)] = plan.program.classes
        return Examples(examples.x, y)

    on_training(plan, change)


@injection("labels_boxes_mismatch", also=("labels_shuffled", "label_noise"), on=DETECTORS, levels=(0.2, 0.6, 1.0))
def labels_of_other_boxes(plan: Plan, share: float) -> None:
    """Boxes were filtered and their labels were not: one label more than boxes."""

    def change(target: Target) -> Target:
        if float(torch.rand((), generator=plan.generator)) >= share:
            return target
        return {**target, "labels": torch.cat([target["labels"][-1:], target["labels"]])}

    on_targets(plan, change)


@injection("boxes_duplicated", also=("label_noise",), on=DETECTORS, levels=(0.3, 0.7, 1.0))
def duplicated(plan: Plan, share: float) -> None:
    """Objects annotated twice, the second time as the next class."""
    first = _first_class(plan)

    def change(target: Target) -> Target:
        twice = torch.rand(len(target["boxes"]), generator=plan.generator) < share
        labels = first + (target["labels"][twice] - first + 1) % plan.program.classes
        more = {key: value[twice] for key, value in target.items()} | {"labels": labels}
        return {key: torch.cat([value, more[key]]) for key, value in target.items()}

    on_targets(plan, change)


@injection("class_imbalance", also=("class_missing",), on=DETECTORS, levels=(20, 100, 1000))
def rare_classes(plan: Plan, ratio: float) -> None:
    """Nearly all objects are of one class: of the pictures with others few were kept."""
    first = _first_class(plan)

    def few(examples: Examples) -> Examples:
        kept = [i for i, target in enumerate(examples.y) if bool((target["labels"] == first).all())]
        rare = [i for i, target in enumerate(examples.y) if not bool((target["labels"] == first).any())]
        return examples.at(kept + rare[: round(len(kept) / ratio)])

    on_training(plan, few)


__all__ = ["CLASSIFIERS", "on_boxes", "on_targets"]
