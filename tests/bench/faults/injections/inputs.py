"""Mistakes in what the network is given, and in augmentation."""

from __future__ import annotations

from typing import Any

import torch
from bench.faults.injection import DETECTORS, IMAGES, LATER_PLAIN, NEWER, NUMERIC, SIXTH_PLAIN, THIRD_PLAIN, injection
from bench.faults.injections.data import on_training
from bench.faults.plan import Examples, Plan, Sets
from torch.nn import functional


def on_all_inputs(plan: Plan, scale: float, offset: float = 0.0) -> None:
    """The same change of the inputs in every set, as one transform makes it."""

    def change(sets: Sets) -> Sets:
        return Sets(*(Examples(examples.x * scale + offset, examples.y) for examples in sets))

    plan.on_sets.append(change)


@injection(
    "inputs_not_normalised",
    also=("lr_too_high", "init_too_large"),
    on=(
        "mlp",
        "cnn",
        "vit",
        "regressor",
        "gru",
        "mixer",
        "depth",
        *THIRD_PLAIN,
        "densenet",
        "tabular",
        *SIXTH_PLAIN,
        "arcface",
    ),
    levels=((30.0, 0.0), (64.0, 128.0), (64.0, 1000.0)),
)
def raw_inputs(plan: Plan, level: tuple[float, float]) -> None:
    """0-255, or with a huge offset, into a network that expects about -1 to 1."""
    on_all_inputs(plan, *level)


@injection("inputs_not_normalised", on=DETECTORS, levels=(8.0, 64.0, 255.0))
def detector_given_bytes(plan: Plan, scale: float) -> None:
    """Pixels of 0 to 255 into a detector that expects 0 to 1."""
    on_all_inputs(plan, scale)


@injection(
    "inputs_normalised_twice",
    on=tuple(
        name for name in DETECTORS if name not in ("yolo", "grid", "darknet", "dfl")
    ),  # they have no mean and deviation to apply
    levels=((4.4, -2.1), (1 / 255, 0.0), (19.0, -11.4)),
)
def normalised_twice(plan: Plan, level: tuple[float, float]) -> None:
    """Normalised in the transform, or divided by 255 twice; the detector normalises by itself."""
    on_all_inputs(plan, *level)


@injection(
    "inputs_normalised_twice",
    also=("inputs_not_normalised", "inputs_constant", "lr_too_low"),
    on=(
        "mlp",
        *IMAGES,
        "vit",
        "gru",
        "depth",
        "unet",
        "tcn",
        "yolo",
        "grid",
        "tabular",
        "darknet",
        *SIXTH_PLAIN,
        "dfl",
        "arcface",
    ),
    levels=(1 / 30, 1 / 255, 1 / 65025),
)
def divided_twice(plan: Plan, scale: float) -> None:
    """Divided by 255 once more than needed."""
    on_all_inputs(plan, scale)


@injection(
    "inputs_constant",
    on=("mlp", "cnn_bn", "two_stage", "segmentation", "cnn", "resnet", "vit", "one_stage", "regressor", *NEWER),
    levels=(0.6, 0.9, 1.0),
)
def black_inputs(plan: Plan, share: float) -> None:
    """So many files could not be decoded, and came as zeros, a text as words that are not in the vocabulary (1)."""

    def spoil(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        broken = torch.rand(len(x), generator=plan.generator) < share
        x[broken] = 0.0 if x.is_floating_point() else x[broken].clamp(max=1)
        return x, y

    plan.on_batch.append(spoil)


@injection(
    "non_finite_inputs",
    on=(
        "mlp",
        "cnn_bn",
        "segmentation",
        "cnn",
        "resnet",
        "vit",
        "regressor",
        *LATER_PLAIN,
        *THIRD_PLAIN,
        *NUMERIC,
    ),
    levels=(1.5, 1.0, 0.2),
    from_onset=True,
)
def nan_input(plan: Plan, delay: float) -> None:
    """One value of one example is NaN."""
    plan.onset = max(int(delay * plan.onset), 5)

    def spoil(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        if step == plan.onset:
            x.view(-1)[7] = float("nan")
        return x, y

    plan.on_batch.append(spoil)


@injection(
    "augmentation_too_strong",
    also=("regularisation_too_strong", "label_noise"),
    on=(
        "mlp",
        "cnn_bn",
        "segmentation",
        "cnn",
        "resnet",
        "vit",
        "regressor",
        *LATER_PLAIN,
        *THIRD_PLAIN,
        "densenet",
        "tabular",
        *SIXTH_PLAIN,
        "arcface",
    ),
    levels=(2.0, 4.0, 8.0),
)
def noise_augmentation(plan: Plan, sigma: float) -> None:
    """Gaussian noise that drowns the picture, in training only."""

    def spoil(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        return x + sigma * torch.randn(x.shape, generator=plan.generator), y

    plan.on_batch.append(spoil)


@injection("augmentation_too_strong", also=("regularisation_too_strong",), on=DETECTORS, levels=(3, 5, 9))
def blur_augmentation(plan: Plan, size: int) -> None:
    """Pictures blurred and darkened until classes look alike, in training only."""

    def spoil(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        return 0.4 * functional.avg_pool2d(x, size, 1, size // 2, count_include_pad=False), y

    plan.on_batch.append(spoil)


@injection("boxes_not_transformed", also=("labels_shuffled",), on=DETECTORS, levels=(0.3, 0.5, 0.8))
def flipped_without_boxes(plan: Plan, share: float) -> None:
    """A horizontal flip that does not know of the boxes."""

    def flip(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        turned = torch.rand(len(x), generator=plan.generator) < share
        return torch.where(turned.view(-1, 1, 1, 1), x.flip(-1), x), y

    plan.on_batch.append(flip)


@injection(
    "augmentation_drops_boxes", also=("empty_targets", "missing_annotations"), on=DETECTORS, levels=(0.5, 0.75, 0.9)
)
def crops_lose_boxes(plan: Plan, share: float) -> None:
    """A crop so small that most boxes fall out of it; what is left of the picture is enlarged."""

    def crop(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        side = x.shape[-1]
        small = int(side * (1 - share) ** 0.5)
        left, top = torch.randint(side - small + 1, (2,), generator=plan.generator).tolist()
        part = functional.interpolate(x[..., top : top + small, left : left + small], (side, side))
        return part, [_cropped(target, left, top, small, side / small) for target in y]

    plan.on_batch.append(crop)


def _cropped(target: dict[str, torch.Tensor], left: int, top: int, small: int, zoom: float) -> dict[str, torch.Tensor]:
    boxes = target["boxes"] - torch.tensor([left, top, left, top])
    inside = (boxes[:, :2] >= 0).all(1) & (boxes[:, 2:] <= small).all(1)
    rest = {key: value[inside] for key, value in target.items()}
    if "masks" in target:
        nearest = torch.arange(rest["masks"].shape[-1]) * small // rest["masks"].shape[-1]
        rest["masks"] = rest["masks"][:, top + nearest][:, :, left + nearest]
    if "keypoints" in target:
        points, seen = rest["keypoints"].split([2, 1], -1)
        rest["keypoints"] = torch.cat([(points - torch.tensor([left, top])) * zoom, seen], -1)
    return {**rest, "boxes": boxes[inside] * zoom}


__all__ = ["on_all_inputs", "on_training"]
