"""What the screens of one run do alike: they know their run, and stand under its header."""

from __future__ import annotations

from textual.app import ComposeResult

from dettui.domain.frame import Frame, RunFrame
from dettui.screens.base import DashboardScreen
from dettui.widgets.lines import LinesView
from dettui.widgets.run_text import header


class OneRunScreen(DashboardScreen):
    """A screen about the run with the id *run*."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run_id = run

    def compose_body(self) -> ComposeResult:
        """The run's header over the page."""
        yield LinesView(id="header", scrolls=False)
        yield from self.compose_page()

    def compose_page(self) -> ComposeResult:
        """What stands under the header: a text that scrolls."""
        yield LinesView(id="page")

    @property
    def run_frame(self) -> RunFrame | None:
        """The run as of the frame being shown."""
        frame = self.showing.frame
        return next((r for r in frame.runs if r.info.id == self.run_id), None) if frame else None

    def draw(self, frame: Frame) -> None:
        """Show the run as *frame* has it; one that is gone stays as it was last seen."""
        run = self.run_frame
        if run is not None:
            self.query_one("#header", LinesView).show(header(run, self.size.width))
            self.draw_run(run, frame)

    def draw_run(self, run: RunFrame, frame: Frame) -> None:
        """Put *run* under its header."""
        raise NotImplementedError

    def action_scroll(self, by: int) -> None:
        """Scroll the text by *by* lines."""
        self.query_one("#page", LinesView).scroll_relative(y=by, animate=False)

    def action_back(self) -> None:
        """Back to where this screen was opened."""
        self.dismiss()
