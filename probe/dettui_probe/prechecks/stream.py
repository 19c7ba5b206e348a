"""Checks on their way to the dashboard.

A pre-flight usually runs before the run is watched.  What it found waits here for the run of this process to begin.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from dettui_probe.prechecks.report import Check
from dettui_probe.run import Run
from dettui_probe.start import current_run, when_started

KIND: Final = "preflight"
MAX_WAITING: Final = 256

_waiting: Final[deque[Check]] = deque(maxlen=MAX_WAITING)


def tell(check: Check) -> None:
    """Send *check* to this process's run, or keep it until there is one."""
    run = current_run()
    if run is not None and run.active:
        _send(run, check)
        return
    if not _waiting:
        when_started(_tell_waiting)
    _waiting.append(check)


def _tell_waiting(run: Run) -> None:
    """Send *run* what was found before it began."""
    while run.active and _waiting:
        _send(run, _waiting.popleft())


def _send(run: Run, check: Check) -> None:
    run.event(
        KIND,
        f"{check.name}: {check.evidence}",
        check=check.name,
        verdict=check.verdict,
        severity=check.severity,
        cause=check.cause,
        evidence=check.evidence,
        remedy=check.remedy,
        seconds=check.seconds,
    )
