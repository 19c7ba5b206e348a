"""Runs laid over each other on one axis, with a table of their values and of what they were told differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from dettui.charts.view import CurveView, Glyphs, panned, with_cursor, zoomed
from dettui.domain.frame import Frame, RunFrame
from dettui.screens.asked import RunChosen
from dettui.screens.base import DashboardScreen
from dettui.screens.compare_state import (
    CompareState,
    Picked,
    beside,
    better,
    first_metric,
    metric_after,
    metrics_of,
    scale_after,
    smoothing_after,
    taken_back,
)
from dettui.screens.compare_views import Member, Overlay, groups_of, weight_of
from dettui.screens.keys import Where, bindings_of
from dettui.widgets.compare_text import Entry, Shown, differing, letter, table
from dettui.widgets.curve import CurveChart
from dettui.widgets.differences import differences
from dettui.widgets.filter_field import FilterField
from dettui.widgets.lines import LinesView
from dettui.widgets.text import BLANK, Line, Span, crop, harmless, spread

SIDE_FROM = 110  # cells: a chart of 70 beside differences of 40
BELOW_FROM = 38  # rows: a row of small charts under the large one
SMALL_FROM = 150  # cells: three small charts side by side
_BESIDE = 3
_LETTERED = 4
"""Curves up to which a small chart has letters: more of them would stand far from their curves."""


class CompareScreen(DashboardScreen):
    """Compares the runs that were picked; `CompareState` holds how the reader looks at them."""

    where: Where = "compare"
    BINDINGS = bindings_of("everywhere", "compare")

    def __init__(self, picked: Picked, glyphs: Glyphs = "braille", has_colour: bool = True) -> None:
        super().__init__()
        self.picked = picked
        self.state = CompareState()
        self.selected: str | None = None
        self._glyphs = glyphs
        self._has_colour = has_colour
        self._overlay = Overlay()
        self._was_wide: tuple[bool, bool, bool, int] | None = None

    # --- what is on it ------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """Header, charts beside the differences, the table, and the field that asks for a metric."""
        yield LinesView(id="compare-head", scrolls=False)
        with Horizontal(id="compare-body"):
            with Vertical(id="compare-charts"):
                yield CurveChart(id="main-chart", glyphs=self._glyphs)
                with Horizontal(id="small-charts"):
                    for index in range(_BESIDE):
                        yield CurveChart(id=f"small-{index}", glyphs=self._glyphs)
            yield LinesView(id="differences")
        yield LinesView(id="compare-table")
        yield FilterField(placeholder="metric: a part of its name; tab completes, enter shows it", id="metric")

    def on_mount(self) -> None:
        """Start without the field."""
        self.query_one("#metric").display = False

    @property
    def members(self) -> tuple[Member, ...]:
        """The picked runs of the frame being shown, in the order of their places."""
        frame = self.showing.frame
        there = {run.info.id: run for run in frame.runs} if frame else {}
        ordered = sorted(self.picked.items(), key=lambda item: item[1])
        return tuple(Member(there[run], place) for run, place in ordered if run in there)

    @property
    def _shown(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.run.info.id not in self.state.hidden)

    @property
    def runs(self) -> tuple[RunFrame, ...]:
        """Of the members."""
        return tuple(member.run for member in self.members)

    def draw(self, frame: Frame) -> None:
        """Lay the runs of *frame* over each other."""
        members = self.members
        if not members:
            return
        if not self.state.metric:
            self.state = replace(self.state, metric=first_metric(self.runs))
        ids = [member.run.info.id for member in members]
        if self.selected not in ids:
            self.selected = ids[0]
        self._lay_out(len(members))
        self.query_one("#compare-head", LinesView).show(tuple(self._head(self.size.width)))
        self._draw_table(members)
        self._draw_differences(members)
        if not self.state.has_page:
            self._draw_charts()

    def _lay_out(self, members: int) -> None:
        """Side by side where there is room; the differences alone where they were asked for."""
        width, height = self.size
        has_side, page = width >= SIDE_FROM, self.state.has_page
        has_small = has_side and width >= SMALL_FROM and height >= BELOW_FROM
        rows = min(members + 1, max(3, round(height * 0.33)))
        if self._was_wide == (has_side, page, has_small, rows):
            return
        self._was_wide = (has_side, page, has_small, rows)
        side = self.query_one("#differences")
        side.display = has_side or page
        side.styles.width = "1fr" if page else min(60, max(36, width // 4))
        self.query_one("#compare-charts").display = not page
        self.query_one("#small-charts").display = has_small
        self.query_one("#compare-table").styles.height = rows
        self.call_after_refresh(self.redraw)

    def _draw_charts(self) -> None:
        members, state = self._shown, self.state
        self.query_one("#main-chart", CurveChart).show(self._view(state.metric))
        if self.query_one("#small-charts").display:
            for index, tag in zip(range(_BESIDE), beside(state, self.runs), strict=False):
                view = self._overlay.view(members, tag, state, self._has_colour)
                self.query_one(f"#small-{index}", CurveChart).show(
                    replace(view, has_letters=len(view.curves) <= _LETTERED)
                )

    def _view(self, metric: str) -> CurveView:
        return self._overlay.view(self._shown, metric, self.state, self._has_colour)

    def _draw_table(self, members: Sequence[Member]) -> None:
        state, view = self.state, self.query_one("#compare-table", LinesView)
        entries = [
            Entry(
                member.run,
                member.place,
                self._overlay.placed(member.run, state.metric, state.x_scale) or member.run.series.get(state.metric),
                member.run.info.id in state.hidden,
            )
            for member in members
        ]
        others = tuple((tag, better(tag)) for tag, _ in zip(beside(state, self.runs), range(2), strict=False))
        shown = Shown(state.metric, better(state.metric), state.baseline, self.selected, state.cursor, others)
        view.show(table(entries, shown, view.columns))
        at = next(index for index, entry in enumerate(entries) if entry.run.info.id == self.selected)
        view.keep_visible(at if at else 0, at + 1)

    def _draw_differences(self, members: Sequence[Member]) -> None:
        view = self.query_one("#differences", LinesView)
        if view.display:
            lines = differing(differences(self.runs), [member.place for member in members], view.columns)
            view.show(((Span(" in what they differ", "strong"),), *lines))

    def _head(self, width: int) -> Iterator[Line]:
        state, members = self.state, self.members
        sense = {1: "higher is better", -1: "lower is better", 0: ""}[better(state.metric)]
        known = metrics_of(self.runs)
        at = f"{known.index(state.metric) + 1}/{len(known)}" if state.metric in known else ""
        what: Line = (
            Span(f" {len(members)} runs", "strong"),
            Span("  metric ", "muted"),
            Span(harmless(state.metric) or "none yet", "accent"),
            Span(f" {at}  {sense}", "muted"),
        )
        weight = weight_of(state.metric, state)
        how = [f"x: {state.x_scale}", f"smoothed {weight:g}" if weight else "not smoothed"]
        how += ["log"] if state.metric in state.log_y else []
        base = next((member for member in members if member.run.info.id == state.baseline), None)
        end: Line = (*((Span("base "), letter(base.place), Span("  ")) if base else ()), Span("  ".join(how), "muted"))
        yield spread(what, end, width)
        yield crop(self._caveat(members), width)

    def _caveat(self, members: Sequence[Member]) -> Line:
        """What the charts do not show, or how they show it; blank where there is nothing to say."""
        state = self.state
        if state.x_scale == "epoch":
            without = [member for member in members if not member.run.info.steps_per_epoch]
            if without:
                said = " declared no steps_per_epoch and cannot be placed: x for another axis"
                return (Span(" ! ", "warning"), *(letter(member.place) for member in without), Span(said))
        if state.banded:
            sizes = [len(group) for group in groups_of(members).values()]
            if max(sizes) < 2:
                return (Span(" ! ", "warning"), Span("no two runs differ in their seed only: each is drawn by itself"))
            curves = "smoothed curves" if weight_of(state.metric, state) else "curves"
            said = f" seeds of one setting: the line is the mean, the shade min to max of their {curves}"
            return (Span(said, "muted"),)
        hidden = [member for member in members if member.run.info.id in state.hidden]
        if hidden:
            return (Span(" hidden: ", "warning"), *(letter(member.place) for member in hidden))
        missing = [member for member in members if state.metric not in member.run.series]
        if missing and state.metric:
            return (Span(" ! ", "warning"), *(letter(member.place) for member in missing), Span(" has no such metric"))
        return BLANK

    # --- keys -----------------------------------------------------------------------------------------------------

    def _look(self, state: CompareState) -> None:
        self.state = state
        self.redraw()

    def action_move(self, by: int) -> None:
        """Select another run; with the differences in full, scroll them."""
        if self.state.has_page:
            self.query_one("#differences", LinesView).scroll_relative(y=by, animate=False)
            return
        ids = [member.run.info.id for member in self.members]
        if self.selected in ids:
            self.selected = ids[(ids.index(self.selected) + by) % len(ids)]
            self.redraw()

    def action_open(self) -> None:
        """Open the selected run."""
        if self.selected is not None:
            self.post_message(RunChosen(self.selected))

    def action_hide(self) -> None:
        """Take the selected run out of the charts, or put it back."""
        if self.selected is not None:
            self._look(replace(self.state, hidden=self.state.hidden ^ {self.selected}))

    def action_baseline(self) -> None:
        """Measure the others against the selected run, or against none."""
        pinned = None if self.state.baseline == self.selected else self.selected
        self._look(replace(self.state, baseline=pinned))

    def action_metric(self, by: int) -> None:
        """The next metric, or the previous one."""
        self._look(metric_after(self.state, self.runs, by))

    def action_choose(self) -> None:
        """Ask for the name of a metric."""
        field = self.query_one("#metric", Input)
        field.display, field.value = True, ""
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Show the first metric whose name holds what was typed."""
        wanted = event.value.strip().lower()
        fitting = [tag for tag in metrics_of(self.runs) if wanted in tag.lower()]
        exact = [tag for tag in fitting if tag.lower() == wanted]
        self._leave_field()
        if wanted and fitting:
            self._look(replace(self.state, metric=(exact or fitting)[0]))

    def on_filter_field_completed(self) -> None:
        """Complete the name of a metric."""
        known = metrics_of(self.runs)
        self.query_one(FilterField).complete(lambda text: tuple(tag for tag in known if text.lower() in tag.lower()))

    def _leave_field(self) -> None:
        self.set_focus(None)
        self.query_one("#metric").display = False

    def action_x_scale(self) -> None:
        """Steps, epochs, time since the start."""
        self._look(scale_after(self.state))

    def action_smooth(self) -> None:
        """The next weight of smoothing."""
        self._look(smoothing_after(self.state))

    def action_log_y(self) -> None:
        """The other scale for the metric."""
        self._look(replace(self.state, log_y=self.state.log_y ^ {self.state.metric}))

    def action_band(self) -> None:
        """Seeds of one setting as mean and band, or every run by itself."""
        self._look(replace(self.state, banded=not self.state.banded))

    def action_page(self) -> None:
        """The differences in full, or the charts again."""
        self._look(replace(self.state, has_page=not self.state.has_page))

    def action_pan(self, direction: int) -> None:
        """Move a quarter of what is visible."""
        self._look(replace(self.state, x_range=panned(self._view(self.state.metric), direction * 0.25).x_range))

    def action_zoom(self, factor: float) -> None:
        """Show less of the axis, or more."""
        self._look(replace(self.state, x_range=zoomed(self._view(self.state.metric), factor).x_range))

    def action_follow(self) -> None:
        """The whole axis again."""
        self._look(replace(self.state, x_range=None, cursor=None))

    def action_cursor(self, by: int) -> None:
        """Move the cursor of all charts by *by* columns; the first press puts it on the newest visible place."""
        view = self._view(self.state.metric)
        visible = view.visible_range
        if visible is None:
            return
        stride = self.query_one("#main-chart", CurveChart).steps_per_column
        at = visible[1] if view.cursor is None else view.cursor + by * stride
        self._look(replace(self.state, cursor=with_cursor(view, at).cursor))

    def action_back(self) -> None:
        """Take back the innermost change, and at last go to the list of runs."""
        if self.query_one("#metric").display:
            self._leave_field()
            return
        state = taken_back(self.state)
        if state is None:
            self.dismiss()
        else:
            self._look(state)
