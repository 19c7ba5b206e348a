"""A picture with boxes, in half blocks: every cell shows two pixels, one above the other.

Boxes are drawn after the picture was scaled, so that their lines stay one pixel thin; what is flawed is dashed and
carries a "!", so that no reader depends on colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

Rgb: TypeAlias = "tuple[int, int, int]"
Pixels: TypeAlias = NDArray[np.uint8]


class Raster(Protocol):
    """What is drawn of a picture: of Pillow's images, and of arrays where Pillow is not installed."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        ...

    def resize(self, size: tuple[int, int], resample: int, *, reducing_gap: float) -> object:
        """RGB pixels at another size: something that ``numpy.asarray`` makes (height, width, 3) uint8 of."""
        ...


HALF_BLOCK: Final = "▀"
DASH: Final = 2
"""Pixels of a dash, and of the gap after it."""

IMAGE_LIGHT: Final = 0.72
"""The picture is dimmed a little: lines one pixel thin must stand out of it."""

MOST_OVERHANG: Final = 0.25
"""Of the side: so much around the picture is shown where boxes reach beyond it."""

COLOURS: Final[tuple[Rgb, ...]] = (
    (86, 180, 233), (230, 159, 0), (0, 200, 140), (240, 228, 66), (230, 120, 180), (255, 110, 60), (150, 150, 255),
    (160, 230, 90),
)  # fmt: skip
"""After Okabe and Ito, https://jfly.uni-koeln.de/color/, lightened for dimmed pictures."""

INK: Final[Rgb] = (10, 10, 12)


@dataclass(frozen=True)
class Mark:
    """One box: corners in pixels of the picture, the letter of its class, and whether something is wrong with it."""

    corners: tuple[float, float, float, float]
    letter: str
    colour: Rgb
    is_flawed: bool


class Frame(NamedTuple):
    """The stretch of the picture's plane that is shown: the picture, and what reaches beyond it."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """In pixels of the picture."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """In pixels of the picture."""
        return self.bottom - self.top


class Placed(NamedTuple):
    """How the frame lies on a canvas: its origin there, and canvas pixels for one pixel of the picture."""

    frame: Frame
    x: float
    y: float
    scale: float

    def across(self, x: float) -> float:
        """The column of the picture's *x*."""
        return self.x + (x - self.frame.left) * self.scale

    def down(self, y: float) -> float:
        """The row of the picture's *y*."""
        return self.y + (y - self.frame.top) * self.scale


class Chip(NamedTuple):
    """A few letters on a coloured ground, at a cell."""

    column: int
    row: int
    text: str
    colour: Rgb


def frame_of(size: tuple[int, int], marks: Iterable[Mark]) -> Frame:
    """The picture of *size*, and around it as much as boxes reach beyond it, a quarter of its side at most."""
    width, height = size
    corners = np.asarray([m.corners for m in marks if np.isfinite(m.corners).all()]).reshape(-1, 4)
    left, top = np.minimum(corners[:, :2].min(axis=0, initial=0.0), 0.0)
    right = max(corners[:, [0, 2]].max(initial=0.0), width)
    bottom = max(corners[:, [1, 3]].max(initial=0.0), height)
    over = MOST_OVERHANG
    return Frame(
        max(float(left), -over * width), max(float(top), -over * height),
        min(float(right), (1 + over) * width), min(float(bottom), (1 + over) * height),
    )  # fmt: skip


def place(frame: Frame, columns: int, rows: int) -> Placed:
    """*frame* as large as it fits on a canvas of *columns* x *rows* square pixels, in its middle."""
    scale = min(columns / frame.width, rows / frame.height)
    return Placed(frame, (columns - frame.width * scale) / 2, (rows - frame.height * scale) / 2, scale)


def half_blocks(image: Raster | None, marks: Sequence[Mark], size: Size, ground: Rgb) -> tuple[Pixels, list[Chip]]:
    """Pixels, (2 * height, width, 3), and chips for *size* cells that show *image* and *marks*; None for no image."""
    canvas = np.empty((2 * size.height, size.width, 3), np.uint8)
    canvas[:] = ground
    if image is None:
        return canvas, []
    placed = place(frame_of(image.size, marks), size.width, 2 * size.height)
    _paste(canvas, image, placed)
    chips: list[Chip] = []
    # The sound ones first: what is wrong lies on top.
    for mark in sorted(marks, key=lambda mark: mark.is_flawed):
        if np.isfinite(mark.corners).all():
            _outline(canvas, mark, placed)
    for mark in sorted(marks, key=lambda mark: not mark.is_flawed):
        if np.isfinite(mark.corners).all():
            chips += _chip(mark, placed, size, chips)
    return canvas, chips


