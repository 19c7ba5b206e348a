"""Boxes that lie on the objects of their images are left in peace; those that lie elsewhere are found there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from unit.preflight.pictures import collate

from dettui_probe.contract import NAMED, UNKNOWN, Contract
from dettui_probe.prechecks.batches import deliver
from dettui_probe.prechecks.coins import coin_of
from dettui_probe.prechecks.pairing import check_pairing
from dettui_probe.prechecks.report import Check
from dettui_probe.prechecks.transforms import check_transform

SIDE = 96
HEAD = NAMED["fasterrcnn"]
Target = dict[str, Any]


def example(index: int, *, painted: bool = True) -> tuple[Tensor, Tensor]:
    """A square image of noise with one to four rectangles, and their corners."""
    dice = torch.Generator().manual_seed(index)
    extent = 10 + 20 * torch.rand(int(torch.randint(1, 5, (1,), generator=dice)), 2, generator=dice)
    corner = torch.rand(extent.shape, generator=dice) * (SIDE - extent)
    boxes = torch.cat([corner, corner + extent], dim=1).round()
    image = 0.35 + 0.3 * torch.rand(3, SIDE, SIDE, generator=dice)
    for x1, y1, x2, y2 in boxes.long().tolist() if painted else ():
        image[:, y1:y2, x1:x2] = torch.rand(3, 1, 1, generator=dice)
    return image, boxes


def whole(image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    return image, boxes


def swapped(image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    return image, boxes[:, [1, 0, 3, 2]]


class Squares(Dataset[Any]):
    """Examples of image *i* and the boxes of image ``join(i)``; the transform runs, then *after*."""

    def __init__(
        self,
        transform: Callable[[Tensor, Target], tuple[Tensor, Target]] | None = None,
        *,
        join: Callable[[int], int] = lambda index: index,
        before: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = whole,
        after: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = whole,
        painted: bool = True,
    ) -> None:
        self.transform, self.join, self.before, self.after, self.painted = transform, join, before, after, painted

    def __len__(self) -> int:
        return 200

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        image, boxes = example(index, painted=self.painted)[0], example(self.join(index) % len(self))[1]
        image, boxes = self.before(image, boxes)
        target = {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64)}
        if self.transform is not None:
            image, target = self.transform(image, target)
        image, target["boxes"] = self.after(image, target["boxes"])
        return image, target


def judged(dataset: Dataset[Any], contract: Contract = HEAD, collating: Any = collate) -> Check:
    torch.manual_seed(0)
    loader: DataLoader[Any] = DataLoader(dataset, batch_size=4, shuffle=True, collate_fn=collating)
    return check_pairing(deliver(loader), loader, contract)


def flip(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    if torch.rand(()) < 0.5:
        x1, y1, x2, y2 = target["boxes"].unbind(1)
        target = {**target, "boxes": torch.stack([SIDE - x2, y1, SIDE - x1, y2], dim=1)}
        image = image.flip(-1)
    return image, target


def flip_image_only(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    return (image.flip(-1) if torch.rand(()) < 0.5 else image), target


def swap_in_transform(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    return image, {**target, "boxes": target["boxes"][:, [1, 0, 3, 2]]}


def one_on(rows: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """A collate function that loses the order of its targets."""
    targets = [row[1] for row in rows]
    return [row[0] for row in rows], targets[1:] + targets[:1]


def scattered(index: int) -> int:
    return (index * 61 + 37) % 200


@pytest.mark.parametrize("transform", [None, flip])
def test_boxes_that_fit_pass(transform: Any) -> None:
    check = judged(Squares(transform))
    assert check.verdict == "passed"
    assert "on their own image" in check.evidence


@pytest.mark.parametrize(
    ("dataset", "collating", "cause", "said"),
    [
        (Squares(after=swapped), collate, "boxes_wrong_format", "x and y swapped"),
        (Squares(swap_in_transform), collate, "boxes_wrong_format", "x and y swapped"),
        (Squares(flip_image_only), collate, "boxes_not_transformed", "mirrored left to right"),
        (Squares(), one_on, "labels_shuffled", "another image of their batch"),
        (Squares(join=lambda index: index + 1), collate, "labels_shuffled", "the image +1 places on"),
        (Squares(join=lambda index: index - 2), collate, "labels_shuffled", "the image -2 places on"),
        (Squares(join=scattered), collate, "labels_shuffled", "brightness, colour, texture and edges"),
    ],
    ids=["swapped", "swapped in transform", "flipped", "collate", "off by one", "off by two", "scattered"],
)
def test_boxes_that_lie_elsewhere_are_found(dataset: Any, collating: Any, cause: str, said: str) -> None:
    check = judged(dataset, collating=collating)
    assert (check.verdict, check.severity, check.cause) == ("failed", "warn", cause), check
    assert said in check.evidence
    assert check.remedy


def test_formats_that_are_not_known_are_not_judged() -> None:
    assert judged(Squares(join=scattered), UNKNOWN).verdict == "abstained"


def test_shares_that_fit_nowhere_are_not_accused() -> None:
    """They may be shares of an image without its padding."""

    def shares(image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        return image, torch.cat([boxes[:, :2] + boxes[:, 2:], 2 * (boxes[:, 2:] - boxes[:, :2])], dim=1) / (2 * SIDE)

    assert judged(Squares(after=shares), NAMED["detr"]).verdict == "passed"
    assert judged(Squares(after=shares, join=scattered), NAMED["detr"]).verdict == "abstained"


def black(image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(image), boxes


def test_blank_images_say_nothing_of_their_boxes() -> None:
    check = judged(Squares(after=black))
    assert (check.verdict, check.cause) == ("abstained", "")
    assert "blank images" in check.evidence


def test_few_boxes_are_not_judged() -> None:
    few = torch.utils.data.Subset(Squares(join=scattered), range(12))
    assert judged(few).verdict == "abstained"


def same(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    return image, target


@pytest.mark.parametrize(
    ("dataset", "name"),
    [(Squares(swap_in_transform), "marker_boxes"), (Squares(same, after=swapped), "marker_dataset")],
    ids=["in the transform", "after the transform"],
)
def test_swapped_axes_are_decided_by_the_marker_test_where_a_transform_shows_the_boxes(dataset: Any, name: str) -> None:
    torch.manual_seed(0)
    loader: DataLoader[Any] = DataLoader(dataset, batch_size=4, collate_fn=collate)
    checks = {check.name: check for check in check_transform(None, loader, HEAD)}
    assert (checks[name].verdict, checks[name].severity) == ("failed", "certain"), checks


def test_coins_of_one_batch_that_share_a_fate_count_as_few() -> None:
    alone = coin_of([5.0] * 20, [10.0] * 20)
    together = coin_of([10.0, 0.0] * 10, [10.0] * 20)
    assert alone is not None
    assert together is not None
    assert together.error > 3 * alone.error
    assert coin_of([5.0] * 4, [10.0] * 4) is None
