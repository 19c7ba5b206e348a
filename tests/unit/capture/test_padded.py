"""Targets that are filled up, that are five numbers for each box, or lists of boxes and of class ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.criterion import SEARCHED
from dettui_probe.capture.padded import EMPTY_LISTS
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
WIDTH, HEIGHT = 100, 50
SIZE = torch.tensor([WIDTH, HEIGHT] * 2)
CORNERS = [
    [[10.5, 5.0, 30.0, 25.5], [50.0, 20.5, 80.5, 45.0], [11.0, 30.0, 22.0, 48.5]],
    [[60.5, 10.0, 90.0, 40.5]],
    [],
]
IDS = [[1, 2, 1], [2], []]


class Net(nn.Module):
    """Answers four numbers for each image, whatever else it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)

    def forward(self, images: Any, *targets: Any, **named: Any) -> Tensor:
        pixels = next(part for part in [*images] if isinstance(part, Tensor)) if isinstance(images, list) else images
        answers: Tensor = self.body(pixels).mean((2, 3))
        return answers


class DetBench(Net):
    """Called as those of effdet are."""


class Loss(nn.Module):
    def forward(self, answers: Tensor, *targets: Any, **named: Any) -> Tensor:
        return answers.square().sum()


def centres(boxes: Tensor) -> Tensor:
    return torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], dim=-1)


def lists(corners: Any = CORNERS, ids: Any = IDS) -> tuple[list[Tensor], list[Tensor]]:
    return [torch.tensor(own).reshape(-1, 4) for own in corners], [torch.tensor(own, dtype=torch.long) for own in ids]


def filled(parts: Sequence[Tensor], filling: float, most: int = 4) -> Tensor:
    """*parts* one below the other, each with rows of *filling* up to *most* of them."""
    whole = torch.full((len(parts), most, *parts[0].shape[1:]), filling, dtype=parts[0].dtype)
    for image, part in zip(whole, parts, strict=True):
        image[: len(part)] = part
    return whole


def fives(*, first: bool = False, shares: bool = False, corners: Any = CORNERS, ids: Any = IDS) -> list[Tensor]:
    """Boxes as corners with their class id behind, or as centre and size with it in front."""
    boxes, labels = lists(corners, ids)
    boxes = [own / SIZE if shares else own for own in boxes]
    pairs = list(zip(boxes, labels, strict=True))
    if first:
        return [torch.cat([own_ids[:, None].float(), centres(own)], dim=1) for own, own_ids in pairs]
    return [torch.cat([own, own_ids[:, None].float()], dim=1) for own, own_ids in pairs]


def effdet(corners: Any = CORNERS, ids: Any = IDS) -> dict[str, Any]:
    boxes, labels = lists(corners, ids)
    turned = [own[:, [1, 0, 3, 2]] for own in boxes]
    count = len(boxes)
    extra = {"img_size": torch.full((count, 2), 64.0), "img_scale": torch.ones(count)}
    return {"bbox": filled(turned, -1.0), "cls": filled([own.float() for own in labels], -1.0), **extra}


def repeated(parts: Sequence[Tensor], most: int) -> Tensor:
    return torch.stack([torch.cat([part, part[-1:].expand(most - len(part), -1)]) for part in parts])


Handing = Callable[[nn.Module, nn.Module, Tensor], Tensor]

