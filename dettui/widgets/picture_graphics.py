"""The same picture in full resolution, for terminals with kitty's graphics or sixel.  textual-image speaks to them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from textual.app import ComposeResult
from textual.containers import Container

from dettui.widgets.picture import DASH, INK, Mark, Placed, Rgb, frame_of, place

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Point: TypeAlias = "tuple[float, float]"
Graphics: TypeAlias = Literal["kitty", "sixel"]

LINE_PX: Final = 3
LETTER_PX: Final = 16
DASH_PX: Final = 6 * DASH


def graphics_of_terminal() -> Graphics | None:
    """How the terminal takes pixels, None where it does not.  Asks it, so this must come before Textual reads keys."""
    if not sys.stdout.isatty() or not sys.stdin.isatty() or find_spec("textual_image") is None:
        return None
    from textual_image import renderable  # noqa: PLC0415 - asks the terminal when it is imported

    if renderable.Image is renderable.SixelImage:
        return "sixel"
    return "kitty" if renderable.Image is renderable.TGPImage else None


class GraphicsPicture(Container, can_focus=False):
    """Shows a picture and its boxes in whatever room it has, pixel by pixel."""

    DEFAULT_CSS = """
    GraphicsPicture { width: 1fr; height: 1fr; }
    GraphicsPicture > * { width: 100%; height: 100%; }
    """

    def __init__(self, graphics: Graphics, *, id: str) -> None:
        super().__init__(id=id)
        self._graphics = graphics
        self._pixels: Any = None  # a widget of textual-image, which is imported late
        self._image: Image | None = None
        self._marks: Sequence[Mark] = ()

    def compose(self) -> ComposeResult:
        """The widget that knows the terminal's protocol."""
        from textual_image.widget import SixelImage, TGPImage  # noqa: PLC0415 - only where the extra is installed

        self._pixels = SixelImage() if self._graphics == "sixel" else TGPImage()
        yield self._pixels

    def show(self, image: Image | None, marks: Sequence[Mark]) -> None:
        """Show *image*, RGB, from now on; None for an empty ground."""
        self._image, self._marks = image, marks
        self._draw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()

    def _draw(self) -> None:
        if not self.size or self._pixels is None:
            return
        from textual_image._terminal import get_cell_size  # noqa: PLC0415 - has no public name

        cell, (_, ground) = get_cell_size(), self.background_colors
        painted = None
        if self._image is not None:
            room = (self.size.width * cell.width, self.size.height * cell.height)
            painted = paint(self._image, self._marks, room, ground.rgb)
        self._pixels.image = painted


def paint(image: Image, marks: Sequence[Mark], room: tuple[int, int], ground: Rgb) -> Image:
    """*image* with *marks* in the middle of a new picture of *room* pixels."""
    from PIL import Image as images  # noqa: N813, PLC0415 - only where the extra is installed
    from PIL import ImageDraw, ImageFont  # noqa: PLC0415

    placed = place(frame_of(image.size, marks), *room)
    painted = images.new("RGB", room, ground)
    size = (max(1, round(image.width * placed.scale)), max(1, round(image.height * placed.scale)))
    painted.paste(image.resize(size, reducing_gap=2.0), (round(placed.across(0)), round(placed.down(0))))
    draw, font = ImageDraw.Draw(painted), ImageFont.load_default(LETTER_PX)
    for mark in sorted(marks, key=lambda mark: mark.is_flawed):
        if np.isfinite(mark.corners).all():
            _paint_mark(draw, mark, placed, font)
    return painted


def _paint_mark(draw: ImageDraw, mark: Mark, placed: Placed, font: object) -> None:
    width, height = draw.im.size
    xs = sorted(_near(placed.across(x), width) for x in mark.corners[::2])
    ys = sorted(_near(placed.down(y), height) for y in mark.corners[1::2])
    draw.rectangle((xs[0], ys[0], xs[1], ys[1]), outline=mark.colour, width=LINE_PX)
    if mark.is_flawed:
        for first, last in _gaps(xs[0], ys[0], xs[1], ys[1]):
            draw.line((first, last), fill=INK, width=LINE_PX)
    text = f"!{mark.letter}" if mark.is_flawed else mark.letter
    chip = draw.textbbox((xs[0] + 2, ys[0] + 1), text, font=font)  # type: ignore[arg-type]
    draw.rectangle((chip[0] - 2, chip[1] - 2, chip[2] + 2, chip[3] + 2), fill=mark.colour)
    draw.text((xs[0] + 2, ys[0] + 1), text, fill=INK, font=font)  # type: ignore[arg-type]


def _near(coordinate: float, side: int) -> float:
    """*coordinate*, no further off the canvas than its line is wide: a box a million pixels wide takes its time."""
    return min(max(coordinate, -LINE_PX), side + LINE_PX)


def _gaps(x1: float, y1: float, x2: float, y2: float) -> Iterator[tuple[Point, Point]]:
    """The dark gaps between dashes along the four sides."""
    for start in np.arange(x1, x2, 2 * DASH_PX).tolist():
        end = min(start + DASH_PX, x2)
        yield (start, y1), (end, y1)
        yield (start, y2), (end, y2)
    for start in np.arange(y1, y2, 2 * DASH_PX).tolist():
        end = min(start + DASH_PX, y2)
        yield (x1, start), (x1, end)
        yield (x2, start), (x2, end)
