"""Pictures in, read-only images out; whatever contradicts itself is left out and counted."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from dettui.store.run_store import RunStore
from dettui_probe import wire

SOUND = wire.Picture(
    index=2, width=2, height=1, rgb=b"\x01\x02\x03\x04\x05\x06", boxes=[0.0, 0.0, 1.0, 1.0], labels=[3], box_count=1,
    image_width=640, image_height=320, low=-2.0, high=2.5, scaled=True,
)  # fmt: skip


def pictures(step: int, *found: wire.Picture) -> wire.Pictures:
    return wire.Pictures(step, 1000.0 + step, list(found))


def test_a_picture_becomes_a_read_only_image() -> None:
    store = RunStore()
    store.apply(pictures(7, SOUND))
    (image,) = store.given
    assert (image.step, image.time, image.index, image.size, image.labels) == (7, 1007.0, 2, (640, 320), (3,))
    assert image.rgb.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert image.boxes.tolist() == [[0.0, 0.0, 1.0, 1.0]]
    with pytest.raises(ValueError, match="read-only"):
        image.rgb[0, 0, 0] = 9
    with pytest.raises(ValueError, match="read-only"):
        image.boxes[0, 0] = 9.0


def test_the_two_newest_batches_are_kept_newest_first() -> None:
    store = RunStore()
    for step in (1, 2, 3):
        store.apply(pictures(step, SOUND, msgspec.structs.replace(SOUND, index=3)))
    assert [(image.step, image.index) for image in store.given] == [(3, 2), (3, 3), (2, 2), (2, 3)]


@pytest.mark.parametrize(
    "contradiction",
    [
        {"rgb": b"\x01"},
        {"width": 97, "height": 1, "rgb": bytes(97 * 3)},
        {"width": 0, "rgb": b""},
        {"width": -2, "height": -1},
        {"boxes": [0.0, 1.0, 2.0], "labels": []},
        {"labels": [1, 2]},
        {"box_count": 0},
        {"boxes": [0.0] * 4 * 201, "box_count": 201},
        {"image_width": 0},
    ],
    ids=str,
)
def test_a_picture_that_contradicts_itself_is_left_out_and_counted(contradiction: dict[str, object]) -> None:
    store = RunStore()
    store.apply(pictures(1, msgspec.structs.replace(SOUND, **contradiction), SOUND))
    assert (len(store.given), store.malformed) == (1, 1)


def test_more_pictures_than_a_message_may_hold_are_left_out_and_counted() -> None:
    store = RunStore()
    store.apply(pictures(1, *[SOUND] * 5))
    assert (len(store.given), store.malformed) == (3, 2)


def test_a_message_without_a_sound_picture_does_not_push_out_an_older_one() -> None:
    store = RunStore()
    store.apply(pictures(1, SOUND))
    for step in (2, 3):
        store.apply(pictures(step, msgspec.structs.replace(SOUND, rgb=b"")))
    assert [image.step for image in store.given] == [1]


def test_a_box_that_is_not_finite_is_kept_as_it_is() -> None:
    store = RunStore()
    store.apply(pictures(1, msgspec.structs.replace(SOUND, boxes=[math.nan, 0.0, math.inf, 1.0])))
    assert np.isnan(store.given[0].boxes[0, 0])


def test_images_with_bad_targets_come_first_and_stay_while_batches_go() -> None:
    store = RunStore()
    bad = msgspec.structs.replace(SOUND, index=9, what=["degenerate"], file="a.jpg")
    store.apply(pictures(1, bad))
    for step in (2, 3, 4):
        store.apply(pictures(step, SOUND))
    assert [(image.step, image.what, image.file) for image in store.given] == [
        (1, ("degenerate",), "a.jpg"), (4, (), ""), (3, (), ""),
    ]  # fmt: skip


def test_only_so_many_images_with_bad_targets_are_kept() -> None:
    store = RunStore()
    bad = msgspec.structs.replace(SOUND, what=["degenerate"])
    for step in range(40):
        store.apply(pictures(step, bad))
    assert [image.step for image in store.given] == list(range(39, 15, -1))
