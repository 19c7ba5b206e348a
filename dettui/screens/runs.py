"""The list of runs, worst first: who is stuck, who is hung, who is done, in one look."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input

from dettui.domain.frame import Frame, RunFrame
from dettui.screens.base import DashboardScreen
from dettui.screens.keys import Where, bindings_of
from dettui.widgets.lines import LinesView
from dettui.widgets.runs_text import EMPTY, Sparks, column_heads, none_matches, rows, rows_per_run
from dettui.widgets.text import BLANK, Line
from dettui.widgets.words import state_of


@dataclass
class RunChosen(Message):
    """A run was opened."""

    run: str


class RunsScreen(DashboardScreen):
    """All runs in a table.  The cursor stays with its run when the order changes."""

    where: Where = "runs"
    BINDINGS = bindings_of("everywhere", "runs")

    def __init__(self) -> None:
        super().__init__()
        self.selected: str | None = None
        self.filter_text = ""
        self._sparks = Sparks()

    def compose_body(self) -> ComposeResult:
        """Heads, rows, and the field of the filter, which shows itself on demand."""
        yield LinesView(id="heads", scrolls=False)
        yield LinesView(id="rows")
        yield Input(placeholder="text in name, host or state; enter keeps it, esc drops it", id="filter", compact=True)

    def on_mount(self) -> None:
        """Start without the filter's field, and teach until a run is there."""
        self.query_one("#filter").display = False
        self.query_one("#rows", LinesView).show(EMPTY)

    @property
    def listed(self) -> tuple[RunFrame, ...]:
        """The runs that pass the filter, in the engine's order."""
        frame = self.showing.frame
        return tuple(run for run in frame.runs if matches(run, self.filter_text)) if frame else ()

    def draw(self, frame: Frame) -> None:
        """Show the rows of *frame*."""
        view, listed = self.query_one("#rows", LinesView), self.listed
        ids = [run.info.id for run in listed]
        if self.selected not in ids:
            self.selected = ids[0] if ids else None
        self.query_one("#heads", LinesView).show(self._heads(frame))
        view.show(self._rows(frame, listed, view.columns))
        if self.selected is not None:
            per_run = rows_per_run(view.columns)
            first = ids.index(self.selected) * per_run
            view.keep_visible(first, first + per_run - 1)

    def _heads(self, frame: Frame) -> tuple[Line, ...]:
        return (column_heads(self.query_one("#rows", LinesView).columns) if frame.runs else BLANK,)

    def _rows(self, frame: Frame, listed: tuple[RunFrame, ...], width: int) -> tuple[Line, ...]:
        if not frame.runs:
            return EMPTY
        return rows(listed, self.selected, width, self._sparks) if listed else none_matches(self.filter_text)

    def action_move(self, by: int) -> None:
        """Move the cursor by *by* runs."""
        ids = [run.info.id for run in self.listed]
        if self.selected in ids:
            self.selected = ids[min(max(ids.index(self.selected) + by, 0), len(ids) - 1)]
            self.redraw()

    def action_move_to_end(self, direction: int) -> None:
        """Move the cursor to the first or the last run."""
        self.action_move(direction * len(self.listed))

    def action_open(self) -> None:
        """Open the run under the cursor."""
        if self.selected is not None:
            self.post_message(RunChosen(self.selected))

    def action_filter(self) -> None:
        """Ask for the text to filter by."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_clear_filter(self) -> None:
        """Show all runs again."""
        self.query_one("#filter", Input).value = ""
        self._leave_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the text is being typed."""
        self.filter_text = event.value.strip()
        self.redraw()

    def on_input_submitted(self) -> None:
        """Keep the filter; its field stays in sight, so that hidden runs are never a riddle."""
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.set_focus(None)
        self.query_one("#filter").display = bool(self.filter_text)


def matches(run: RunFrame, text: str) -> bool:
    """True where the name, the host or the state of *run* holds *text*, whatever its case."""
    words = f"{run.info.name} {run.info.host} {state_of(run).word}".lower()
    return text.lower() in words
