"""Images whose targets cannot be right are sent as pictures: few of a kind, and rarely."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dettui_probe import wire
from dettui_probe.capture.exhibits import LONGEST_WAIT_S, OF_ONE_KIND, Exhibits
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.targets import Batch, snapshot
from dettui_probe.contract import NAMED, UNKNOWN, Contract

HEAD = Contract("xyxy", "pixels", background=0, first_label=1, num_classes=4, family="torchvision.FasterRCNN")
GOOD = [[10.0, 10.0, 40.0, 30.0], [20.0, 5.0, 60.0, 50.0]]


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def batch(*boxes: Any, labels: Any = (1, 2), size: tuple[int, int] = (64, 80)) -> Batch:
    """Images of *size* with these *boxes*."""
    images = [torch.full((3, *size), index / 10) for index in range(len(boxes))]
    targets = [
        {"boxes": torch.tensor(own).reshape(-1, 4), "labels": torch.tensor(labels), "file_name": f"{index:03}.jpg"}
        for index, own in enumerate(boxes)
    ]
    return Batch(images, targets)


def shown(exhibits: Exhibits, given: Batch, contract: Contract = HEAD) -> wire.Picture | None:
    """The picture that *exhibits* sends of *given*."""
    reading = exhibits.look(given, snapshot(given), contract) if exhibits.wanted else None
    if reading is None:
        return None
    sheet = Sheet(7, 5.0, {}, False)
    reading.decode(reading.tensors, sheet)
    for message in sheet.messages:
        assert isinstance(message, wire.Pictures)
        return message.pictures[0]
    return None


def spoilt(index: int, value: float) -> list[list[float]]:
    """Two boxes, the second one with *value* at *index*."""
    return [GOOD[0], [value if i == index else v for i, v in enumerate(GOOD[1])]]


@pytest.mark.parametrize(
    ("boxes", "labels", "what"),
    [
        (spoilt(2, 20.0), (1, 2), ["degenerate"]),
        (spoilt(3, float("nan")), (1, 2), ["nonfinite"]),
        (spoilt(2, float("inf")), (1, 2), ["nonfinite"]),
        (spoilt(2, 300.0), (1, 2), ["outside"]),
        (spoilt(0, -9.0), (1, 2), ["outside"]),
        (GOOD, (1, 9), ["label_illegal"]),
        (GOOD, (0, 2), ["label_background"]),
        (GOOD, (1, 2, 3), ["length_mismatch"]),
    ],
)
def test_a_target_that_cannot_be_right_is_shown_with_its_file(boxes: Any, labels: Any, what: list[str]) -> None:
    given = batch(GOOD, boxes, GOOD)
    for index in (0, 2):
        given.targets[index]["labels"] = torch.tensor([1, 2])
    given.targets[1]["labels"] = torch.tensor(labels)
    picture = shown(Exhibits(), given)
    assert picture is not None
    assert (picture.index, picture.what, picture.file) == (1, what, "001.jpg")
    assert picture.box_count == 2
    assert picture.rgb[0] == 26  # of the second image


def test_sound_targets_and_small_ones_are_not_shown() -> None:
    assert shown(Exhibits(), batch(GOOD, GOOD)) is None
    assert shown(Exhibits(), batch([[1.0, 1.0, 2.5, 2.5]], labels=(1,))) is None
    assert shown(Exhibits(), batch([], labels=())) is None


def test_images_of_several_sizes_are_measured_each_by_its_own() -> None:
    wide, narrow = batch(GOOD, size=(64, 80)), batch(GOOD, size=(64, 50))
    given = Batch([*wide.images, *narrow.images], [*wide.targets, *narrow.targets])
    picture = shown(Exhibits(), given)
    assert picture is not None
    assert (picture.index, picture.what) == (1, ["outside"])


def test_what_is_not_known_to_be_wrong_is_not_shown() -> None:
    assert shown(Exhibits(), batch(spoilt(2, 20.0)), UNKNOWN) is None
    assert shown(Exhibits(), batch(GOOD, labels=(0, 2)), UNKNOWN) is None
    picture = shown(Exhibits(), batch(spoilt(2, float("nan"))), UNKNOWN)
    assert picture is not None


def test_shares_of_an_image_are_measured_as_shares() -> None:
    shares = [[0.5, 0.5, 0.2, 0.2]]
    assert shown(Exhibits(), batch(shares, labels=(1,)), NAMED["detr"]) is None
    picture = shown(Exhibits(), batch([[0.95, 0.5, 0.4, 0.2]], labels=(1,)), NAMED["detr"])
    assert picture is not None
    assert picture.what == ["outside"]


def test_pictures_come_ever_more_rarely_and_few_of_a_kind() -> None:
    clock = Clock()
    exhibits, bad, sent = Exhibits(clock), batch(spoilt(2, 20.0)), []
    for _ in range(4000):
        if shown(exhibits, bad) is not None:
            sent.append(clock.now - 1000)
        clock.now += 0.5
    assert len(sent) == OF_ONE_KIND
    assert sent == [0.0, 1.0, 3.0]
    clock.now += LONGEST_WAIT_S
    assert shown(exhibits, batch(GOOD, labels=(0, 2))) is not None  # another kind
    assert not exhibits.wanted


def test_a_batch_that_lies_on_a_device_is_not_waited_for() -> None:
    class Elsewhere(Tensor):
        device = torch.device("cuda")  # type: ignore[assignment]

    given = batch(spoilt(2, 20.0))
    taken = snapshot(given)
    assert taken.boxes is not None
    assert taken.labels is not None
    moved = taken._replace(boxes=taken.boxes.as_subclass(Elsewhere), labels=taken.labels.as_subclass(Elsewhere))
    assert Exhibits().look(given, moved, HEAD) is None
