"""Pictures off the wire as values.  Anybody may have written them: one that contradicts itself is left out."""

from __future__ import annotations

from typing import Final

import numpy as np

from dettui.domain.given import GivenImage
from dettui_probe import wire

_MOST_PICTURES: Final = 3  # WIRE.md: of a message
_MOST_BOXES: Final = 200  # of a picture
_LARGEST_SIDE: Final = 96  # px, of a picture
_MOST_KINDS: Final = 16  # of faults of one image: more than there are
_LONGEST_NAME: Final = 300


def given_images(message: wire.Pictures) -> tuple[GivenImage, ...]:
    """The sound pictures of *message*, in their order."""
    return tuple(_given(message, picture) for picture in message.pictures[:_MOST_PICTURES] if _is_sound(picture))


def _is_sound(picture: wire.Picture) -> bool:
    sides = (picture.width, picture.height)
    boxes, rest = divmod(len(picture.boxes), 4)
    return (
        all(1 <= side <= _LARGEST_SIDE for side in sides)
        and len(picture.rgb) == 3 * picture.width * picture.height
        and rest == 0
        and len(picture.labels) <= boxes <= min(_MOST_BOXES, picture.box_count)
        and min(picture.image_width, picture.image_height) >= 1
    )


def _given(message: wire.Pictures, picture: wire.Picture) -> GivenImage:
    boxes = np.array(picture.boxes, dtype=np.float64).reshape(-1, 4)
    boxes.setflags(write=False)
    return GivenImage(
        step=message.step,
        time=message.time,
        index=picture.index,
        rgb=np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3),
        boxes=boxes,
        labels=tuple(picture.labels),
        box_count=picture.box_count,
        size=(picture.image_width, picture.image_height),
        value_range=(picture.low, picture.high),
        is_stretched=picture.scaled,
        what=tuple(picture.what[:_MOST_KINDS]),
        file=picture.file[:_LONGEST_NAME],
    )
