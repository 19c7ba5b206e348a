"""How the reader looks at runs that are compared.  Frozen; every key makes a new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

from dettui.charts.view import StepRange, XScale
from dettui.detect.evaluations import PREFIX, direction
from dettui.domain.frame import RunFrame
from dettui.screens.view_state import SMOOTHINGS
from dettui_probe import tags

X_SCALES: tuple[XScale, ...] = ("step", "epoch", "time")
_FIRST: tuple[str, ...] = (tags.LOSS_TOTAL, tags.LR + "0", tags.GRAD_NORM, tags.UPDATE_RATIO)
Picked: TypeAlias = "dict[str, int]"
"""Id of a run -> its place, which decides its letter and its colour."""


@dataclass(frozen=True)
class CompareState:
    """What the keys of the compare screen change."""

    metric: str = ""  # "" until there is one to choose
    x_scale: XScale = "step"
    x_range: StepRange | None = None
    cursor: int | None = None
    smoothing: float = SMOOTHINGS[0]
    log_y: frozenset[str] = frozenset()  # metrics on a logarithmic scale
    baseline: str | None = None  # id of the run that the others are measured against
    banded: bool = False  # seeds of one group as their mean and a band
    hidden: frozenset[str] = frozenset()
    has_page: bool = False  # the differences in full instead of the charts


def better(tag: str) -> int:
    """1 where larger values of *tag* are better, -1 where smaller ones are, 0 where that is not known."""
    if tag.startswith(tags.LOSS):
        return -1
    return direction(tag) if tag.startswith(PREFIX) else 0


def metrics_of(runs: Sequence[RunFrame]) -> tuple[str, ...]:
    """Names of the series of *runs*: scores, the loss, what shows how it learns, the rest; single layers last."""
    known = dict.fromkeys(chain.from_iterable(run.series for run in runs))
    return tuple(sorted(known, key=_rank))


def _rank(tag: str) -> tuple[int, int, str]:
    if tag.startswith(PREFIX):
        return 0, 1 - better(tag), tag
    if tag in _FIRST:
        return 1, _FIRST.index(tag), tag
    return (3 if tag.startswith("layer/") else 2), int(not tag.startswith(tags.LOSS)), tag


def first_metric(runs: Sequence[RunFrame]) -> str:
    """What to compare by to begin with: the first score that two runs have, else the loss."""
    shared = (tag for tag in metrics_of(runs) if sum(tag in run.series for run in runs) >= min(2, len(runs)))
    return next(shared, "")


def beside(state: CompareState, runs: Sequence[RunFrame]) -> Iterator[str]:
    """The metrics that go well with the chosen one, best first."""
    known = metrics_of(runs)
    scores = [tag for tag in known if tag.startswith(PREFIX)][:1]
    for tag in dict.fromkeys([*scores, *(tag for tag in _FIRST if tag in known), *known]):
        if tag != state.metric:
            yield tag


def metric_after(state: CompareState, runs: Sequence[RunFrame], by: int) -> CompareState:
    """*state* with the metric *by* places on."""
    known = metrics_of(runs)
    if not known:
        return state
    at = known.index(state.metric) if state.metric in known else -1
    return replace(state, metric=known[(at + by) % len(known)])


def scale_after(state: CompareState) -> CompareState:
    """*state* on the next axis, whole."""
    at = X_SCALES.index(state.x_scale) + 1
    return replace(state, x_scale=X_SCALES[at % len(X_SCALES)], x_range=None, cursor=None)


def smoothing_after(state: CompareState) -> CompareState:
    """The next weight of smoothing."""
    at = SMOOTHINGS.index(state.smoothing) + 1
    return replace(state, smoothing=SMOOTHINGS[at % len(SMOOTHINGS)])


def taken_back(state: CompareState) -> CompareState | None:
    """*state* with its innermost change taken back, None where there is nothing left to take back."""
    if state.has_page:
        return replace(state, has_page=False)
    if state.cursor is not None:
        return replace(state, cursor=None)
    if state.x_range is not None:
        return replace(state, x_range=None)
    return None
