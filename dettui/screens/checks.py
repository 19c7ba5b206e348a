"""What was proved before the first step, and the targets that cannot be right."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.message import Message

from dettui.domain.check import Check
from dettui.domain.frame import Frame, RunFrame
from dettui.screens.base import DashboardScreen
from dettui.screens.images import ImagesAsked
from dettui.screens.keys import Where, bindings_of
from dettui.widgets.checks_text import NO_CHECKS, check_blocks, counted, failed_first, target_lines
from dettui.widgets.lines import LinesView
from dettui.widgets.run_text import header


@dataclass
class ChecksAsked(Message):
    """The checks of a run were asked for."""

    run: str


class ChecksScreen(DashboardScreen):
    """The pre-flight of one run: the selected check is open."""

    where: Where = "checks"
    BINDINGS = bindings_of("everywhere", "checks")

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run_id = run
        self.selected = ""  # name of a check: answers come one by one and change places

    def compose_body(self) -> ComposeResult:
        """The run's header over the list."""
        yield LinesView(id="header", scrolls=False)
        yield LinesView(id="page")

    @property
    def run_frame(self) -> RunFrame | None:
        """The run as of the frame being shown."""
        frame = self.showing.frame
        return next((r for r in frame.runs if r.info.id == self.run_id), None) if frame else None

    def draw(self, frame: Frame) -> None:
        """Show the checks as *frame* has them."""
        run = self.run_frame
        if run is None:
            return
        self.query_one("#header", LinesView).show(header(run, self.size.width))
        view, checks = self.query_one("#page", LinesView), failed_first(run.checks)
        head = counted(checks, view.columns) if checks else NO_CHECKS
        blocks = check_blocks(checks, self._index(checks), view.columns)
        rows = tuple(line for block in blocks for line in block)
        view.show((*head, *rows, *target_lines(run.bad_targets, view.columns)))

    def _index(self, checks: tuple[Check, ...]) -> int:
        """Where the selected check stands; the first one where none is selected."""
        names = [check.name for check in checks]
        if self.selected not in names:
            return 0
        return names.index(self.selected)

    def action_move(self, by: int) -> None:
        """Open the next or the previous check; beyond the last one, scroll on to what follows."""
        run = self.run_frame
        checks = failed_first(run.checks) if run else ()
        now = self._index(checks)
        if not 0 <= now + by < len(checks):
            self.action_scroll(by)
            return
        self.selected = checks[now + by].name
        self.redraw()
        self._bring_into_sight(checks, now + by)

    def action_scroll(self, by: int) -> None:
        """Scroll by *by* lines."""
        self.query_one("#page", LinesView).scroll_relative(y=by, animate=False)

    def action_images(self) -> None:
        """Open the images, those first whose targets cannot be right."""
        self.post_message(ImagesAsked(self.run_id))

    def action_back(self) -> None:
        """Back to the run."""
        self.dismiss()

    def _bring_into_sight(self, checks: tuple[Check, ...], index: int) -> None:
        view = self.query_one("#page", LinesView)
        heights = [len(block) for block in check_blocks(checks, index, view.columns)]
        first = len(counted(checks, view.columns)) + sum(heights[:index])
        view.keep_visible(first if index else 0, first + heights[index] - 1)