BOXES, LABELS = lists()
PAIR = filled(BOXES, 0.0), filled(LABELS, 0)
SAMPLES = [
    SimpleNamespace(gt_instances=SimpleNamespace(bboxes=b, labels=c)) for b, c in zip(BOXES, LABELS, strict=True)
]
SOON: dict[str, Handing] = {
    "effdet": lambda net, loss, x: loss(net(x, effdet())),
    "effdet, as lists": lambda net, loss, x: loss(
        net(x, {**effdet(), "bbox": [own[:, [1, 0, 3, 2]] for own in BOXES], "cls": LABELS})
    ),
    "retinanet": lambda net, loss, x: loss(net([x, filled(fives(), -1.0)])),
    "efficientdet": lambda net, loss, x: loss(net(x, filled(fives(), -1.0))),
    "ssd, to the loss": lambda net, loss, x: loss(net(x), fives(shares=True)),
    "pair": lambda net, loss, x: loss(net(x), *PAIR),
    "pair with a mask": lambda net, loss, x: loss(
        net(x), filled(BOXES, 7.0), filled(LABELS, 1), filled([own > 0 for own in LABELS], False)
    ),
    "pair by name": lambda net, loss, x: loss(net(x), {"boxes": filled(BOXES, -1.0), "classes": filled(LABELS, -1)}),
    "lists": lambda net, loss, x: loss(net(x, BOXES, LABELS)),
    "lists by name": lambda net, loss, x: loss(net(x, gt_bboxes=BOXES, gt_labels=LABELS)),
    "lists to the loss": lambda net, loss, x: loss(net(x), BOXES, LABELS),
    "data samples": lambda net, loss, x: loss(net(x, SAMPLES)),
    "instances": lambda net, loss, x: loss(net(x, batch_data_samples=[sample.gt_instances for sample in SAMPLES])),
}


def train(run: Run, told: ToldReader, hand: Handing, *, images: Tensor | None = None, steps: int = 2) -> Any:
    """What *steps* tell of three images whose targets go where *hand* takes them."""
    net, loss = DetBench(), Loss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    attach(run, net, optimizer, budget=1.0)
    rows: Any = []
    for _ in range(steps):
        hand(net, loss, torch.rand(3, 3, HEIGHT, WIDTH) if images is None else images).backward()
        optimizer.step()
        now = told()
        rows += now.rows
        assert "probe_fault" not in now.kinds()
    return now._replace(rows=rows)


def newest(now: Any) -> dict[str, float]:
    return {tag: value for row in now.rows for tag, value in row.values.items()}


@pytest.mark.parametrize("form", SOON)
def test_objects_are_counted_without_what_fills_up(run: Run, told: ToldReader, form: str) -> None:
    values = newest(train(run, told, SOON[form]))
    assert (values[tags.TARGET_BOXES], values[tags.BATCH_SIZE], values[tags.TARGET_EMPTY]) == (4, 3, 1)
    assert values[tags.TARGET_LEGAL_XYXY] == 4
    assert values[tags.TARGET_DEGENERATE] == values[tags.TARGET_OUTSIDE] == values[tags.TARGET_DUPLICATES] == 0
    assert values[tags.TARGET_BELOW_ZERO] == 0
    assert (values[tags.TARGET_LABEL_MIN], values[tags.TARGET_LABEL_MAX]) == (1, 2)
    largest = 48.5 / HEIGHT if form.startswith("ssd") else 90.0
    assert values[tags.TARGET_MAX_COORD] == pytest.approx(largest)


@pytest.mark.parametrize("place", ["model", "loss"])
def test_a_class_in_front_of_a_centre_and_a_size(run: Run, told: ToldReader, place: str) -> None:
    targets = filled(fives(first=True), 0.0, most=50)

    def hand(net: nn.Module, loss: nn.Module, x: Tensor) -> Tensor:
        result: Tensor = loss(net(x, targets)) if place == "model" else loss(net(x), targets)
        return result

    values = newest(train(run, told, hand))
    assert (values[tags.TARGET_BOXES], values[tags.TARGET_EMPTY], values[tags.TARGET_LEGAL_CXCYWH]) == (4, 1, 4)
    assert (values[tags.TARGET_LABEL_MIN], values[tags.TARGET_LABEL_MAX]) == (1, 2)


@pytest.mark.parametrize("form", ["pair", "five"])
def test_boxes_in_whole_pixels(run: Run, told: ToldReader, form: str) -> None:
    corners = [
        [[10.0, 5.0, 30.0, 25.0], [50.0, 20.0, 80.0, 45.0]],
        [[60.0, 10.0, 90.0, 40.0]],
        [[5.0, 6.0, 40.0, 30.0]],
    ]
    ids = [[0, 2], [1], [0]]
    boxes, labels = lists(corners, ids)
    pair, five = (filled(boxes, 0.0), filled(labels, 0)), (filled(fives(corners=corners, ids=ids), -1.0),)
    values = newest(train(run, told, lambda net, loss, x: loss(net(x), *(pair if form == "pair" else five))))
    assert (values[tags.TARGET_BOXES], values[tags.TARGET_LEGAL_XYXY]) == (4, 4)


