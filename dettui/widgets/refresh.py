"""Send only the cells that changed: a correction of Textual's partial updates.

``ChopsUpdate.render_segments`` of Textual 8.2.8 crops a dirty span on its right only: it sends every changed row again
from the left edge of its widget.  For a chart that gains one column that is 5.4 KB a frame instead of 1.2 to 2.6 KB
(16 charts at 200x50), and over ssh bytes are the product.  `install` crops on both sides.
"""

from __future__ import annotations

import textual
from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate

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
    sequences: list[str] = []
    last_y = update.spans[-1][0]
    for y, first, end in update.spans:
        for chop_end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            left, right = max(x, first), min(chop_end, end)
            if strip is None or left >= right:
                continue
            shown = strip if (left, right) == (x, chop_end) else strip.crop(left - x, right - x)
            sequences += Control.move_to(left, y).segment.text, shown.render(console)
        if y != last_y:
            sequences.append("\n")
    return "".join(sequences)
