"""What can be said of a place in an image against what surrounds it, from summed-area tables of strided images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from dettui_probe.capture.torchlib import Tensor, torch

MIN_SIDE_PX: Final = 2  # of a box in the strided image
RING: Final = 0.25  # of the side, on each side: the ring then has 1.25 times the area of the box
EXTRA: Final = 3  # planes beside the colours: squared grey, and the steps of grey along both axes
_FAINT: Final = 1e-2  # deviations of the image, below which differences are no texture

LEARNT_FROM: Final = 100  # comparisons, before the learner is asked
_RIDGE: Final = 0.05  # of a feature's variance: keeps the first answers from chasing noise
_WILD: Final = 4.0  # feature differences beyond are cut


class Scene(NamedTuple):
    """A strided image and its boxes."""

    pixels: Tensor  # (C, h, w) float32
    boxes: Tensor  # (n, 4), as shares of width and height
    are_corners: bool = True  # False where nobody knows the format of the boxes


class Album(NamedTuple):
    """Several scenes at once: some hundred small operations an image would cost more than the arithmetic."""

    summed: Tensor  # (C + EXTRA, total): summed-area tables, one behind the other
    start: Tensor  # (scenes,) of each table
    width: Tensor  # (scenes,) in pixels
    height: Tensor
    boxes: Tensor  # (n, 4) of all scenes
    scene: Tensor  # (n,) which one each box belongs to


def album_of(scenes: Sequence[Scene]) -> Album:
    """*scenes*, which have equally many channels."""
    tables = [_integral(scene.pixels) for scene in scenes]
    sizes = [table.shape[1] for table in tables]
    counts = torch.tensor([len(scene.boxes) for scene in scenes])
    return Album(
        torch.cat(tables, dim=1),
        torch.tensor([0, *accumulate(sizes)][:-1]),
        torch.tensor([scene.pixels.shape[2] for scene in scenes]),
        torch.tensor([scene.pixels.shape[1] for scene in scenes]),
        torch.cat([scene.boxes for scene in scenes]),
        torch.repeat_interleave(torch.arange(len(scenes)), counts),
    )


def contrast(album: Album, boxes: Tensor, where: Tensor) -> Tensor:
    """s(b) for each of *boxes* (n, 4; shares of width and height) on the scenes *where* (n,), shape (n,); NaN where a
    box or its ring is too small."""
    inside, around, usable = _inside_and_around(album, boxes, where)
    colours = len(inside) - EXTRA
    return torch.where(usable, (inside - around)[:colours].abs().sum(dim=0), torch.nan)


def features(album: Album, boxes: Tensor, where: Tensor) -> Tensor:
    """(n, k): brightness, colour, texture and edges of the places *boxes* on the scenes *where*, inside and against
    their rings; NaN where a box or its ring is too small."""
    inside, around, usable = _inside_and_around(album, boxes, where)
    colours = len(inside) - EXTRA
    grey, grey_around = inside[:colours].mean(dim=0), around[:colours].mean(dim=0)
    texture, texture_around = _log_deviation(inside[colours], grey), _log_deviation(around[colours], grey_around)
    steps, steps_around = (_log(plane[colours + 1 :].sum(dim=0)) for plane in (inside, around))
    told = [
        _log((inside - around)[:colours].abs().sum(dim=0)),
        grey - grey_around,
        texture - texture_around,
        steps - steps_around,
        _log(_edges(album, boxes, where)) - steps_around,
        grey,
        texture,
        *(inside[:colours] - grey if colours > 1 else ()),
    ]
    return torch.where(usable[:, None], torch.stack(told, dim=1), torch.nan)


class Learner:
    """Fisher's discriminant of differences between a box's own image and another one: where no feature tells them
    apart, it is right half of the time, because what it is asked of is not what it learnt from."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def judge(self, apart: Tensor) -> Tensor | None:
        """1 for each of the differences *apart* (n, k) that points to the own image, 1/2 where nothing is told; None
        before LEARNT_FROM of them were seen.  Then learns from them."""
        if not len(apart):
            return None
        if self._sum is not None and len(self._sum) != apart.shape[1]:  # another number of channels
            self._count, self._sum, self._products = 0, None, None
        cut = apart.double().clamp(-_WILD, _WILD)
        wins = None if self._count < LEARNT_FROM else _wins(cut @ self._direction())
        self._count += len(cut)
        self._sum = cut.sum(dim=0) if self._sum is None else self._sum + cut.sum(dim=0)
        self._products = cut.T @ cut if self._products is None else self._products + cut.T @ cut
        return wins

    def _direction(self) -> Tensor:
        assert self._sum is not None
        assert self._products is not None
        mean, second = self._sum / self._count, self._products / self._count
        ridge = torch.diag(_RIDGE * second.diagonal() + 1e-6)
        direction: Tensor = torch.linalg.solve(second + ridge, mean)
        return direction


