"""Do the boxes describe the pixels?  (catalogue row A17, on the writer thread)

An object differs from what surrounds it.  s(b) = |mean inside b - mean of a ring around b|, summed over channels and
divided by the image's deviation, is therefore larger at the right place than at a wrong one.

Each place is compared on two images: the box's own and the next one.  The law of where objects lie cancels out, so
that a place which has nothing to do with either image wins half of the time, whatever the texture.  Boxes that fit
win nearly always at their own place and half of the time at their mirrors.  Boxes left behind by a flip win at that
mirror too (p = 1/2: about three in four, at both places).  Boxes of other images win half of the time everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
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


class _Album(NamedTuple):
    """Several scenes at once: some hundred small operations an image would cost more than the arithmetic."""

    summed: Tensor  # (C, total): summed-area tables, one behind the other
    start: Tensor  # (scenes,) of each table
    width: Tensor  # (scenes,) in pixels
    height: Tensor
    boxes: Tensor  # (n, 4) of all scenes
    scene: Tensor  # (n,) which one each box belongs to


class Pairing:
    """Compares the boxes of sampled images with other places, and counts where they win."""

    def __init__(self) -> None:
        self._previous: Scene | None = None  # so that batches of one image have another to compare with

    def compare(self, sheet: Sheet, scenes: Sequence[Scene]) -> None:
        """Adds the comparisons of *scenes* to the values of *sheet*.  The last one is compared with the scene kept
        from the call before."""
        usable = [scene for scene in scenes if len(scene.boxes) and bool(torch.isfinite(scene.pixels.sum()))]
        if not usable:
            return
        kept, self._previous = self._previous, usable[0]
        shown = usable if kept is None else [*usable, kept]
        alike = [scene for scene in shown if scene.pixels.shape[0] == usable[0].pixels.shape[0]]
        if len(alike) > 1:
            _count(sheet, _album(alike))


def _album(scenes: Sequence[Scene]) -> _Album:
    tables = [_integral(scene.pixels) for scene in scenes]
    sizes = [table.shape[1] for table in tables]
    counts = torch.tensor([len(scene.boxes) for scene in scenes])
    return _Album(
        torch.cat(tables, dim=1),
        torch.tensor([0, *accumulate(sizes)][:-1]),
        torch.tensor([scene.pixels.shape[2] for scene in scenes]),
        torch.tensor([scene.pixels.shape[1] for scene in scenes]),
        torch.cat([scene.boxes for scene in scenes]),
        torch.repeat_interleave(torch.arange(len(scenes)), counts),
    )


def _count(sheet: Sheet, album: _Album) -> None:
    """Compare places of the boxes of every scene but the last: on their own scene and on the following one."""
    asking = album.scene < len(album.width) - 1
    boxes, scene = album.boxes[asking], album.scene[asking]
    for places, compared_tag, wins_tag in (
        (boxes, tags.PAIRING_BOXES, tags.PAIRING_BEATS_OTHER),
        (_mirrored(boxes, 0), tags.PAIRING_HFLIP_BOXES, tags.PAIRING_HFLIP_FITS),
        (_mirrored(boxes, 1), tags.PAIRING_VFLIP_BOXES, tags.PAIRING_VFLIP_FITS),
    ):
        fair = _is_apart(album, places, scene + 1)
        if places is not boxes:
            fair &= _is_apart(album, places, scene)
        here = _contrast(album, places[fair], scene[fair])
        there = _contrast(album, places[fair], scene[fair] + 1)
        comparable = torch.isfinite(here) & torch.isfinite(there)
        wins = (here > there).double() + (here == there).double() / 2
        _add(sheet, compared_tag, float(comparable.sum()))
        _add(sheet, wins_tag, float(wins[comparable].sum()))


def _add(sheet: Sheet, tag: str, amount: float) -> None:
    sheet.values[tag] = sheet.values.get(tag, 0.0) + amount


def _mirrored(boxes: Tensor, axis: int) -> Tensor:
    """*boxes* mirrored left to right (axis 0) or upside down (axis 1)."""
    mirrored = boxes.clone()
    mirrored[:, axis], mirrored[:, axis + 2] = 1 - boxes[:, axis + 2], 1 - boxes[:, axis]
    return mirrored


def _is_apart(album: _Album, places: Tensor, where: Tensor) -> Tensor:
    """Which *places* (n, 4) of the scenes *where* (n,) overlap no box there by more than MAX_OVERLAP; shape (n,)."""
    low = torch.maximum(places[:, None, :2], album.boxes[None, :, :2])
    high = torch.minimum(places[:, None, 2:], album.boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    union = _areas(places)[:, None] + _areas(album.boxes)[None, :] - shared
    elsewhere = where[:, None] != album.scene[None, :]
    return (elsewhere | (shared <= MAX_OVERLAP * union)).all(dim=1)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)


def _integral(pixels: Tensor) -> Tensor:
    """Summed-area table of the image in units of its deviation, shape (C, (h + 1) * (w + 1)): float64, or its
    differences would drown in rounding."""
    scaled = pixels.double()
    deviation = scaled.std()
    sums = (scaled / deviation if deviation > 0 else scaled).cumsum(dim=1).cumsum(dim=2)
    return torch.nn.functional.pad(sums, (1, 0, 1, 0)).flatten(1)


def _contrast(album: _Album, boxes: Tensor, where: Tensor) -> Tensor:
    """s(b) for each of *boxes* (n, 4; shares of width and height) on the scenes *where* (n,), shape (n,); NaN where a
    box or its ring is too small."""
    inside, inside_area = _sums(album, boxes, where)
    around, around_area = _sums(album, _grown(boxes), where)
    ring_area = around_area - inside_area
    contrast = (inside / inside_area - (around - inside) / ring_area).abs().sum(dim=0)
    usable = (inside_area >= MIN_SIDE_PX**2) & (ring_area >= MIN_SIDE_PX**2)
    return torch.where(usable, contrast, torch.nan)


def _grown(boxes: Tensor) -> Tensor:
    margin = (boxes[:, 2:] - boxes[:, :2]) * RING
    return torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], dim=1)


def _sums(album: _Album, boxes: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the pixels in each box, shape (C, n), and how many pixels that are, shape (n,)."""
    size = torch.stack([album.width[where], album.height[where]], dim=1)
    corners = (boxes.nan_to_num().view(-1, 2, 2) * size[:, None]).round().long()
    (x1, y1), (x2, y2) = corners.clamp(min=0).minimum(size[:, None]).permute(1, 2, 0)
    start, row = album.start[where], album.width[where] + 1
    at = torch.stack([start + y2 * row + x2, start + y1 * row + x2, start + y2 * row + x1, start + y1 * row + x1])
    both, above, left, corner = album.summed[:, at].unbind(1)
    return both - above - left + corner, ((x2 - x1) * (y2 - y1)).clamp(min=0)
