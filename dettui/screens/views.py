"""From a run and the way the reader looks at it to what each chart draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from dettui.charts.view import Band, CurveView, Line, LineStyle
from dettui.detect.evaluations import PREFIX as EVALUATION
from dettui.detect.evaluations import direction
from dettui.domain.finding import Finding
from dettui.domain.frame import Mark, MarkKind, RunFrame
from dettui.domain.series import Series
from dettui.screens.layout import PANES, PaneName
from dettui.screens.view_state import ViewState
from dettui.widgets.run_text import total_loss
from dettui_probe import tags

CHARTS: tuple[PaneName, ...] = ("loss", "lr", "grad", "update", "eval")

_UNSMOOTHED: frozenset[PaneName] = frozenset({"lr", "eval"})
"""A schedule is exact, and evaluations are few: smoothed they would stand where none was measured."""

TITLES: dict[PaneName, str] = {
    "loss": "loss",
    "lr": "learning rate",
    "grad": "gradient norm",
    "update": "update ratio",
    "classes": "classes",
    "findings": "findings",
    "eval": "eval",
}

_RANGES: frozenset[str] = frozenset(
    {
        "plateau", "plateau_after_lr_drop", "not_learning", "slow_descent", "oscillation", "divergence", "overfit",
        "collapse", "loss_floor", "distribution_shift",
    }
)  # fmt: skip
"""Findings that hold for a range of steps of a curve, and are drawn as a band over it."""

_MARKS: dict[PaneName, frozenset[MarkKind]] = {
    "loss": frozenset({"lr", "evaluation", "checkpoint", "finding", "nonfinite", "event", "hole"}),
    "lr": frozenset({"lr", "hole"}),
    "grad": frozenset({"finding", "nonfinite", "hole"}),
    "update": frozenset({"lr", "hole"}),
    "eval": frozenset({"lr", "checkpoint", "finding", "hole"}),
}
"""What each chart marks: what may explain its curve, and no more, so that marks stay readable."""


def panes_of(run: RunFrame) -> tuple[PaneName, ...]:
    """The panes that *run* has something for: evaluations only where it logs some."""
    has_evaluations = any(tag.startswith(EVALUATION) for tag in run.series)
    return tuple(pane for pane in PANES if pane != "eval" or has_evaluations)


def curve_view(run: RunFrame, pane: PaneName, state: ViewState) -> CurveView:
    """The chart of *pane*."""
    lines = tuple(_lines(run, pane, state))
    return CurveView(
        title=_title(pane, lines),
        lines=lines,
        bands=tuple(_bands(run.diagnosis.findings, lines, is_loss=pane == "loss")),
        marks=tuple(_marks(run, pane, lines)),
        smoothing=0.0 if pane in _UNSMOOTHED else state.smoothing,
        x_range=state.x_range,
        y_log=pane in state.y_log,
        cursor=state.cursor,
        unit=tags.unit_of(lines[0].series.tag) if lines else "",
        extent=extent(run),
    )


def _title(pane: PaneName, lines: Sequence[Line]) -> str:
    """The name of *pane*; a lone evaluation, which has no legend, is named there."""
    is_alone = sum(line.style != "older" for line in lines) == 1
    return f"{TITLES[pane]} {lines[0].name}" if pane == "eval" and is_alone else TITLES[pane]


def _marks(run: RunFrame, pane: PaneName, lines: Sequence[Line]) -> Iterator[Mark]:
    """The marks that may explain *lines*; on evaluations, of the findings only those measured there."""
    drawn = {line.series.tag for line in lines}
    measured = {(f.first_step, f.title) for f in run.diagnosis.findings if drawn & set(f.tags)}
    for mark in run.marks:
        is_elsewhere = pane == "eval" and mark.kind == "finding" and (mark.step, mark.text) not in measured
        if mark.kind in _MARKS[pane] and not is_elsewhere:
            yield mark


def extent(run: RunFrame) -> tuple[int, int] | None:
    """First and newest step over all charts, so that they line up; None before the first point."""
    shown = [series for pane in CHARTS for series in pane_series(run, pane) if len(series)]
    if not shown:
        return None
    strands = [strand for series in shown for strand in series.strands]
    return min(int(s.steps[0]) for s in strands), max(int(s.steps[-1]) for s in strands)


def pane_series(run: RunFrame, pane: PaneName) -> tuple[Series, ...]:
    """The series that belong to *pane*, in a stable order."""
    if pane == "loss":
        return (*_total(run), *loss_terms(run))
    if pane == "lr":
        return distinct(_family(run, tags.LR))
    if pane == "eval":
        return _family(run, EVALUATION)
    tag = tags.GRAD_NORM if pane == "grad" else tags.UPDATE_RATIO
    return (run.series[tag],) if tag in run.series else ()


def _total(run: RunFrame) -> tuple[Series, ...]:
    total = total_loss(run)
    return () if total is None else (total,)


def _family(run: RunFrame, prefix: str) -> tuple[Series, ...]:
    return tuple(run.series[tag] for tag in sorted(run.series) if tag.startswith(prefix))


def loss_terms(run: RunFrame) -> tuple[Series, ...]:
    """The terms of the loss; nothing where the total is the only one."""
    total = total_loss(run)
    terms = [s for s in _family(run, tags.LOSS) if total is None or s.tag != total.tag]
    return tuple(terms) if len(terms) > 1 else ()


def distinct(series: Sequence[Series]) -> tuple[Series, ...]:
    """*series* without those that repeat an earlier one's newest value: param groups often share their LR."""
    seen: dict[float | None, Series] = {}
    for each in series:
        seen.setdefault(each.last, each)
    return tuple(seen.values())


def _lines(run: RunFrame, pane: PaneName, state: ViewState) -> Iterator[Line]:
    for index, series in _chosen_terms(run, state) if pane == "loss" else enumerate(pane_series(run, pane)):
        style: LineStyle = "steps" if pane == "lr" else "curve"
        has_raw = state.has_raw and (index == 0 or state.term > 1)
        better = direction(series.tag) if pane == "eval" else 0
        *older, newest = series.strands
        yield Line(newest, colour_class=index, style=style, raw=has_raw, better=better)
        for place, strand in enumerate(older):
            # Under a name of its own: the chart remembers the past of a series by its name.
            yield Line(replace(strand, tag=f"{strand.tag} {place}"), colour_class=index, style="older")


def _chosen_terms(run: RunFrame, state: ViewState) -> Iterable[tuple[int, Series]]:
    """The loss series to draw with their colour classes, which stay with a term however many are drawn."""
    numbered = tuple(enumerate(pane_series(run, "loss")))
    if state.term == 0 or not numbered:
        return numbered
    return (numbered[(state.term - 1) % len(numbered)],)


def term_count(run: RunFrame) -> int:
    """How many choices of terms there are: all together, and each alone."""
    return len(pane_series(run, "loss")) + 1


def _bands(findings: Sequence[Finding], lines: Sequence[Line], *, is_loss: bool) -> Iterator[Band]:
    """Bands of the findings that were measured on a drawn series; over the loss, of all that say how it goes."""
    drawn = {line.series.tag for line in lines}
    for finding in findings:
        if finding.kind in _RANGES and (is_loss or drawn & set(finding.tags)):
            yield Band(finding.first_step, finding.last_step, finding.kind, finding.kind.replace("_", " "))
