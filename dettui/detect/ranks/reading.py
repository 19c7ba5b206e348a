"""The series of all ranks, cut at one step and aligned by step number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce

import numpy as np

from dettui.domain.series import Floats, Series, Steps

SeriesOf = Callable[[str], "Series | None"]


def rank_fact(rank: int) -> str:
    """The name of the fact by which a symptom points at *rank*."""
    return f"rank {rank}"


class Ranks:
    """A reading of every rank at *step*; later points are not seen.  Lives for one evaluation."""

    def __init__(self, series_by_rank: Mapping[int, SeriesOf], step: int) -> None:
        self.step = step
        self.ids: tuple[int, ...] = tuple(sorted(series_by_rank))
        self._series_by_rank = series_by_rank

    def series(self, rank: int, tag: str) -> Series | None:
        """The points of *tag* that *rank* told up to the step, None where there are none."""
        series = self._series_by_rank[rank](tag)
        if series is None or not len(series):
            return None
        if series.steps[-1] > self.step:
            series = series.between(int(series.steps[0]), self.step)
        return series if len(series) else None

    def aligned(self, tags: Sequence[str], points: int) -> tuple[Steps, dict[str, Floats]] | None:
        """The newest *points* steps at which every rank told all of *tags*, and of each tag the values, shape
        (ranks, steps); None where a rank never told one of them or the ranks have no step in common."""
        found = {(rank, tag): self.series(rank, tag) for rank in self.ids for tag in tags}
        pieces = {key: _newest(series, 4 * points) for key, series in found.items() if series is not None}
        if not pieces or len(pieces) < len(found):
            return None
        common = _common(steps for steps, _ in pieces.values())[-points:]
        if not len(common):
            return None
        return common, {tag: np.stack([_at(*pieces[rank, tag], common) for rank in self.ids]) for tag in tags}


def _newest(series: Series, points: int) -> tuple[Steps, Floats]:
    return series.steps[-points:], series.values[-points:]


def _common(all_steps: Iterable[Steps]) -> Steps:
    """The steps that are in each of *all_steps*.  Most are the same: a comparison is cheaper than an intersection."""
    different: list[Steps] = []
    for steps in all_steps:
        if not any(np.array_equal(steps, known) for known in different):
            different.append(steps)
    return reduce(np.intersect1d, different)


def _at(steps: Steps, values: Floats, wanted: Steps) -> Floats:
    """The last value at each of the *wanted* steps, all of which are among *steps*, which do not fall."""
    return values[np.searchsorted(steps, wanted, side="right") - 1]