def _wins(scores: Tensor) -> Tensor:
    return (scores > 0).double() + (scores == 0).double() / 2


def _log(value: Tensor) -> Tensor:
    return (value.clamp(min=0) + _FAINT).log()


def _log_deviation(mean_of_squares: Tensor, mean: Tensor) -> Tensor:
    return _log((mean_of_squares - mean * mean).clamp(min=0).sqrt())


def _integral(pixels: Tensor) -> Tensor:
    """Summed-area tables of the image in units of its deviation, shape (C + EXTRA, (h + 1) * (w + 1)): float64, or
    their differences would drown in rounding."""
    scaled = pixels.double()
    deviation, mean = torch.std_mean(scaled)
    scaled = (scaled - mean) / deviation if deviation > 0 else scaled - mean
    grey = scaled.mean(dim=0)
    pad = torch.nn.functional.pad
    across = pad((grey[:, 1:] - grey[:, :-1]).abs(), (1, 0))
    down = pad((grey[1:] - grey[:-1]).abs(), (0, 0, 1, 0))
    planes = torch.cat([scaled, torch.stack([grey * grey, across, down])])
    return pad(planes.cumsum(dim=1).cumsum(dim=2), (1, 0, 1, 0)).flatten(1)


def _inside_and_around(album: Album, boxes: Tensor, where: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means inside the boxes and of their rings, (planes, n) each; and which boxes, (n,), are large enough."""
    inside, area = _sums(album, boxes, where)
    grown, grown_area = _sums(album, _grown(boxes), where)
    ring = grown_area - area
    usable = (area >= MIN_SIDE_PX**2) & (ring >= MIN_SIDE_PX**2)
    return inside / area.clamp(min=1), (grown - inside) / ring.clamp(min=1), usable


def _grown(boxes: Tensor) -> Tensor:
    margin = (boxes[:, 2:] - boxes[:, :2]) * RING
    return torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], dim=1)


def _edges(album: Album, boxes: Tensor, where: Tensor) -> Tensor:
    """Mean step of grey across the borders of the boxes, (n,)."""
    x1, y1, x2, y2 = boxes.unbind(1)
    dx, dy = 1.5 / album.width[where], 1.5 / album.height[where]
    upright = [torch.stack([x - dx, y1, x + dx, y2], dim=1) for x in (x1, x2)]
    level = [torch.stack([x1, y - dy, x2, y + dy], dim=1) for y in (y1, y2)]
    sums, areas = _sums(album, torch.cat([*upright, *level]), where.repeat(4))
    across, down = sums[-2, : 2 * len(boxes)], sums[-1, 2 * len(boxes) :]
    steps = torch.cat([across, down]) / areas.clamp(min=1)
    return steps.view(4, -1).mean(dim=0)


def _sums(album: Album, boxes: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the pixels in each box, shape (planes, n), and how many pixels that are, shape (n,)."""
    size = torch.stack([album.width[where], album.height[where]], dim=1)
    corners = (boxes.nan_to_num().view(-1, 2, 2) * size[:, None]).round().long()
    (x1, y1), (x2, y2) = corners.clamp(min=0).minimum(size[:, None]).permute(1, 2, 0)
    start, row = album.start[where], album.width[where] + 1
    at = torch.stack([start + y2 * row + x2, start + y1 * row + x2, start + y2 * row + x1, start + y1 * row + x1])
    both, above, left, corner = album.summed[:, at].unbind(1)
    return both - above - left + corner, ((x2 - x1) * (y2 - y1)).clamp(min=0)
