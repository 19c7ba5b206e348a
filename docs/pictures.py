"""Draw the dashboard as a PNG, cell by cell, as a terminal would: for the README, and to be looked at.

    python docs/pictures.py RUN [RUN ...] --out picture.png [--size 200x50] [--light] [--no-colour] [--keys n,e]

Needs Pillow and a monospaced TrueType font; braille is drawn dot by dot, since few of those fonts hold it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from dettui.app import IDLE_FRAME_EVERY_S, DettuiApp
from dettui.engine import Engine
from dettui.feed.base import Arrival, Feed
from dettui.feed.opening import open_recording

FONTS = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono{}.ttf"
CELL_WIDTH, CELL_HEIGHT, POINTS = 10, 20, 16
BRAILLE = range(0x2800, 0x2900)
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of the dot that each bit of a braille character stands for."""

Rgb = tuple[int, int, int]
DARK: tuple[Rgb, Rgb] = ((215, 218, 224), (20, 22, 27))
LIGHT: tuple[Rgb, Rgb] = ((34, 37, 43), (251, 250, 247))


class Together:
    """Several recordings as one feed."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds

    def poll(self, wait_s: float) -> list[Arrival]:
        """What any of them has."""
        return [arrival for feed in self._feeds for arrival in feed.poll(wait_s)]

    def exhausted(self) -> bool:
        """True where all are."""
        return all(feed.exhausted() for feed in self._feeds)

    def close(self) -> None:
        """Close them all."""
        for feed in self._feeds:
            feed.close()


class Sheet:
    """The picture of a terminal."""

    def __init__(self, columns: int, rows: int, paper: tuple[Rgb, Rgb]) -> None:
        self._ink, self._paper = paper
        self.image = Image.new("RGB", (columns * CELL_WIDTH, rows * CELL_HEIGHT), self._paper)
        self._draw = ImageDraw.Draw(self.image)
        self._fonts = {
            bold: ImageFont.truetype(FONTS.format("-Bold" if bold else ""), POINTS) for bold in (False, True)
        }

    def row(self, y: int, segments: Iterable[Segment]) -> None:
        """Draw the segments of one row."""
        x = 0
        for text, style, _ in segments:
            for character in text:
                self._cell(x, y, character, style or Style.null())
                x += cell_len(character)

    def _cell(self, x: int, y: int, character: str, style: Style) -> None:
        ink, paper = _rgb(style.color, self._ink), _rgb(style.bgcolor, self._paper)
        if style.reverse:
            ink, paper = paper, ink
        if style.dim:
            ink = tuple((a + b) // 2 for a, b in zip(ink, paper, strict=True))  # type: ignore[assignment]
        left, top = x * CELL_WIDTH, y * CELL_HEIGHT
        width = cell_len(character) * CELL_WIDTH
        self._draw.rectangle((left, top, left + width - 1, top + CELL_HEIGHT - 1), fill=paper)
        if ord(character) in BRAILLE:
            self._dots(left, top, ord(character) - BRAILLE.start, ink)
        elif not character.isspace():
            self._draw.text((left, top), character, font=self._fonts[bool(style.bold)], fill=ink)

    def _dots(self, left: int, top: int, bits: int, ink: Rgb) -> None:
        for bit, (column, row) in enumerate(DOTS):
            if bits >> bit & 1:
                x, y = left + 1 + column * 5, top + 1 + row * 5
                self._draw.rectangle((x, y, x + 2, y + 2), fill=ink)


def _rgb(colour: Color | None, otherwise: Rgb) -> Rgb:
    return otherwise if colour is None or colour.is_default else tuple(colour.get_truecolor())  # type: ignore[return-value]


async def picture(
    app: DettuiApp, feed: Feed, size: tuple[int, int], keys: Sequence[str], paper: tuple[Rgb, Rgb]
) -> Image.Image:
    """The screen of *app* after *keys*, once it has shown all of *feed*."""
    async with app.run_test(size=size) as pilot:
        while not (feed.exhausted() and app.newest is not None and app.newest.runs):
            await pilot.pause(0.1)
        await pilot.pause(2 * IDLE_FRAME_EVERY_S)  # the frame that shows the end
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.5)
        sheet = Sheet(*size, paper)
        for y, strip in enumerate(app.screen._compositor.render_strips()):
            sheet.row(y, strip)
        return sheet.image


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="200x50")
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--no-colour", action="store_true")
    parser.add_argument("--keys", default="")
    asked = parser.parse_args()
    if asked.no_colour:
        os.environ["NO_COLOR"] = "1"
    columns, rows = map(int, asked.size.split("x"))
    feed = Together([open_recording(run) for run in asked.runs])
    app = DettuiApp(lambda: Engine(feed), close=feed.close, light=asked.light)
    keys = [key for key in asked.keys.split(",") if key]
    drawn = asyncio.run(picture(app, feed, (columns, rows), keys, LIGHT if asked.light else DARK))
    drawn.save(asked.out, optimize=True)


if __name__ == "__main__":
    main()
