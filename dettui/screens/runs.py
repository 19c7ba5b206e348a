"""The list of runs, worst first: who is stuck, who is hung, who is done, in one look."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.widgets import Input

from dettui.domain.frame import Frame, RunFrame
from dettui.screens.asked import CompareChosen, RunChosen
from dettui.screens.base import DashboardScreen
from dettui.screens.keys import Where, bindings_of
from dettui.widgets.filter_field import FilterField
from dettui.widgets.lines import LinesView
from dettui.widgets.run_filter import FilterError, Query, matches, parse
from dettui.widgets.run_filter.completion import completions
from dettui.widgets.runs_items import Grouping, Head, Item, host_of, items_of, next_grouping
from dettui.widgets.runs_text import (
    EMPTY,
    LETTERS,
    Look,
    Sparks,
    column_heads,
    item_lines,
    lines_of,
    none_matches,
    summary,
)
from dettui.widgets.steady import Steady
from dettui.widgets.text import BLANK, Line, Span, crop


class RunsScreen(DashboardScreen):
    """All runs in a table.  The cursor stays with its run when the order changes."""

    where: Where = "runs"
    BINDINGS = bindings_of("everywhere", "runs")

    def __init__(self) -> None:
        super().__init__()
        self.selected: str | None = None
        self.picked: dict[str, int] = {}
        self.grouping: Grouping = ""
        self._folded: set[str] = set()
        self._query: Query = parse("")
        self._is_typing = False
        self._trouble = ""  # what is wrong with what was typed; the query before it stays
        self._sparks = Sparks()
        self._steady = Steady()

    def compose_body(self) -> ComposeResult:
        """Summary, heads, rows, and the field of the filter, which shows itself on demand."""
        yield LinesView(id="summary", scrolls=False)
        yield LinesView(id="heads", scrolls=False)
        yield LinesView(id="rows")
        yield FilterField(placeholder="words, state:stalled, cause:lr*, eval/mAP<0.3, and or not ( )", id="filter")
        yield LinesView(id="told", scrolls=False)

    def on_mount(self) -> None:
        """Start without the filter's field, and teach until a run is there."""
        self.query_one("#filter").display = False
        self.query_one("#told").display = False
        self.query_one("#rows", LinesView).show(EMPTY)

    # --- what is listed -----------------------------------------------------------------------------------------

    @property
    def listed(self) -> tuple[RunFrame, ...]:
        """The runs that pass the filter, in the engine's order."""
        frame = self.showing.frame
        return tuple(run for run in frame.runs if matches(run, self._query)) if frame else ()

    @property
    def items(self) -> tuple[Item, ...]:
        """The runs that pass the filter, under the heads of their groups."""
        return items_of(self.listed, self.grouping, self._folded)

    def draw(self, frame: Frame) -> None:
        """Show the rows of *frame*."""
        view, listed = self.query_one("#rows", LinesView), self.listed
        items = items_of(listed, self.grouping, self._folded)
        ids = [item.id for item in items]
        if self.selected not in ids:
            self.selected = ids[0] if ids else None
        self.query_one("#summary", LinesView).show(
            (summary(frame, len(listed), self.grouping, len(self.picked), self.size.width) if frame.runs else BLANK,)
        )
        hosts = len({host_of(run) for run in frame.runs}) > 1
        self.query_one("#heads", LinesView).show((column_heads(view.columns, hosts) if frame.runs else BLANK,))
        view.show(self._rows(frame, items, Look(view.columns, self.selected, self.picked, hosts, frame.by_chance)))
        if self.selected is not None:
            at = ids.index(self.selected)
            first = sum(lines_of(item, view.columns) for item in items[:at])
            view.keep_visible(first, first + lines_of(items[at], view.columns) - 1)
        self._tell()

    def _rows(self, frame: Frame, items: tuple[Item, ...], look: Look) -> tuple[Line, ...]:
        if not frame.runs:
            return EMPTY
        if not items:
            return none_matches(self.query_one("#filter", Input).value.strip())
        lines = self._steady.lines(
            items, look, frame.made_at, lambda item: item_lines(item, look, self._sparks), self._sight
        )
        return tuple(line for of_item in lines for line in of_item)

    @property
    def _sight(self) -> range:
        """The lines of the list that are on screen."""
        view = self.query_one("#rows", LinesView)
        return range(view.scroll_offset.y, view.scroll_offset.y + view.size.height)

    def on_lines_view_scrolled(self) -> None:
        """What has come into sight is brought up to date."""
        self.redraw()

    # --- moving -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the cursor by *by* items."""
        ids = [item.id for item in self.items]
        if self.selected in ids:
            self.selected = ids[min(max(ids.index(self.selected) + by, 0), len(ids) - 1)]
            self.redraw()

    def action_move_to_end(self, direction: int) -> None:
        """Move the cursor to the first or the last item."""
        self.action_move(direction * len(self.items))

    def _item(self) -> Item | None:
        return next((item for item in self.items if item.id == self.selected), None)

    def action_open(self) -> None:
        """Open the run under the cursor; on a head, fold or unfold its group."""
        item = self._item()
        if isinstance(item, Head):
            self._folded ^= {item.label}
            self.redraw()
        elif item is not None:
            self.post_message(RunChosen(item.id))

    def action_fold(self) -> None:
        """Fold the group of the item under the cursor."""
        head = next((i for i in self.items if isinstance(i, Head) and self.selected in self._ids_of(i)), None)
        if head is not None:
            self._folded.add(head.label)
            self.selected = head.id
            self.redraw()

    def _ids_of(self, head: Head) -> set[str]:
        return {head.id, *(run.info.id for run in head.runs)}

    def action_group(self) -> None:
        """Group by the next of host, seeds of one setting, name; or by nothing."""
        self.grouping = next_grouping(self.grouping)
        self.redraw()

    # --- picking ------------------------------------------------------------------------------------------------

    def action_pick(self) -> None:
        """Pick the run under the cursor, or let it go; on a head, all of its group.  Then go on to the next item."""
        item = self._item()
        if item is None:
            return
        self._pick([run.info.id for run in item.runs] if isinstance(item, Head) else [item.id])
        self.action_move(1)

    def action_pick_all(self) -> None:
        """Pick every run that is listed, or let all go."""
        self._pick([run.info.id for run in self.listed])
        self.redraw()

    def _pick(self, ids: list[str]) -> None:
        """Let *ids* go where all are picked, else pick them.  A run keeps its place until it is let go."""
        if all(run in self.picked for run in ids):
            for run in ids:
                del self.picked[run]
            return
        for run in ids:
            if run not in self.picked and len(self.picked) < len(LETTERS):
                taken = set(self.picked.values())
                self.picked[run] = next(place for place in range(len(LETTERS)) if place not in taken)

    def action_compare(self) -> None:
        """Lay the picked runs over each other; where none is picked, those of the group, or the first of the list."""
        if not self.picked:
            item = self._item()
            runs = item.runs if isinstance(item, Head) else self.listed
            self._pick([run.info.id for run in runs[: len(LETTERS)]])
        if self.picked:
            self.redraw()
            self.post_message(CompareChosen(dict(self.picked)))

    # --- the filter ---------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Ask for the filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()
        self._tell()

    def action_clear_filter(self) -> None:
        """Show all runs again; where all are shown, let the picked ones go."""
        field = self.query_one("#filter", Input)
        if not field.value and not self._is_typing:
            self.picked.clear()
        field.value = ""
        self._leave_filter()
        self.redraw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the text is being typed; what means nothing yet leaves the last result."""
        try:
            self._query = parse(event.value)
        except FilterError as error:
            self._trouble = str(error)
        else:
            self._trouble = ""
        self.redraw()

    def on_input_submitted(self) -> None:
        """Keep the filter; its field stays in sight, so that hidden runs are never a riddle."""
        self._leave_filter()

    def on_filter_field_completed(self) -> None:
        """Complete what was typed; pressed again, by the next possibility."""
        field = self.query_one(FilterField)
        runs = self.showing.frame.runs if self.showing.frame else ()
        field.complete(lambda text: completions(text, runs))

    def _leave_filter(self) -> None:
        self.set_focus(None)
        self._is_typing = False
        self.query_one("#filter").display = bool(self.query_one("#filter", Input).value)
        self._tell()

    def _tell(self) -> None:
        """Under the field: what is wrong, else what may follow."""
        field, view = self.query_one(FilterField), self.query_one("#told", LinesView)
        view.display = field.display and (self._is_typing or bool(self._trouble))
        if not view.display:
            return
        if self._trouble:
            shown: Line = (Span(" ✗ ", "warning"), Span(f"{self._trouble}; shown is the last filter that held"))
        else:
            runs = self.showing.frame.runs if self.showing.frame else ()
            begun = completions(field.value, runs)[:12] if field.value else ()
            words = "  ".join(text[_word_start(text) :] for text in begun)
            shown = (Span(" tab ", "key"), Span(words or "completes fields, states, causes, metrics", "muted"))
        view.show((crop(shown, self.size.width),))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say what may be typed."""
        self._is_typing = True
        self._tell()


def _word_start(text: str) -> int:
    return max(text.rfind(" "), text.rfind("("), text.rfind(":") if not text.endswith(":") else -1) + 1
