"""The ranks of one job, side by side."""

from __future__ import annotations

from dettui.domain.frame import Frame, RunFrame
from dettui.screens.keys import Where, bindings_of
from dettui.screens.one_run import OneRunScreen
from dettui.widgets.lines import LinesView
from dettui.widgets.ranks_text import ranks_page


class RanksScreen(OneRunScreen):
    """What the ranks say of themselves and of each other."""

    where: Where = "ranks"
    BINDINGS = bindings_of("everywhere", "ranks")

    def draw_run(self, run: RunFrame, frame: Frame) -> None:
        """Show the ranks as *frame* has them."""
        view = self.query_one("#page", LinesView)
        view.show(tuple(ranks_page(run, view.columns)))
