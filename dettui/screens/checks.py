"""What was proved before the first step, and the targets that cannot be right."""

from __future__ import annotations

from dettui.domain.check import Check
from dettui.domain.frame import Frame, RunFrame
from dettui.screens.asked import ImagesAsked
from dettui.screens.keys import Where, bindings_of
from dettui.screens.one_run import OneRunScreen
from dettui.widgets.checks_text import NO_CHECKS, check_blocks, counted, failed_first, target_lines
from dettui.widgets.lines import LinesView


class ChecksScreen(OneRunScreen):
    """The pre-flight of one run: the selected check is open."""

    where: Where = "checks"
    BINDINGS = bindings_of("everywhere", "checks")

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.selected = ""  # name of a check: answers come one by one and change places

    def draw_run(self, run: RunFrame, frame: Frame) -> None:
        """Show the checks as *frame* has them."""
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

    def action_images(self) -> None:
        """Open the images, those first whose targets cannot be right."""
        self.post_message(ImagesAsked(self.run_id))

    def _bring_into_sight(self, checks: tuple[Check, ...], index: int) -> None:
        view = self.query_one("#page", LinesView)
        heights = [len(block) for block in check_blocks(checks, index, view.columns)]
        first = len(counted(checks, view.columns)) + sum(heights[:index])
        view.keep_visible(first if index else 0, first + heights[index] - 1)
