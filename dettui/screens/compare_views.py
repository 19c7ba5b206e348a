"""From runs to the curves that are laid over each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dettui.charts.view import UNITS, CurveView, Line, XScale
from dettui.detect.evaluations import PREFIX
from dettui.domain.frame import RunFrame
from dettui.domain.groups import group_names, group_of
from dettui.domain.series import Series, Steps
from dettui.numerics.bands import band_over
from dettui.numerics.smoothing import SmoothedCache
from dettui.screens.compare_state import CompareState
from dettui.widgets.runs_text import LETTERS
from dettui.widgets.text import harmless
from dettui_probe import tags

MOST_WITH_RAW = 3
"""Runs up to which the unsmoothed curve is kept under each smoothed one; more would hide each other."""


@dataclass(frozen=True)
class Member:
    """One run that is compared."""

    run: RunFrame
    place: int

    @property
    def letter(self) -> str:
        """Names the run in charts and texts."""
        return LETTERS[self.place % len(LETTERS)]


class Overlay:
    """The curves of several runs on one axis, kept while they do not grow.  Not safe for concurrent use."""

    def __init__(self) -> None:
        self._placed: dict[tuple[str, str, XScale], Series] = {}
        self._smoothed = SmoothedCache()
        self._version = 0

    def view(self, members: Sequence[Member], metric: str, state: CompareState, has_colour: bool) -> CurveView:
        """The chart of *metric*."""
        if state.banded:
            lines = tuple(self._bands(members, metric, state))
        else:
            shown = [(m, s) for m in members if (s := self.placed(m.run, metric, state.x_scale)) is not None]
            has_raw = has_colour and len(shown) <= MOST_WITH_RAW
            lines = tuple(_line(member, series, metric, raw=has_raw) for member, series in shown)
        return CurveView(
            title=f" {metric}",
            lines=lines,
            smoothing=0.0 if state.banded else weight_of(metric, state),
            x_range=state.x_range,
            y_log=metric in state.log_y,
            cursor=state.cursor,
            unit=tags.unit_of(metric),
            extent=self.extent(members, state.x_scale),
            x_scale=state.x_scale,
        )

    def placed(self, run: RunFrame, metric: str, scale: XScale) -> Series | None:
        """*metric* of *run* on the axis *scale*; None where it has none, or has no place there."""
        series = run.series.get(metric)
        if series is None or not len(series):
            return None
        known = self._placed.get((run.info.id, metric, scale))
        if known is None or len(known) != len(series) or known.times[-1] != series.times[-1]:
            steps = places_of(run, series, scale)
            if steps is None:
                return None
            known = Series(f"{run.info.id} {metric} {scale}", steps, series.values, series.times, series.unit)
            self._placed[run.info.id, metric, scale] = known
        return known

    def extent(self, members: Sequence[Member], scale: XScale) -> tuple[int, int] | None:
        """The axis over all runs, the same for every metric."""
        ends = [end for member in members for end in self._ends(member.run, scale)]
        return (min(ends), max(ends)) if ends else None

    def _ends(self, run: RunFrame, scale: XScale) -> Iterator[int]:
        clock = tags.LOSS_TOTAL if tags.LOSS_TOTAL in run.series else next(iter(run.series), "")
        series = self.placed(run, clock, scale)
        if series is not None:
            yield from (int(series.steps[0]), int(series.steps[-1]))

    def _bands(self, members: Sequence[Member], metric: str, state: CompareState) -> Iterator[Line]:
        """Of each group its mean, and a band from the least to the greatest of its runs; single runs as they are."""
        self._version += 1
        for name, group in groups_of(members).items():
            curves = [(m, s) for m in group if (s := self.placed(m.run, metric, state.x_scale)) is not None]
            if weight := weight_of(metric, state):
                curves = [(m, self._smoothed.series(s, weight)) for m, s in curves]
            if len(curves) < 2:
                yield from (replace(_line(m, s, metric, raw=False), style="mean") for m, s in curves)
                continue
            band = band_over([series for _, series in curves], f"{name} {metric}", version=self._version)
            first = curves[0][0]
            yield Line(band.spread, colour_class=first.place, style="band")
            yield Line(
                band.mean,
                colour_class=first.place,
                style="mean",
                label=f"{harmless(name)} ({len(curves)})",
                letter=first.letter,
            )


def weight_of(metric: str, state: CompareState) -> float:
    """How much *metric* is smoothed: a schedule is exact, and evaluations are few."""
    return 0.0 if metric.startswith((tags.LR, PREFIX)) else state.smoothing


def _line(member: Member, series: Series, metric: str, raw: bool) -> Line:
    return Line(
        series,
        colour_class=member.place,
        style="steps" if metric.startswith(tags.LR) else "curve",
        raw=raw,
        label=harmless(member.run.info.name),
        letter=member.letter,
    )


def places_of(run: RunFrame, series: Series, scale: XScale) -> Steps | None:
    """Where the points of *series* stand on the axis *scale*; None where the run does not tell."""
    if scale == "step":
        return series.steps
    if scale == "epoch":
        per_epoch = run.info.steps_per_epoch
        return series.steps * UNITS["epoch"] // per_epoch if per_epoch else None
    started = run.info.started if 0 < run.info.started <= series.times[0] else series.times[0]
    return np.asarray((series.times - started) * UNITS["time"], np.int64)


def groups_of(members: Sequence[Member]) -> Mapping[str, list[Member]]:
    """*members* by the name of their group."""
    names = group_names([group_of(member.run.info) for member in members])
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(names[group_of(member.run.info)], []).append(member)
    return groups
