"""What people are shown of a batch."""

from __future__ import annotations

import math

import pytest
import torch

from dettui_probe import framing, wire
from dettui_probe.capture.gallery import EVERY_S, MOST_PICTURES, Gallery
from dettui_probe.capture.pixels import Pixels, sample
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.targets import Batch
from dettui_probe.contract import NAMED, UNKNOWN, Contract

BOXES = torch.tensor([[10.0, 20.0, 50.0, 60.0]])


def pictures_of(
    images: list[torch.Tensor],
    contract: Contract = UNKNOWN,
    boxes: torch.Tensor = BOXES,
    ids: list[float] | None = None,
) -> list[wire.Picture]:
    labels = torch.tensor([3] if ids is None else ids)
    batch = Batch(images, [{"boxes": boxes, "labels": labels} for _ in images])
    sheet, pixels = Sheet(1, 5.0, {}, False), Pixels()
    reading = pixels.reading(sample(images, batch, step=0, to_be_shown=pixels.shows_next), contract)
    reading.decode(reading.tensors, sheet)
    (message,) = sheet.messages
    assert isinstance(message, wire.Pictures)
    assert (message.step, message.time) == (1, 5.0)
    return message.pictures


def test_a_small_image_is_told_pixel_by_pixel_with_its_boxes_and_class_ids() -> None:
    image = torch.zeros(3, 60, 80)
    image[0, 0, 1] = 1.0
    (picture,) = pictures_of([image])
    assert (picture.width, picture.height, picture.rgb[:6]) == (80, 60, b"\x00\x00\x00\xff\x00\x00")
    assert (picture.boxes, picture.labels, picture.box_count, picture.scaled) == ([10, 20, 50, 60], [3], 1, False)


def test_boxes_shrink_with_the_image() -> None:
    (picture,) = pictures_of([torch.zeros(3, 180, 192)])
    assert (picture.width, picture.height, picture.image_width, picture.image_height) == (96, 90, 192, 180)
    assert picture.boxes == pytest.approx([5, 10, 25, 30])


def test_boxes_in_shares_of_the_image_are_read_as_the_head_reads_them() -> None:
    shares = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    (picture,) = pictures_of([torch.zeros(3, 50, 100)], NAMED["detr"], shares)
    assert picture.boxes == pytest.approx([0.4 * 50, 0.3 * 50, 0.6 * 50, 0.7 * 50])


def test_values_outside_0_to_1_are_stretched_and_that_is_said() -> None:
    image = torch.full((3, 4, 4), -2.0)
    image[:, 0, 0] = 3.0
    (picture,) = pictures_of([image])
    assert (picture.scaled, picture.low, picture.high) == (True, -2.0, 3.0)
    assert set(picture.rgb[:3]) == {255}
    assert set(picture.rgb[3:]) == {0}


def test_bytes_are_shown_as_they_are() -> None:
    (picture,) = pictures_of([torch.full((3, 4, 4), 200, dtype=torch.uint8)])
    assert (set(picture.rgb), picture.scaled) == ({200}, False)


def test_one_channel_is_grey_and_what_is_not_finite_is_black() -> None:
    image = torch.ones(1, 1, 3)
    image[0, 0, 1], image[0, 0, 2] = math.nan, math.inf
    (picture,) = pictures_of([image])
    assert picture.rgb == b"\xff" * 3 + b"\x00" * 6


def test_an_image_of_nothing_but_nan_is_black() -> None:
    (picture,) = pictures_of([torch.full((3, 2, 2), math.nan)])
    assert (set(picture.rgb), picture.low, picture.high) == ({0}, 0.0, 0.0)


def test_a_class_id_that_is_no_number_is_told_as_minus_one() -> None:
    (picture,) = pictures_of([torch.zeros(3, 8, 8)], boxes=BOXES.repeat(2, 1), ids=[math.nan, 2.0])
    assert picture.labels == [-1, 2]


def test_the_largest_message_fits_a_frame() -> None:
    found = pictures_of([torch.rand(3, 96, 96)] * 4, boxes=BOXES.repeat(500, 1), ids=[2.0**30] * 500)
    assert (len(found), found[0].box_count, len(found[0].boxes)) == (MOST_PICTURES, 500, 800)
    assert len(wire.encode(wire.Pictures(2**40, 1e9, found))) < framing.MAX_PAYLOAD // 8


def test_images_without_targets_are_shown_without_boxes() -> None:
    sheet, pixels = Sheet(1, 5.0, {}, False), Pixels()
    reading = pixels.reading(sample([torch.zeros(3, 8, 8)], None, step=0, to_be_shown=True))
    reading.decode(reading.tensors, sheet)
    (message,) = sheet.messages
    assert isinstance(message, wire.Pictures)
    assert (message.pictures[0].boxes, message.pictures[0].labels) == ([], [])


def test_pictures_come_first_at_once_and_then_only_after_a_while() -> None:
    now = [100.0]
    gallery, sheet = Gallery(clock=lambda: now[0]), Sheet(1, 5.0, {}, False)
    for moment in (100.0, 101.0, 100.0 + EVERY_S - 1, 100.0 + EVERY_S):
        now[0] = moment
        gallery.show(sheet, [], UNKNOWN)
    assert len(sheet.messages) == 2


def test_class_ids_travel_only_with_a_sample_that_will_be_shown() -> None:
    image = torch.zeros(3, 8, 8)
    batch = Batch([image], [{"boxes": BOXES, "labels": torch.tensor([3])}])
    assert len(Pixels().reading(sample([image], batch, step=0)).tensors) == 2
    assert len(Pixels().reading(sample([image], batch, step=0, to_be_shown=True)).tensors) == 3