def test_rows_that_repeat_the_last_one_fill_up(run: Run, told: ToldReader) -> None:
    corners = [CORNERS[0], CORNERS[1], [[5.0, 6.5, 40.0, 30.0]]]
    targets = repeated(fives(corners=corners, ids=[[1, 2, 1], [2], [0]]), 3)
    values = newest(train(run, told, lambda net, loss, x: loss(net(x, targets))))
    assert (values[tags.TARGET_BOXES], values[tags.TARGET_DUPLICATES]) == (5, 0)


def test_boxes_that_stand_there_twice_are_told_beside_rows_that_fill_up(run: Run, told: ToldReader) -> None:
    twice = [[box for box in own for _ in range(2)] for own in CORNERS]
    targets = filled(fives(corners=twice, ids=[[i for i in own for _ in range(2)] for own in IDS]), -1.0, most=6)
    assert newest(train(run, told, lambda net, loss, x: loss(net(x, targets))))[tags.TARGET_DUPLICATES] == 4


@pytest.mark.parametrize("form", ["effdet", "five", "pair"])
def test_an_object_of_a_class_below_zero_does_not_fill_up(run: Run, told: ToldReader, form: str) -> None:
    ids = [[-1, 1, 0], [1], []]
    boxes, labels = lists(ids=ids)
    given: dict[str, tuple[Any, ...]] = {
        "effdet": (effdet(ids=ids),),
        "five": (filled(fives(ids=ids), -1.0),),
        "pair": (filled(boxes, -1.0), filled(labels, -1)),
    }
    values = newest(train(run, told, lambda net, loss, x: loss(net(x), *given[form])))
    assert (values[tags.TARGET_BOXES], values[tags.TARGET_BELOW_ZERO]) == (4, 1)


@pytest.mark.parametrize("form", ["effdet", "five", "lists"])
def test_boxes_without_area_are_told(run: Run, told: ToldReader, form: str) -> None:
    corners = [[*CORNERS[0][:2], [40.0, 20.0, 40.0, 30.0]], *CORNERS[1:]]
    given = {"effdet": (effdet(corners),), "five": (filled(fives(corners=corners), -1.0),), "lists": lists(corners)}
    values = newest(train(run, told, lambda net, loss, x: loss(net(x, *given[form]))))
    assert (values[tags.TARGET_BOXES], values[tags.TARGET_DEGENERATE]) == (4, 1)


def test_a_batch_without_objects_is_empty_once_the_form_is_known(run: Run, told: ToldReader) -> None:
    batches = [filled(fives(), -1.0), torch.full((3, 1, 5), -1.0)]
    given = iter(batches)
    values = train(run, told, lambda net, loss, x: loss(net(x, next(given))))
    assert values.values(tags.TARGET_EMPTY)[-1] == 3


@pytest.mark.parametrize(("steps", "told_of"), [(EMPTY_LISTS - 1, 0), (EMPTY_LISTS + 2, 3)])
def test_lists_without_a_box_in_batch_after_batch_are_targets_that_were_lost(
    run: Run, told: ToldReader, steps: int, told_of: int
) -> None:
    empty = [torch.zeros(0, 5)] * 3
    values = train(run, told, lambda net, loss, x: loss(net(x), empty), steps=steps)
    assert values.values(tags.TARGET_EMPTY) == [3.0] * told_of


NOTHING = [torch.zeros(3, 4, 5), torch.full((3, 2, 5), -1.0)]
KEYPOINTS = torch.rand(3, 17, 5) * 40
FLAGS = torch.eye(5).expand(3, 5, 5)
LEARNT = filled(fives(), -1.0).requires_grad_()


