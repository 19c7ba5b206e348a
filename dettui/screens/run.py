"""One run: its curves, its classes, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from textual.app import ComposeResult
from textual.geometry import Region
from textual.widget import Widget

from dettui.charts.view import CurveView, Glyphs, framing, panned, with_cursor, zoomed
from dettui.domain.finding import Finding
from dettui.domain.frame import Frame, RunFrame
from dettui.screens.asked import ChecksAsked, FindingChosen, ImagesAsked, RanksAsked
from dettui.screens.finding import Identity, identity, same_finding
from dettui.screens.keys import Where, bindings_of
from dettui.screens.layout import PANES, PaneName, plan
from dettui.screens.one_run import OneRunScreen
from dettui.screens.view_state import ViewState, gone_back, log_toggled, pane_after, smoothed_next
from dettui.screens.views import CHARTS, TITLES, curve_view, panes_of, term_count
from dettui.widgets.bars import ClassBars
from dettui.widgets.checks_text import checks_named_in
from dettui.widgets.curve import CurveChart
from dettui.widgets.finding_text import around
from dettui.widgets.findings import FindingsPanel
from dettui.widgets.run_text import reason
from dettui.widgets.text import Line


class RunScreen(OneRunScreen):
    """Draws one run as the reader wants to see it; `ViewState` holds how."""

    where: Where = "run"
    BINDINGS = bindings_of("everywhere", "run")

    def __init__(self, run: str, glyphs: Glyphs = "braille", state: ViewState | None = None) -> None:
        super().__init__(run)
        self.state = state or ViewState()
        self.finding: Finding | None = None  # the open one
        self._is_chosen = False  # by the reader; else the worst is open, also one that came later
        self._jumped_to: Identity | None = None
        self._glyphs = glyphs
        self._regions: Mapping[PaneName, Region] = {}

    # --- what is on it --------------------------------------------------------------------------------------

    def compose_page(self) -> ComposeResult:
        """Every pane there is; the layout decides which are seen."""
        with Widget(id="panes"):
            for name in CHARTS:
                yield CurveChart(id=name, glyphs=self._glyphs)
            yield ClassBars(id="classes")
            yield FindingsPanel(id="findings")

    def draw_run(self, run: RunFrame, frame: Frame) -> None:
        """Show the run as *frame* has it."""
        shown = self._lay_out(run)
        for name in shown:
            self._draw_pane(name, run)

    def _lay_out(self, run: RunFrame) -> tuple[PaneName, ...]:
        """Put the panes where they belong; the ones in sight."""
        room = self.query_one("#panes").size
        if not room:
            return ()  # before the first layout
        regions = plan(room, self.state.focused, self.state.is_maximised, panes_of(run))
        if regions != self._regions:
            self._regions = regions
            for name in PANES:
                self._place(name, regions.get(name))
            self.call_after_refresh(self.redraw)  # once more, when the panes have their new sizes
        return tuple(regions)

    def _place(self, name: PaneName, region: Region | None) -> None:
        pane = self.query_one(f"#{name}")
        pane.display = region is not None
        if region is not None:
            pane.styles.offset = region.offset
            pane.styles.width, pane.styles.height = region.size

    def _draw_pane(self, name: PaneName, run: RunFrame) -> None:
        heading = pane_heading(name, self.state, TITLES[name])
        if name == "findings":
            selected = self._selected_index(run.diagnosis.findings)
            self.query_one(FindingsPanel).show(run.diagnosis, selected, heading, around(run))
        elif name == "classes":
            self.query_one(ClassBars).show(run.classes, heading)
        else:
            view = curve_view(run, name, self.state)
            heading = pane_heading(name, self.state, view.title)
            self.query_one(f"#{name}", CurveChart).show(replace(view, title=heading))

    def notices(self, frame: Frame) -> Iterator[Line]:
        """What the reader should know about this run, then about all."""
        if self.run_frame is not None:
            yield from reason(self.run_frame)
        yield from super().notices(frame)

    # --- findings -------------------------------------------------------------------------------------------

    def _selected_index(self, findings: tuple[Finding, ...]) -> int:
        """Where the chosen finding stands now; the first one, the worst, where none was chosen or it is gone."""
        now = same_finding(self.finding, findings) if self.finding and self._is_chosen else None
        self._is_chosen = now is not None
        self.finding = now or (findings[0] if findings else None)
        return findings.index(now) if now else 0

    def action_finding(self, by: int) -> None:
        """Select the next or the previous finding."""
        run = self.run_frame
        if run is None or not run.diagnosis.findings:
            return
        findings = run.diagnosis.findings
        self.finding, self._is_chosen = findings[(self._selected_index(findings) + by) % len(findings)], True
        self.redraw()

    def action_jump(self, by: int) -> None:
        """Select the next or the previous finding and show its steps."""
        self.action_finding(by)
        self._show_steps()

    def action_enter(self) -> None:
        """Show the steps of the selected finding; where they are shown already, open it."""
        if self.finding is not None and self._jumped_to == identity(self.finding):
            self.action_explain()
        else:
            self._show_steps()

    def action_explain(self) -> None:
        """Open the selected finding on a page of its own."""
        if self.finding is not None:
            self.post_message(FindingChosen(self.run_id, self.finding))

    def action_checks(self) -> None:
        """Open the checks of the pre-flight."""
        self.post_message(ChecksAsked(self.run_id))

    def action_images(self) -> None:
        """Open the images that the model was last given, at one that the selected finding was raised for."""
        checks = checks_named_in(self.finding) if self.finding is not None else frozenset[str]()
        self.post_message(ImagesAsked(self.run_id, checks))

    def action_ranks(self) -> None:
        """Open the ranks of the job."""
        self.post_message(RanksAsked(self.run_id))

    def _show_steps(self) -> None:
        finding, view = self.finding, self._main_view()
        if finding is None or view is None:
            return
        self._is_chosen = True
        framed = framing(view, finding.first_step, finding.last_step)
        self._look(replace(self.state, x_range=framed.x_range, cursor=finding.first_step))
        self._jumped_to = identity(finding)

    # --- looking around -------------------------------------------------------------------------------------

    def _look(self, state: ViewState) -> None:
        self._jumped_to = None
        self.state = state
        self.redraw()

    @property
    def _main_pane(self) -> PaneName:
        """The chart that keys move: the focused one, else the loss."""
        return self.state.focused if self.state.focused in CHARTS else "loss"

    def _main_view(self) -> CurveView | None:
        run = self.run_frame
        return curve_view(run, self._main_pane, self.state) if run else None

    def action_pan(self, direction: int) -> None:
        """Move a quarter of the visible steps."""
        view = self._main_view()
        if view is not None:
            self._look(replace(self.state, x_range=panned(view, direction * 0.25).x_range))

    def action_zoom(self, factor: float) -> None:
        """Show fewer steps, or more."""
        view = self._main_view()
        if view is not None:
            self._look(replace(self.state, x_range=zoomed(view, factor).x_range))

    def action_follow(self) -> None:
        """The whole run again, and its newest step."""
        self._look(replace(self.state, x_range=None, cursor=None))

    def action_cursor(self, by: int) -> None:
        """Move the cursor by *by* columns; the first press puts it on the newest visible step."""
        view = self._main_view()
        visible = view.visible_range if view else None
        if view is None or visible is None:
            return
        stride = self.query_one(f"#{self._main_pane}", CurveChart).steps_per_column
        step = visible[1] if view.cursor is None else view.cursor + by * stride
        self._look(replace(self.state, cursor=with_cursor(view, step).cursor))

    def action_pane(self, name: PaneName) -> None:
        """Focus one pane, where the run has it."""
        run = self.run_frame
        if run is not None and name in panes_of(run):
            self._look(replace(self.state, focused=name))

    def action_cycle(self, by: int) -> None:
        """Focus the next or the previous pane."""
        run = self.run_frame
        if run is not None:
            self._look(pane_after(self.state, by, panes_of(run)))

    def action_maximise(self) -> None:
        """The focused pane alone, or all again."""
        self._look(replace(self.state, is_maximised=not self.state.is_maximised))

    def action_smooth(self) -> None:
        """The next weight of smoothing."""
        self._look(smoothed_next(self.state))

    def action_log_y(self) -> None:
        """The other scale for the focused chart."""
        self._look(log_toggled(self.state))

    def action_terms(self) -> None:
        """The next choice of loss terms."""
        run = self.run_frame
        if run is not None:
            self._look(replace(self.state, term=(self.state.term + 1) % term_count(run)))

    def action_back(self) -> None:
        """Take back the innermost change, and at last go to the list of runs."""
        state = gone_back(self.state)
        if state is None:
            self.dismiss()
        else:
            self._look(state)


def pane_heading(name: PaneName, state: ViewState, title: str) -> str:
    """Number key and *title* of a pane, with a pointer on the focused one."""
    pointer = "▸" if name == state.focused else " "
    return f"{pointer}{PANES.index(name) + 1} {title}"
