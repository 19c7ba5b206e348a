"""Corners that were made of boxes of another format than they had."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dettui.detect.targets.policy import DEFAULT_POLICY
from dettui.detect.targets.reading import MISREADINGS
from dettui_probe import tags
from dettui_probe.capture.boxes import UNDONE, Placed, formats, read_as_cxcywh, read_as_xywh, undone

WIDTH, HEIGHT, COUNT = 640.0, 480.0, 2000
READ: dict[str, Callable[[Tensor], Tensor]] = {"cxcywh": read_as_cxcywh, "xywh": read_as_xywh}


def drawn(least: float, most: float) -> Tensor:
    """Honest corners of boxes whose sides are such shares of their image."""
    source = torch.Generator().manual_seed(0)
    size = least + (most - least) * torch.rand(COUNT, 2, generator=source)
    start = (1 - size) * torch.rand(COUNT, 2, generator=source)
    return torch.cat([start, start + size], dim=1) * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])


def written(corners: Tensor, form: str) -> Tensor:
    """The four numbers of *corners* in a file of this *form*."""
    size = corners[:, 2:] - corners[:, :2]
    return corners if form == "xyxy" else torch.cat([corners[:, :2] + (size / 2 if form == "cxcywh" else 0), size], 1)


def shares(corners: Tensor) -> tuple[dict[str, float], float]:
    """Legal boxes by what is undone, and those of the format that leaves most of them within their image."""
    whole = torch.full((len(corners),), WIDTH), torch.full((len(corners),), HEIGHT)
    placed = Placed(corners, corners, *whole, torch.zeros(len(corners)))
    plain = {tag: good for tag, good in formats(placed).items() if tag != tags.TARGET_TOP_LEFT}
    told = {tag.removeprefix(tags.TARGET_UNDONE): float(good.float().mean()) for tag, good in undone(placed).items()}
    return told, max(float(good.float().mean()) for good in plain.values())


def found(corners: Tensor) -> list[str]:
    """The mistakes that explain *corners*, by the limits of the rule."""
    told, plain = shares(corners)
    if plain >= DEFAULT_POLICY.misread_legal:
        return []
    return [name for name, share in told.items() if share >= DEFAULT_POLICY.other_legal]


def test_the_probe_and_the_rules_know_the_same_mistakes() -> None:
    assert list(UNDONE) == list(MISREADINGS)


@pytest.mark.parametrize("sizes", [(0.1, 0.3), (0.2, 0.5), (0.4, 1.0), (0.02, 0.9)])
@pytest.mark.parametrize("mistake", MISREADINGS)
def test_corners_that_were_made_wrongly_are_explained_by_their_mistake_alone(
    mistake: str, sizes: tuple[float, float]
) -> None:
    true, taken = mistake.split("_as_")
    assert found(READ[taken](written(drawn(*sizes), true))) == [mistake]


@pytest.mark.parametrize("sizes", [(0.02, 0.08), (0.1, 0.3), (0.2, 0.5), (0.4, 1.0), (0.02, 0.9)])
@pytest.mark.parametrize(
    "change",
    [
        lambda boxes: boxes,
        lambda boxes: boxes + 100,
        lambda boxes: boxes - 60,
        lambda boxes: 2 * boxes,
        lambda boxes: boxes / 2,
        lambda boxes: 1.4 * boxes - 100,
        lambda boxes: boxes[:, [1, 0, 3, 2]],
        lambda boxes: written(boxes, "xywh"),
        lambda boxes: written(boxes, "cxcywh"),
    ],
)
def test_honest_boxes_and_other_faults_are_not(change: Callable[[Tensor], Tensor], sizes: tuple[float, float]) -> None:
    assert found(change(drawn(*sizes))) == []
