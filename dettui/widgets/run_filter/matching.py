"""Does a run answer a query?"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from dettui.domain.frame import RunFrame
from dettui.domain.groups import group_named, seedless
from dettui.domain.series import Series
from dettui.widgets.run_filter.language import All, Compare, Field, Has, Not, Query, Relation, Text, as_number
from dettui.widgets.words import state_of

_RELATIONS: Final[Mapping[Relation, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}

VITALS: Final[Mapping[str, Callable[[RunFrame], float | None]]] = {
    "step": lambda run: run.vitals.step,
    "rate": lambda run: run.vitals.rate,
    "age": lambda run: run.vitals.data_age_s,
    "left": lambda run: run.vitals.eta_s,
    "overhead": lambda run: run.vitals.overhead,
    "dropped": lambda run: run.vitals.dropped,
    "points": lambda run: run.vitals.points,
}
"""Numbers of a run that are no metrics."""


def matches(run: RunFrame, query: Query) -> bool:
    """True where *run* answers *query*.  What a run does not have is neither less nor more than anything."""
    if isinstance(query, Text):
        return any(holds(text, query.text) for text in _words(run))
    if isinstance(query, Has):
        return any(holds(text, query.text) for text in field_values(run, query.field))
    if isinstance(query, Compare):
        return _compares(run, query)
    if isinstance(query, Not):
        return not matches(run, query.part)
    if isinstance(query, All):
        return all(matches(run, part) for part in query.parts)
    return any(matches(run, part) for part in query.parts)


def holds(text: str, wanted: str) -> bool:
    """True where *text* holds *wanted*; where that has wildcards, where *text* fits it as a whole."""
    text, wanted = text.lower(), wanted.lower()
    return fnmatchcase(text, wanted) if "*" in wanted or "?" in wanted else wanted in text


def _words(run: RunFrame) -> Iterator[str]:
    yield run.info.name
    for field in ("host", "state"):
        yield from field_values(run, field)
    worst = run.diagnosis.worst
    if worst is not None:
        yield worst.title
        yield from (cause.id for cause in worst.causes[:1])


def field_values(run: RunFrame, field: Field | str) -> Iterator[str]:
    """What *field* is of *run*."""
    active = [finding for finding in run.diagnosis.findings if finding.state == "active"]
    if field == "name":
        yield run.info.name
    elif field == "host":
        yield from dict.fromkeys(filter(None, (run.link.host if run.link else "", run.info.host)))
    elif field == "state":
        yield from dict.fromkeys((run.liveness.state.value, state_of(run).word))
    elif field == "group":
        yield group_named(run.info) or seedless(run.info)
    elif field == "cause":
        yield from dict.fromkeys(finding.causes[0].id for finding in active if finding.causes)
    elif field == "finding":
        yield from dict.fromkeys(finding.kind for finding in active)
    elif field == "severity":
        yield from dict.fromkeys(finding.severity for finding in active)
    elif field == "has":
        yield from run.series


def _compares(run: RunFrame, query: Compare) -> bool:
    number, known = as_number(query.value), value_of(run, query.name)
    if number is None or known is None:
        said = run.info.config.get(query.name)
        if said is None or isinstance(said, int | float) or query.relation not in ("=", "!="):
            return False
        return holds(str(said), query.value) == (query.relation == "=")
    return _RELATIONS[query.relation](known, number)


def value_of(run: RunFrame, name: str) -> float | None:
    """The newest value of the metric *name* (in full, or what follows its last slash), else the vital sign or the
    setting of that name.  A single precision value equals the number that a reader types for it."""
    series = metric(run, name)
    if series is not None:
        return _as_typed(series)
    if name.lower() in VITALS:
        return VITALS[name.lower()](run)
    said = run.info.config.get(name)
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else None


def metric(run: RunFrame, name: str) -> Series | None:
    """The series that *name* means."""
    if name in run.series:
        return run.series[name]
    wanted = name.lower()
    found = (tag for tag in run.series if tag.lower() == wanted or tag.lower().rpartition("/")[2] == wanted)
    tag = next(found, None)
    return None if tag is None else run.series[tag]


def _as_typed(series: Series) -> float | None:
    value = series.last
    return value if value is None or not math.isfinite(value) else float(f"{value:.7g}")
