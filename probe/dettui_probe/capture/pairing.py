"""Do the boxes describe the pixels?  (catalogue row A17, on the writer thread)

An object differs from what surrounds it.  s(b) = |mean inside b - mean of a ring around b|, summed over channels, is
therefore larger at the right place than at a wrong one.  Each box is compared with the same box on the next image
and with its mirrors.  Boxes of other images win about half of these; boxes left behind by a flip (p = 1/2) beat other
images but not that mirror; boxes that fit beat all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from dettui_probe import tags
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.torchlib import Tensor, torch

MAX_OVERLAP: Final = 0.3  # IoU with an annotated box from which on a wrong place is too right to compare with
MIN_SIDE_PX: Final = 2  # of a box in the strided image
RING: Final = 0.25  # of the side, on each side: the ring then has 1.25 times the area of the box


class Scene(NamedTuple):
    """A strided image and its boxes."""

    pixels: Tensor  # (C, h, w) float32
    boxes: Tensor  # (n, 4), as shares of width and height


class _Place(NamedTuple):
    """A scene whose pixels are summed up."""

    summed: Tensor  # as _integral makes it
    boxes: Tensor


class Pairing:
    """Compares the boxes of sampled images with other places, and counts where they win."""

    def __init__(self) -> None:
        self._previous: _Place | None = None  # so that batches of one image have another to compare with

    def compare(self, sheet: Sheet, scenes: Sequence[Scene]) -> None:
        """Adds the comparisons of *scenes* to the values of *sheet*."""
        summed = [_Place(_integral(scene.pixels), scene.boxes) for scene in scenes if len(scene.boxes)]
        places = [place for place in summed if bool(torch.isfinite(place.summed[:, -1, -1]).all())]
        if not places:
            return
        others = [*places[1:], self._previous or places[0]]
        self._previous = places[0]
        for place, other in zip(places, others, strict=True):
            if other is not place:
                _count(sheet, place, other)


def _count(sheet: Sheet, scene: _Place, other: _Place) -> None:
    mirrors = (_mirrored(scene.boxes, 0), _mirrored(scene.boxes, 1))
    apart = _is_apart(scene.boxes, other.boxes)
    for mirror in mirrors:
        apart &= _is_apart(mirror, scene.boxes)
    boxes = scene.boxes[apart]
    own = _contrast(scene.summed, boxes)
    rivals = [_contrast(other.summed, boxes), *(_contrast(scene.summed, mirror[apart]) for mirror in mirrors)]
    comparable = torch.isfinite(torch.stack([own, *rivals])).all(dim=0)
    _add(sheet, tags.PAIRING_BOXES, float(comparable.sum()))
    for tag, rival in zip(_BEATS, rivals, strict=True):
        wins = (own > rival).double() + (own == rival).double() / 2
        _add(sheet, tag, float(wins[comparable].sum()))


_BEATS: Final = (tags.PAIRING_BEATS_OTHER, tags.PAIRING_BEATS_HFLIP, tags.PAIRING_BEATS_VFLIP)


def _add(sheet: Sheet, tag: str, amount: float) -> None:
    sheet.values[tag] = sheet.values.get(tag, 0.0) + amount


def _mirrored(boxes: Tensor, axis: int) -> Tensor:
    """*boxes* mirrored left to right (axis 0) or upside down (axis 1)."""
    mirrored = boxes.clone()
    mirrored[:, axis], mirrored[:, axis + 2] = 1 - boxes[:, axis + 2], 1 - boxes[:, axis]
    return mirrored


def _is_apart(places: Tensor, boxes: Tensor) -> Tensor:
    """Which *places* (n, 4) overlap none of *boxes* (m, 4) by more than MAX_OVERLAP; shape (n,)."""
    low = torch.maximum(places[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(places[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    union = _areas(places)[:, None] + _areas(boxes)[None, :] - shared
    return (shared <= MAX_OVERLAP * union).all(dim=1)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)


def _integral(pixels: Tensor) -> Tensor:
    """Summed-area table, shape (C, h + 1, w + 1): float64, or its differences would drown in rounding."""
    sums = pixels.double().cumsum(dim=1).cumsum(dim=2)
    return torch.nn.functional.pad(sums, (1, 0, 1, 0))


def _contrast(summed: Tensor, boxes: Tensor) -> Tensor:
    """s(b) for each of *boxes* (n, 4; shares of width and height), shape (n,); NaN where a box or ring is too small."""
    grown = _grown(boxes)
    inside, inside_area = _sums(summed, boxes)
    around, around_area = _sums(summed, grown)
    ring_area = around_area - inside_area
    contrast = (inside / inside_area - (around - inside) / ring_area).abs().sum(dim=0)
    usable = (inside_area >= MIN_SIDE_PX**2) & (ring_area >= MIN_SIDE_PX**2)
    return torch.where(usable, contrast, torch.nan)


def _grown(boxes: Tensor) -> Tensor:
    margin = (boxes[:, 2:] - boxes[:, :2]) * RING
    return torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], dim=1)


def _sums(summed: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the pixels in each box, shape (C, n), and how many pixels that are, shape (n,)."""
    height, width = summed.shape[1] - 1, summed.shape[2] - 1
    corners = boxes.nan_to_num() * torch.tensor([width, height, width, height])
    x1, x2 = (corners[:, i].round().clamp(0, width).long() for i in (0, 2))
    y1, y2 = (corners[:, i].round().clamp(0, height).long() for i in (1, 3))
    total = summed[:, y2, x2] - summed[:, y1, x2] - summed[:, y2, x1] + summed[:, y1, x1]
    return total, ((x2 - x1) * (y2 - y1)).clamp(min=0)