@pytest.mark.parametrize(
    "given",
    [
        (KEYPOINTS,),
        (torch.randn(3, 9, 5),),
        (FLAGS,),
        (LEARNT,),
        (filled(fives(), -1.0)[:2],),  # of two images
        (torch.cat([torch.randn(3, 4, 4), torch.ones(3, 4, 1)], dim=-1),),
        tuple([part] for part in NOTHING[:1]),
        (NOTHING[1],),
        ([torch.rand(4, 5) for _ in range(3)],),
        (torch.randn(3, 6, 4), torch.randint(0, 9, (3, 6))),
        (torch.rand(3, 6, 4), torch.rand(3, 6)),
        ([torch.rand(2, 4)] * 3, [torch.rand(2)] * 3),
        ([torch.rand(2, 4)] * 2, [torch.ones(2, dtype=torch.long)] * 2),  # of two images
        ({"boxes": PAIR[0], "labels": PAIR[1], "scores": torch.ones(3, 4)},),
        ([SimpleNamespace(bboxes=BOXES[0], labels=LABELS[0], scores=torch.ones(3))] * 3,),
    ],
)
def test_what_only_has_the_shape_is_left_alone(run: Run, told: ToldReader, given: tuple[Any, ...]) -> None:
    now = train(run, told, lambda net, loss, x: loss(net(x), *given), steps=3)
    assert not any(tag.startswith(("targets/", tags.PAIRING_BOXES)) for tag in newest(now))


def test_boxes_under_the_keys_of_effdet_are_left_alone_where_nothing_tells_their_axes(
    run: Run, told: ToldReader
) -> None:
    net, loss = Net(), Loss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    attach(run, net, optimizer, budget=1.0)
    bare = {key: value for key, value in effdet().items() if key in ("bbox", "cls")}
    loss(net(torch.rand(3, 3, HEIGHT, WIDTH), bare)).backward()
    optimizer.step()
    assert told().values(tags.TARGET_BOXES) == []


def test_a_variable_of_the_caller_may_be_filled_up(run: Run, told: ToldReader) -> None:
    targets = filled(fives(), -1.0)

    def hand(net: nn.Module, loss: nn.Module, x: Tensor) -> Tensor:
        answers: Tensor = net(x)
        return answers.square().sum() + targets.sum() * 0

    assert train(run, told, hand, steps=2 * SEARCHED).values(tags.TARGET_BOXES)[-1] == 4


MIDDLES = [(x, y) for x in (0.25, 0.75) for y in (0.25, 0.75)]
SQUARES = [[[64 * x - 7.75, 64 * y - 7.7, 64 * x + 8.0, 64 * y + 8.0]] for x, y in MIDDLES][:3]
SEEN: dict[str, tuple[str, Callable[[], tuple[Any, ...]]]] = {
    "effdet": ("xyxy", lambda: (effdet(SQUARES, [[1]] * 3),)),
    "five": ("xyxy", lambda: (filled(fives(corners=SQUARES, ids=[[1]] * 3), -1.0),)),
    "class first": ("cxcywh", lambda: (filled(fives(first=True, corners=SQUARES, ids=[[1]] * 3), 0.0),)),
    "list of fives": ("xyxy", lambda: (fives(corners=SQUARES, ids=[[1]] * 3),)),
    "lists": ("xyxy", lambda: lists(SQUARES, [[1]] * 3)),
    "pair": ("xyxy", lambda: tuple(filled(part, 0) for part in lists(SQUARES, [[1]] * 3))),
}


@pytest.mark.parametrize("place", ["model", "loss"])
@pytest.mark.parametrize("form", SEEN)
def test_boxes_are_compared_with_the_pixels(run: Run, told: ToldReader, form: str, place: str) -> None:
    images = torch.rand(3, 3, 64, 64)
    for image, (x, y) in zip(images, MIDDLES, strict=False):
        image[:, int(64 * y) - 8 : int(64 * y) + 8, int(64 * x) - 8 : int(64 * x) + 8] = 3.0
    reading, made = SEEN[form]
    given = made()

    def hand(net: nn.Module, loss: nn.Module, x: Tensor) -> Tensor:
        result: Tensor = loss(net(x, *given)) if place == "model" else loss(net(x), *given)
        return result

    now = train(run, told, hand, images=images, steps=12)
    compared, fitting = (
        sum(row.values.get(tag + reading, 0) for row in now.rows)
        for tag in (tags.PAIRING_READ_BOXES, tags.PAIRING_READ_FITS)
    )
    assert fitting == compared > 15
