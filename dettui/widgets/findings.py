"""The panel of findings: a heading that stays, and a list that scrolls to the selected one."""

from __future__ import annotations

from typing import NamedTuple

from textual.app import ComposeResult
from textual.geometry import Size
from textual.widget import Widget

from dettui.domain.finding import Diagnosis
from dettui.widgets.finding_text import NOTHING, Around, blocks, panel
from dettui.widgets.lines import LinesView
from dettui.widgets.text import Line, Span, crop, text_of


class _Shown(NamedTuple):
    """What the panel's lines were made of.  Without findings the panel tells of the whole diagnosis."""

    content: object
    selected: int
    room: Size
    around: Around


class FindingsPanel(Widget):
    """Shows a diagnosis; renders again only where the findings, the selection or the room changed."""

    DEFAULT_CSS = """
    FindingsPanel { layout: vertical; }
    FindingsPanel > #findings-title { height: 1; }
    FindingsPanel > #findings-list { height: 1fr; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._diagnosis = Diagnosis(0)
        self._selected = 0
        self._heading = ""
        self._around: Around = NOTHING
        self._shown: _Shown | None = None

    def compose(self) -> ComposeResult:
        """The heading over the list."""
        yield LinesView(id="findings-title", scrolls=False)
        yield LinesView(id="findings-list")

    def show(self, diagnosis: Diagnosis, selected: int, heading: str, around: Around = NOTHING) -> None:
        """Show *diagnosis* with the finding at *selected* opened, with what the words draw on from *around* it."""
        self._around = around
        self._diagnosis, self._selected, self._heading = diagnosis, selected, heading
        self._redraw()

    def on_resize(self) -> None:
        """Wrap again, once the list has its new size too."""
        self.call_after_refresh(self._redraw)

    def _redraw(self) -> None:
        heading = _heading(self._heading, self._diagnosis, self._selected, self.size.width)
        self.query_one("#findings-title", LinesView).show((heading,))
        view = self.query_one("#findings-list", LinesView)
        now = _Shown(self._diagnosis.findings or self._diagnosis, self._selected, view.size, self._around)
        if now == self._shown:
            return
        was, self._shown = self._shown, now
        view.show(panel(self._diagnosis, self._selected, view.columns, self._around))
        if was is None or was[1:3] != now[1:3]:
            self._bring_into_sight(view)

    def _blocks(self, view: LinesView) -> tuple[tuple[Line, ...], ...]:
        return blocks(self._diagnosis.findings, self._selected, view.columns, self._around)

    def _bring_into_sight(self, view: LinesView) -> None:
        heights = [len(block) for block in self._blocks(view)]
        if heights:
            first = sum(heights[: self._selected])
            view.keep_visible(first, first + heights[self._selected] - 1)


def _heading(heading: str, diagnosis: Diagnosis, selected: int, width: int) -> Line:
    number = len(diagnosis.findings)
    said = f"{selected + 1} of {number}" if number else "none"
    line: Line = (Span(heading, "strong"), Span(f"  {said} ", "muted"))
    return crop((*line, Span("─" * max(0, width - len(text_of(line))), "rule")), width)
