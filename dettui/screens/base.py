"""What every screen of the dashboard does alike: takes frames, has a foot, and says when the terminal is too small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from dettui.domain.frame import Frame
from dettui.screens.keys import Where, keys_of
from dettui.screens.layout import SMALLEST
from dettui.widgets.lines import LinesView
from dettui.widgets.link_text import troubles
from dettui.widgets.text import Line, Span, crop, harmless, spread, width_of

NOTICE_ROWS = 3
"""At most: on 24 rows more would take the chart's axis away."""


@dataclass(frozen=True)
class Showing:
    """What a screen is to show: a frame, and how the display stands to the present."""

    frame: Frame | None = None
    paused: str = ""  # how far behind; "" where the display is live
    title: str = ""


class DashboardScreen(Screen[Any]):
    """A screen that draws frames.  Only the one in front draws; the others catch up when they come to the front."""

    AUTO_FOCUS = ""  # a key must never land in a text field by accident
    where: Where = "everywhere"

    def __init__(self) -> None:
        super().__init__()
        self.showing = Showing()

    def compose(self) -> ComposeResult:
        """The body of the screen, its foot, and the line for a terminal that is too small."""
        yield from self.compose_body()
        yield LinesView(id="notice", scrolls=False)
        yield LinesView(id="foot", scrolls=False)
        yield LinesView(id="too-small", scrolls=False)

    def compose_body(self) -> ComposeResult:
        """The widgets that make this screen what it is."""
        raise NotImplementedError

    def draw(self, frame: Frame) -> None:
        """Put *frame* on the screen."""
        raise NotImplementedError

    def receive(self, showing: Showing) -> None:
        """Take over what is to be shown."""
        self.showing = showing
        self.redraw()

    def redraw(self) -> None:
        """Draw what is to be shown now, if anybody can see it."""
        # is_current is also true for the screen right below, and what that one repaints costs the one in front a full
        # repaint; is_active means this one alone.
        if not (self.is_mounted and self.is_active):
            return
        self._draw_foot()
        if self.showing.frame is not None:
            self._draw_notices(self.showing.frame)
            self.draw(self.showing.frame)

    def on_screen_resume(self) -> None:
        """Catch up with what was received while another screen was in front."""
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        """Lay everything out again, or say that there is no room."""
        too_small = event.size.width < SMALLEST.width or event.size.height < SMALLEST.height
        self.set_class(too_small, "-too-small")
        need = f"terminal too small: needs {SMALLEST.width}x{SMALLEST.height}"
        have = f", has {event.size.width}x{event.size.height}"
        self.query_one("#too-small", LinesView).show((crop((Span(need, "strong"), Span(have)), event.size.width),))
        self.call_after_refresh(self.redraw)

    def _draw_foot(self) -> None:
        self.query_one("#foot", LinesView).show((foot(self.where, self.showing, self.size.width),))

    def _draw_notices(self, frame: Frame) -> None:
        lines = tuple(crop(line, self.size.width) for line in self.notices(frame))[:NOTICE_ROWS]
        view = self.query_one("#notice", LinesView)
        if len(lines) != len(view.lines):  # a layout costs a full repaint: only where it is needed
            view.styles.height = len(lines)
            view.display = bool(lines)
            # The body is fitted to its new room now: a finished run may send no other frame.
            self.call_after_refresh(self.redraw)
        view.show(lines)

    def notices(self, frame: Frame) -> Iterator[Line]:
        """What the reader should know beyond the curves, one line each."""
        yield from troubles(frame.links, frame.made_at)
        for notice in frame.notices:
            yield (Span("! ", "warning"), Span(harmless(notice)))


def foot(where: Where, showing: Showing, width: int) -> Line:
    """The keys that matter most here, as many as fit; a frozen display says so before anything else.

    The title comes last: it says no more than where the runs come from.
    """
    frozen = f" ‖ PAUSED, {showing.paused}; p goes on " if showing.paused else ""
    start: Line = (Span(frozen, "chosen"),) if frozen else ()
    keys: Line = (*start, *_hints(where, width - width_of(start) - 1))
    end: Line = (Span(harmless(showing.title), "muted"),)
    return spread(keys, end if width_of(keys) + width_of(end) < width else (), width)


@lru_cache(maxsize=64)
def _hints(where: Where, room: int) -> Line:
    return tuple(_fitting(where, room))


def _fitting(where: Where, room: int) -> Iterator[Span]:
    for key in (key for group in ("everywhere", where) for key in keys_of(group) if key.hint):
        spans = (Span(f" {key.shown.split()[0]}", "key"), Span(f" {key.hint} ", "muted"))
        room -= width_of(spans)
        if room < 0:
            return
        yield from spans
