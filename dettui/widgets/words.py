"""The words and signs of the dashboard: every state, severity and weight has both, so colour is never the only one."""

from __future__ import annotations

from typing import NamedTuple

from dettui.charts.numbers import duration
from dettui.domain.finding import Cause, Finding, Severity
from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState
from dettui.widgets.text import Role

STALE_AFTER_S = 3.0
"""Data older than this is called stale: six ticks of a local agent, three of a slow link."""


class Sign(NamedTuple):
    """One meaning as a glyph, a word and a role."""

    glyph: str
    word: str
    role: Role


STATES: dict[RunState, Sign] = {
    RunState.STARTING: Sign("○", "starting", "info"),
    RunState.RUNNING: Sign("►", "running", "good"),
    RunState.STALLED: Sign("‖", "STALLED", "critical"),
    RunState.GIL_BLOCKED: Sign("‖", "BLOCKED", "critical"),
    RunState.STOPPED: Sign("‖", "stopped", "warning"),
    RunState.DISK_WAIT: Sign("‖", "disk wait", "warning"),
    RunState.FINISHED: Sign("✓", "finished", "muted"),
    RunState.CRASHED: Sign("✗", "CRASHED", "critical"),
    RunState.KILLED: Sign("✗", "KILLED", "critical"),
    RunState.LOST: Sign("?", "LINK LOST", "critical"),
    RunState.UNKNOWN: Sign("?", "unknown", "muted"),
}

SEVERITIES: dict[Severity, Sign] = {
    "critical": Sign("■", "critical", "critical"),
    "warning": Sign("▲", "warning", "warning"),
    "info": Sign("●", "info", "info"),
}

RESOLVED = Sign("✓", "resolved", "muted")

BY_CHANCE = Sign("△", "may be chance", "plain")
"""A warning that does not stand out from what chance brings among so many runs."""

BEFORE = "before the first step"

STRONG_FROM, LIKELY_FROM = 0.66, 0.33
"""Thirds of the ranking weight.  The weight is no probability, so it is shown as a word and not as a number."""


CERTAIN, STRONG, LIKELY, WEAK, OPEN = TIERS = (
    Sign("●●●●", "certain", "critical"),
    Sign("●●●○", "strong", "warning"),
    Sign("●●○○", "likely", "plain"),
    Sign("●○○○", "weak", "muted"),
    Sign("○○○○", "open", "muted"),
)


def tier_of(cause: Cause) -> Sign:
    """How firmly *cause* is held."""
    if cause.certain:
        return CERTAIN
    if cause.id == "unknown":
        return OPEN  # the evidence does not separate the causes: its weight says nothing about any of them
    if cause.score >= STRONG_FROM:
        return STRONG
    return LIKELY if cause.score >= LIKELY_FROM else WEAK


def state_of(run: RunFrame) -> Sign:
    """What *run* is doing."""
    return STATES[run.liveness.state]


def sign_of(finding: Finding) -> Sign:
    """How bad *finding* is, or that it is over."""
    return RESOLVED if finding.state == "resolved" else SEVERITIES[finding.severity]


def cause_name(cause_id: str) -> str:
    """The id of a cause as words."""
    return cause_id.replace("_", " ")


def steps_of(finding: Finding, is_over: bool = False) -> str:
    """The steps of *finding* as words; of one that may go on, only the first, so that the words stand still.

    Nothing goes on where the run *is_over*.
    """
    if finding.last_step > 0 and finding.state != "resolved" and not is_over:
        return f"since step {finding.first_step}"
    return steps_between(finding.first_step, finding.last_step)


def steps_between(first: int, last: int) -> str:
    """A range of steps as words; step 0 has not been made yet."""
    if last <= 0:
        return BEFORE
    return f"step {first}" if first == last else f"steps {first}–{last}"


def life_of(finding: Finding, is_over: bool) -> str:
    """When *finding* held, and when it was raised."""
    steps = steps_of(finding, is_over)
    return steps if steps == BEFORE else f"{steps}, raised at step {finding.raised_at_step}"


def is_stale(run: RunFrame) -> bool:
    """True where data should be coming and the newest is old."""
    age = run.vitals.data_age_s
    return age is not None and age > STALE_AFTER_S and not run.liveness.state.is_over


def age_of(run: RunFrame) -> Sign:
    """The age of the newest datum: a number only where it matters, so that a healthy screen stands still."""
    age = run.vitals.data_age_s
    if run.liveness.state.is_over:
        return Sign("", "", "muted")
    if age is None:
        return Sign("", "no data", "muted")
    if is_stale(run):
        return Sign("!", f"STALE {duration(age)}", "warning")
    return Sign("", "live", "muted")
