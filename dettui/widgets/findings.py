"""The panel of findings: a heading that stays, and a list that scrolls to the selected one."""

from __future__ import annotations

from typing import NamedTuple

from textual.app import ComposeResult
from textual.widget import Widget

from dettui.domain.finding import Diagnosis
from dettui.widgets.finding_text import blocks, panel
from dettui.widgets.lines import LinesView
from dettui.widgets.text import Line, Span, crop, text_of


class _Shown(NamedTuple):
    """What the panel's lines were made of.  Without findings the panel tells of the whole diagnosis."""

    content: object
    selected: int
    width: int


class FindingsPanel(Widget):
    """Shows a diagnosis; renders again only where the findings, the selection or the width changed."""

    DEFAULT_CSS = """
    FindingsPanel { layout: vertical; }
    FindingsPanel > #findings-title { height: 1; }
    FindingsPanel > #findings-list { height: 1fr; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._shown: _Shown | None = None

    def compose(self) -> ComposeResult:
        """The heading over the list."""
        yield LinesView(id="findings-title", scrolls=False)
        yield LinesView(id="findings-list")

    def show(self, diagnosis: Diagnosis, selected: int, heading: str) -> None:
        """Show *diagnosis* with the finding at *selected* opened."""
        self.query_one("#findings-title", LinesView).show((_heading(heading, diagnosis, selected, self.size.width),))
        view = self.query_one("#findings-list", LinesView)
        width = view.columns
        now = _Shown(diagnosis.findings or diagnosis, selected, width)
        if now == self._shown:
            return
        was, self._shown = self._shown, now
        view.show(panel(diagnosis, selected, width))
        if diagnosis.findings and (was is None or was.selected != selected):
            _bring_into_sight(view, diagnosis, selected)


def _bring_into_sight(view: LinesView, diagnosis: Diagnosis, selected: int) -> None:
    heights = [len(block) for block in blocks(diagnosis.findings, selected, view.columns)]
    first = sum(heights[:selected])
    view.keep_visible(first, first + heights[selected] - 1)


def _heading(heading: str, diagnosis: Diagnosis, selected: int, width: int) -> Line:
    number = len(diagnosis.findings)
    said = f"{selected + 1} of {number}" if number else "none"
    line: Line = (Span(heading, "strong"), Span(f"  {said} ", "muted"))
    return crop((*line, Span("─" * max(0, width - len(text_of(line))), "rule")), width)
