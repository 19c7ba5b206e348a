"""The pictures that people see of a run: now and then a few sampled images, with the boxes and class ids given with
them.  All work is the writer thread's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from dettui_probe import wire
from dettui_probe.capture.boxes import shares_of_image
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.contract import Contract

EVERY_S: Final = 300.0
"""Between two messages of some 85 KB at most: 24 MB a day of the log, and what people see is never old."""

MOST_PICTURES: Final = 3  # of a message: far below a frame's largest payload
MOST_BOXES: Final = 200  # of a picture: more cannot be told apart in a terminal
_SLACK: Final = 1e-3  # an interpolated pixel may leave [0, 1] by a rounding
_LARGEST_ID: Final = 2**31 - 1


class Shot(NamedTuple):
    """One sampled image with everything that was given with it."""

    number: int  # in its batch, from 0
    image: Tensor  # (C, H, W), strided
    size: tuple[int, int]  # (height, width) before the stride
    boxes: Tensor | None  # (n, 4) as given
    labels: Tensor | None  # (m,)
    is_bytes: bool  # 0 .. 255 stands for 0 .. 1


class Gallery:
    """Decides when people are shown images, and shows them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due_at = -math.inf  # written by the writer thread alone

    @property
    def is_due(self) -> bool:
        """True before the first message, and once EVERY_S have passed since the last one."""
        return self._clock() >= self._due_at

    def show(self, sheet: Sheet, shots: Sequence[Shot], contract: Contract) -> None:
        """Send *shots*, unless steps taken before the last message arrived asked for the same."""
        if self.is_due:
            pictures = [picture_of(shot, contract) for shot in shots[:MOST_PICTURES]]
            sheet.messages.append(wire.Pictures(sheet.step, sheet.time, pictures))
            self._due_at = self._clock() + EVERY_S


def picture_of(shot: Shot, contract: Contract, *, what: Sequence[str] = (), file: str = "") -> wire.Picture:
    """*shot* made small.  *what*: that cannot be right about its targets, as in the tags "targets/<what>"."""
    height, width = shot.image.shape[-2:]
    image_height, image_width = shot.size
    rgb, low, high, scaled = _rgb(shot.image.float(), shot.is_bytes)
    boxes = _corners_in_picture(shot, contract)[:MOST_BOXES]
    return wire.Picture(
        index=shot.number,
        width=width,
        height=height,
        rgb=rgb,
        boxes=boxes.reshape(-1).tolist(),
        labels=_class_ids(shot.labels)[: len(boxes)],
        box_count=0 if shot.boxes is None else len(shot.boxes),
        image_width=image_width,
        image_height=image_height,
        low=low,
        high=high,
        scaled=scaled,
        what=list(what),
        file=file,
    )


def _rgb(image: Tensor, is_bytes: bool) -> tuple[bytes, float, float, bool]:
    """The bytes of *image* (C, H, W), its range, and whether that had to be stretched.  What is not finite is black."""
    is_finite = torch.isfinite(image)
    finite = image[is_finite]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    scaled = not is_bytes and (low < -_SLACK or high > 1.0 + _SLACK)
    black, white = (low, max(high, low + 1e-12)) if scaled else (0.0, 255.0 if is_bytes else 1.0)
    shown = torch.where(is_finite, (image - black) / (white - black), 0.0)
    three = shown[:3] if len(shown) >= 3 else shown[:1].expand(3, -1, -1)
    pixels = (three * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).reshape(-1)
    return bytes(pixels.tolist()), low, high, scaled


def _corners_in_picture(shot: Shot, contract: Contract) -> Tensor:
    """(n, 4): the boxes as the head reads them (as corners in pixels where that is unknown), in picture pixels."""
    if shot.boxes is None:
        return torch.zeros((0, 4))
    height, width = shot.image.shape[-2:]
    return shares_of_image(shot.boxes, shot.size, contract) * torch.tensor([width, height] * 2)


def _class_ids(labels: Tensor | None) -> list[int]:
    if labels is None:
        return []
    known = torch.nan_to_num(labels.double(), nan=-1.0).clamp(-_LARGEST_ID, _LARGEST_ID)
    ids: list[int] = known.long().tolist()
    return ids
