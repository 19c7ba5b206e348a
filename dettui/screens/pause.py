"""A frozen display says that it is frozen, and how far behind the run it has fallen."""

from __future__ import annotations

from dettui.charts.numbers import count, duration
from dettui.domain.frame import Frame


def behind(shown: Frame, newest: Frame) -> str:
    """How far *shown* lies behind *newest*, in time and, where a run went on, in steps; never empty."""
    steps = {run.info.id: run.vitals.step for run in shown.runs}
    gained = max((run.vitals.step - steps.get(run.info.id, 0) for run in newest.runs), default=0)
    seconds = round(newest.made_at - shown.made_at)
    if seconds < 1 and gained <= 0:
        return "nothing new"
    time = duration(max(1, seconds))
    return f"{time} and {count(gained)} steps behind" if gained > 0 else f"{time} behind"