def _paste(canvas: Pixels, image: Raster, placed: Placed) -> None:
    left, top = round(placed.across(0)), round(placed.down(0))
    width = max(1, min(round(image.size[0] * placed.scale), canvas.shape[1] - left))
    height = max(1, min(round(image.size[1] * placed.scale), canvas.shape[0] - top))
    small = np.asarray(image.resize((width, height), _BOX, reducing_gap=2.0))
    canvas[top : top + height, left : left + width] = (small * IMAGE_LIGHT).astype(np.uint8)


_BOX: Final = 4
"""PIL.Image.Resampling.BOX: the mean over a pixel's area, right for shrinking to so few pixels."""


def _outline(canvas: Pixels, mark: Mark, placed: Placed) -> None:
    """A line one pixel thin; dashed with dark gaps where the box is flawed."""
    rows, columns = canvas.shape[:2]
    x1, y1, x2, y2 = _grid(mark, placed)
    # Just off the canvas is off enough: a box a million pixels wide must not take its time.
    for x, y in _border(max(x1, -1), max(y1, -1), min(x2, columns), min(y2, rows)):
        if 0 <= x < columns and 0 <= y < rows:
            is_gap = mark.is_flawed and (x + y) // DASH % 2
            canvas[y, x] = INK if is_gap else mark.colour


def _grid(mark: Mark, placed: Placed) -> tuple[int, int, int, int]:
    """First and last column and row of the box, in order even where the box is inside out."""
    xs = sorted((placed.across(mark.corners[0]), placed.across(mark.corners[2])))
    ys = sorted((placed.down(mark.corners[1]), placed.down(mark.corners[3])))
    x1, y1 = int(np.floor(xs[0])), int(np.floor(ys[0]))
    return x1, y1, max(x1, int(np.ceil(xs[1])) - 1), max(y1, int(np.ceil(ys[1])) - 1)


def _border(x1: int, y1: int, x2: int, y2: int) -> Iterator[tuple[int, int]]:
    yield from ((x, y) for x in range(x1, x2 + 1) for y in {y1, y2})
    yield from ((x, y) for y in range(y1 + 1, y2) for x in {x1, x2})


def _chip(mark: Mark, placed: Placed, size: Size, taken: Sequence[Chip]) -> list[Chip]:
    """The letter of *mark* at its upper left corner, or further right where that is taken; none where all is."""
    x, y, *_ = _grid(mark, placed)
    text = f"!{mark.letter}" if mark.is_flawed else mark.letter
    row = min(max(y // 2, 0), size.height - 1)
    first = min(max(x, 0), max(0, size.width - len(text)))
    for column in range(first, min(first + 8, size.width - len(text) + 1)):
        if all(_is_apart(column, row, text, chip) for chip in taken):
            return [Chip(column, row, text, mark.colour)]
    return []


def _is_apart(column: int, row: int, text: str, chip: Chip) -> bool:
    return chip.row != row or column + len(text) <= chip.column or chip.column + len(chip.text) <= column


def strips(canvas: Pixels, chips: Sequence[Chip]) -> list[Strip]:
    """Rows of cells for the pixels of *canvas*, (2n, columns, 3), with *chips* over them."""
    return [_strip(canvas[2 * y], canvas[2 * y + 1], [c for c in chips if c.row == y]) for y in range(len(canvas) // 2)]


def _strip(upper: Pixels, lower: Pixels, chips: Sequence[Chip]) -> Strip:
    cells = [
        (HALF_BLOCK, _style((*above,), (*below,))) for above, below in zip(upper.tolist(), lower.tolist(), strict=True)
    ]
    for chip in chips:
        for offset, character in enumerate(chip.text):
            cells[chip.column + offset] = (character, _style(INK, chip.colour, True))
    runs = groupby(cells, key=lambda cell: cell[1])
    return Strip([Segment("".join(text for text, _ in run), style) for style, run in runs], len(cells))


@lru_cache(65_536)
def _style(ink: Rgb, ground: Rgb, bold: bool = False) -> Style:
    return Style(color=Color.from_rgb(*ink), bgcolor=Color.from_rgb(*ground), bold=bold)


class HalfBlockPicture(Widget, can_focus=False):
    """Shows a picture and its boxes in whatever room it has."""

    DEFAULT_CSS = "HalfBlockPicture { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._image: Raster | None = None
        self._marks: Sequence[Mark] = ()
        self._strips: list[Strip] = []

    def show(self, image: Raster | None, marks: Sequence[Mark]) -> None:
        """Show *image*, RGB, from now on; None for an empty ground."""
        self._image, self._marks = image, marks
        self._draw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()

    def notify_style_update(self) -> None:
        """Another theme has another ground."""
        super().notify_style_update()
        if self.is_attached:
            self._draw()

    def render_line(self, y: int) -> Strip:
        """The row *y*."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self) -> None:
        if self.size:
            _, ground = self.background_colors
            self._strips = strips(*half_blocks(self._image, self._marks, self.size, ground.rgb))
            self.refresh()
