"""What is said about a run in words: its row in the list of runs, the header of its screen."""

from __future__ import annotations

from collections.abc import Iterator

from dettui.charts.numbers import count, duration, number, percent
from dettui.domain.finding import Finding
from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState
from dettui.domain.series import Series
from dettui.widgets.checks_text import failures
from dettui.widgets.text import Line, Span, harmless, shorten, spread, width_of
from dettui.widgets.words import BY_CHANCE, SEVERITIES, age_of, cause_name, is_stale, state_of, tier_of
from dettui_probe import tags


def total_loss(run: RunFrame) -> Series | None:
    """The series that stands for the run: the total loss, else the first one that calls itself a loss."""
    if tags.LOSS_TOTAL in run.series:
        return run.series[tags.LOSS_TOTAL]
    return next((series for tag, series in run.series.items() if "loss" in tag.lower()), None)


def progress(run: RunFrame) -> str:
    """Steps done, of how many where that is known."""
    done = count(run.vitals.step)
    return f"{done}/{count(run.info.total_steps)}" if run.info.total_steps else done


def rate(run: RunFrame) -> str:
    """Steps per second, per minute for slow ones; "" where none are coming."""
    per_second = run.vitals.rate
    if per_second is None or _is_silent(run):
        return ""
    return f"{number(per_second)}/s" if per_second >= 0.1 or per_second == 0 else f"{number(per_second * 60)}/min"


def eta(run: RunFrame) -> str:
    """Time left, "" where it is not known or where no step is coming."""
    known = run.vitals.eta_s is not None and not _is_silent(run)
    return duration(run.vitals.eta_s) if known else ""


def _is_silent(run: RunFrame) -> bool:
    """True where the last known rate says nothing about now."""
    return run.liveness.state.is_over or is_stale(run)


def epoch(run: RunFrame) -> str:
    """The epoch under way, counted from 1, "" where the length of one is not known."""
    per_epoch = run.info.steps_per_epoch
    if not per_epoch:
        return ""
    now = max(run.vitals.step - 1, 0) // per_epoch + 1
    return f"epoch {now}/{-(-run.info.total_steps // per_epoch)}" if run.info.total_steps else f"epoch {now}"


def headline(run: RunFrame, is_by_chance: bool = False, room: int = 1_000) -> Line:
    """The answer to "what is wrong with it" in one line, worded for *room* cells; *is_by_chance*: so many runs are
    listed that it may be."""
    diagnosis = run.diagnosis
    worst = diagnosis.worst
    if worst is not None:
        others = sum(finding.state == "active" for finding in diagnosis.findings) - 1
        return _headline_of(worst, _CHANCE if is_by_chance else _severity(worst), others, room)
    if diagnosis.findings:
        return (Span("✓ ", "good"), Span(f"nothing now; {len(diagnosis.findings)} resolved", "muted"))
    if diagnosis.enough_data:
        return (Span("✓ ", "good"), Span("no finding", "muted"))
    if run.liveness.state.is_over:
        return (Span("… ", "muted"), Span(f"ended without a verdict: {', '.join(diagnosis.lacks)}", "muted"))
    return (Span("… ", "muted"), Span("too early to say", "muted"))


def _severity(finding: Finding) -> Line:
    sign = SEVERITIES[finding.severity]
    return (Span(f"{sign.glyph} ", sign.role),)


_CHANCE: Line = (Span(f"{BY_CHANCE.glyph} ", BY_CHANCE.role), Span(f"{BY_CHANCE.word}: ", "muted"))

LEAST_TITLE = 16
"""Cells of a finding's title before its cause is shortened as well."""


def _headline_of(finding: Finding, lead: Line, others: int, room: int) -> Line:
    """Where *room* is short the title is cut, and not how firmly its cause is held: the findings tell the rest."""
    more: Line = (Span(f"  +{others}", "muted"),) if others > 0 else ()
    left = room - width_of(lead) - width_of(more)
    title = harmless(finding.title)
    cause = _cause_of(finding, left - min(width_of((Span(title),)), LEAST_TITLE))
    return (*lead, Span(shorten(title, left - width_of(cause)), lead[0].role), *cause, *more)


