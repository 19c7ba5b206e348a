"""The ranks of one job, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.message import Message

from dettui.domain.frame import Frame, RunFrame
from dettui.screens.base import DashboardScreen
from dettui.screens.keys import Where, bindings_of
from dettui.widgets.lines import LinesView
from dettui.widgets.ranks_text import ranks_page
from dettui.widgets.run_text import header


@dataclass
class RanksAsked(Message):
    """The ranks of a run were asked for."""

    run: str


class RanksScreen(DashboardScreen):
    """What the ranks say of themselves and of each other."""

    where: Where = "ranks"
    BINDINGS = bindings_of("everywhere", "ranks")

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run_id = run

    def compose_body(self) -> ComposeResult:
        """The run's header over the page."""
        yield LinesView(id="header", scrolls=False)
        yield LinesView(id="page")

    @property
    def run_frame(self) -> RunFrame | None:
        """The run as of the frame being shown."""
        frame = self.showing.frame
        return next((r for r in frame.runs if r.info.id == self.run_id), None) if frame else None

    def draw(self, frame: Frame) -> None:
        """Show the ranks as *frame* has them."""
        run = self.run_frame
        if run is not None:
            self.query_one("#header", LinesView).show(header(run, self.size.width))
            view = self.query_one("#page", LinesView)
            view.show(tuple(ranks_page(run, view.columns)))

    def action_scroll(self, by: int) -> None:
        """Scroll by *by* lines."""
        self.query_one("#page", LinesView).scroll_relative(y=by, animate=False)

    def action_back(self) -> None:
        """Back to the run."""
        self.dismiss()
