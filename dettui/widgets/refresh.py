"""Send only the cells that changed: a correction of Textual's partial updates.

``ChopsUpdate.render_segments`` of Textual 8.2.8 crops a dirty span on its right only: it sends every changed row again
from the left edge of its widget.  For a chart that gains one column that is 5.4 KB a frame instead of 1.2 to 2.6 KB
(16 charts at 200x50), and over ssh bytes are the product.  `install` crops on both sides, and repeats a colour only
where it changes: a span of two cells costs 2 to 6 bytes, its 24-bit colours 41.
"""

from __future__ import annotations

from functools import lru_cache

import textual
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

CORRECTED_VERSIONS = frozenset({"8.2.8"})
"""Versions in which the fault was seen.  Any other is left as it is: it then sends more bytes, and nothing wrong."""


def install() -> bool:
    """Correct the installed Textual; False where its version is not one of those known to need it."""
    if textual.__version__ not in CORRECTED_VERSIONS:
        return False
    ChopsUpdate.render_segments = render_segments  # type: ignore[method-assign, assignment]
    return True


def render_segments(update: ChopsUpdate, console: Console) -> str:
    """The terminal sequences for the spans of *update* and for nothing beside them."""
    pen = _Pen(console._color_system or ColorSystem.TRUECOLOR)
    for y, first, end in update.spans:
        for chop_end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            left, right = max(x, first), min(chop_end, end)
            if strip is not None and left < right:
                pen.move(left, y)
                pen.write(strip if (left, right) == (x, chop_end) else strip.crop(left - x, right - x))
    return pen.lift()


class _Pen:
    """Writes strips one after the other, changing colours only where they differ."""

    def __init__(self, colours: ColorSystem) -> None:
        self._colours = colours
        self._sequences: list[str] = []
        self._style: Style | None = None
        self._close = ""

    def move(self, x: int, y: int) -> None:
        """Go to column *x* of row *y*."""
        self._sequences.append(Control.move_to(x, y).segment.text)

    def write(self, strip: Strip) -> None:
        """Write *strip* where the pen is."""
        for text, style, _ in strip:
            if style != self._style:
                self._take(style)
            self._sequences.append(text)

    def lift(self) -> str:
        """Everything written, and the colours of the terminal left as they were found."""
        self._take(None)
        return "".join(self._sequences)

    def _take(self, style: Style | None) -> None:
        opening, closing = _around(style, self._colours) if style is not None else ("", "")
        self._sequences += self._close, opening
        self._style, self._close = style, closing


@lru_cache(maxsize=1024)
def _around(style: Style, colours: ColorSystem) -> tuple[str, str]:
    """What stands before and after a text of *style*."""
    opening, _, closing = Strip.render_style(style, "\0", colours).partition("\0")
    return opening, closing