def _cause_of(finding: Finding, room: int) -> Line:
    if not finding.causes:
        return ()
    cause = finding.causes[0]
    tier = f" ({tier_of(cause).word})"
    return (Span(f" ← {shorten(cause_name(cause.id), room - len(tier) - 3)}{tier}"),)


def header(run: RunFrame, width: int) -> tuple[Line, ...]:
    """The two lines above a run's charts: who and how far, then what is wrong and what the run lost."""
    how_far = _how_far(run, has_epoch=width >= EPOCH_FROM)
    lacks = width_of(_lacks(run))
    what = headline(run, room=width - lacks - (lacks > 0))
    return (
        spread(_who(run, width - width_of(how_far) - 2), how_far, width),
        spread(what, _account(run, width - width_of(what)), width),
    )


EPOCH_FROM = 100
"""Cells from which the header has room for the epoch beside a name."""


def _who(run: RunFrame, width: int) -> Line:
    sign = state_of(run)
    state = f"{sign.glyph} {sign.word}  "
    ranks = f"  {run.ranks.world} ranks" if run.ranks is not None else ""
    name = shorten(harmless(run.info.name), max(8, width - len(state) - len(ranks)))
    return (Span(state, sign.role), Span(name, "strong"), Span(ranks, "muted"))


def _how_far(run: RunFrame, has_epoch: bool) -> Line:
    age = age_of(run)
    parts = (f"step {progress(run)}", epoch(run) if has_epoch else "", rate(run), eta(run) and f"{eta(run)} left")
    facts: Line = (Span("  ".join(part for part in parts if part)),)
    return (*facts, Span(f"  {age.glyph}{age.word}", age.role)) if age.word else facts


def _account(run: RunFrame, room: int) -> Line:
    """What the run lacks, whatever the *room*; what watching costs, as fits."""
    line = _lacks(run)
    for part in _costs(run):
        longer: Line = (*line, Span(f"  {part}", "muted"))
        if width_of(longer) < room:
            line = longer
    return line


def _lacks(run: RunFrame) -> Line:
    """What failed before training, and what the curves lack."""
    return tuple(_apart(failures(run.checks), losses(run)))


def _apart(*lines: Line) -> Iterator[Span]:
    """The spans of *lines* with blanks between those that say something."""
    for index, line in enumerate(line for line in lines if line):
        yield from (Span("  "), *line) if index else line


def losses(run: RunFrame) -> Line:
    """What is missing from the curves: what a reader must not miss."""
    vitals = run.vitals
    lost = [f"{count(vitals.dropped)} rows DROPPED"] if vitals.dropped else []
    lost += [f"{count(vitals.holes)} HOLES in the log"] if vitals.holes else []
    lost += [f"{count(vitals.left_out)} rows THINNED by the slow link"] if vitals.left_out else []
    return (Span("! " + ", ".join(lost), "warning"),) if lost else ()


def _costs(run: RunFrame) -> Iterator[str]:
    vitals = run.vitals
    if vitals.thinned:
        yield "thinned: " + ", ".join(f"{harmless(name)} 1/{every}" for name, every in sorted(vitals.thinned.items()))
    if vitals.overhead is not None:
        yield f"probe {percent(vitals.overhead)}"
    host = run.link.host if run.link else run.info.host
    if host:
        yield harmless(host)
    if vitals.points:
        yield f"{number(vitals.points)} points, {vitals.held_bytes / vitals.points:.1f} B each"


def reason(run: RunFrame) -> tuple[Line, ...]:
    """Why a run is not simply running, and how old its curves are: nothing where all is well."""
    sign = state_of(run)
    lines: list[Line] = []
    if run.liveness.reason:
        lines.append((Span(f"{sign.glyph} {sign.word}: ", sign.role), Span(harmless(run.liveness.reason))))
    if is_stale(run) and run.liveness.state is not RunState.LOST:  # the link says for how long
        age = duration(run.vitals.data_age_s)
        lines.append((Span("! STALE: ", "warning"), Span(f"what you see is {age} old; nothing newer has arrived")))
    return (*lines, *((Span("! ", "warning"), Span(harmless(notice))) for notice in run.notices))
