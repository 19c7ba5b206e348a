"""What ``dettui doctor`` says: as JSON for machines, as text for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Final, TypeAlias

from dettui.diagnose.weigh import tier
from dettui.domain.finding import Abstention, Cause, Diagnosis, Evidence, Finding, RankedCause
from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SCHEMA: Final = 1

_ANSI: Final = {"critical": "31;1", "warning": "33", "info": "36", "healthy": "32", "dim": "2", "bold": "1"}


def exit_code(diagnosis: Diagnosis) -> int:
    """0 healthy, 1 findings of warning or worse, 2 could not tell."""
    return {"healthy": 0, "findings": 1, "insufficient_data": 2}[diagnosis.verdict]


# --- JSON -----------------------------------------------------------------------------------------------------


def to_json(frame: RunFrame) -> dict[str, Json]:
    """*frame* as the object of the contract (DESIGN.md 6).  Strict JSON: a number that is not finite becomes null."""
    diagnosis = frame.diagnosis
    return {
        "schema": SCHEMA,
        "run": _run(frame),
        "verdict": diagnosis.verdict,
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "causes": [_ranked_cause(cause) for cause in diagnosis.causes],
        "abstained": [_abstention(abstention) for abstention in diagnosis.abstained],
    }


def _run(frame: RunFrame) -> dict[str, Json]:
    return {
        "id": frame.info.id,
        "name": frame.info.name,
        "host": frame.info.host,
        "state": frame.liveness.state.value,
        "steps": frame.vitals.step,
        "started": _number(frame.info.started),
        "probe_overhead": _number(frame.vitals.overhead),
        "dropped": frame.vitals.dropped,
        "thinned": dict(frame.vitals.thinned),
    }


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "state": finding.state,
        "first_step": finding.first_step,
        "last_step": finding.last_step,
        "raised_at_step": finding.raised_at_step,
        "title": finding.title,
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "causes": [_cause(cause) for cause in finding.causes],
    }


def _evidence(evidence: Evidence) -> dict[str, Json]:
    return {
        "tag": evidence.tag,
        "window": [evidence.window[0], evidence.window[1]],
        "measured": _number(evidence.measured),
        "limit": _number(evidence.limit),
        "relation": evidence.relation,
        "text": evidence.text,
    }


def _cause(cause: Cause) -> dict[str, Json]:
    return {
        "id": cause.id,
        "score": _number(cause.score),
        "certain": cause.certain,
        "supports": list(cause.supports),
        "contradicts": list(cause.contradicts),
        "check": cause.check,
        "remedy": cause.remedy,
        "why": cause.why,
        "overturned_by": cause.overturned_by,
        "tier": tier(cause.score, cause.certain),
    }


def _ranked_cause(cause: RankedCause) -> dict[str, Json]:
    return {
        "id": cause.id,
        "score": _number(cause.score),
        "certain": cause.certain,
        "findings": list(cause.findings),
        "tier": tier(cause.score, cause.certain),
    }


def _abstention(abstention: Abstention) -> dict[str, Json]:
    return {"rule": abstention.rule, "missing": list(abstention.missing)}


def _number(value: float | None) -> float | None:
    """*value*, None where it is absent or not finite."""
    return value if value is not None and math.isfinite(value) else None


# --- text -----------------------------------------------------------------------------------------------------


def to_text(frame: RunFrame, width: int = 80, colour: bool = False, curve: str | None = None) -> str:
    """What ``dettui doctor`` prints.  *curve* is a drawing of the loss that fits into *width*."""
    paint = _Paint(colour)
    parts = [_header(frame, width, paint), _verdict(frame, width, paint)]
    if curve:
        parts.append(curve.rstrip("\n"))
    told: set[str] = set()
    parts += [_finding_text(finding, width, paint, told) for finding in frame.diagnosis.findings]
    parts += _remarks(frame, width, paint)
    return "\n\n".join(parts) + "\n"


class _Paint:
    """Wraps text in an ANSI style, or leaves it."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{_ANSI[style]}m{text}\x1b[0m" if self._colour else text


def _header(frame: RunFrame, width: int, paint: _Paint) -> str:
    info, vitals = frame.info, frame.vitals
    place = f" on {info.host}" if info.host else ""
    facts = [frame.liveness.state.value.replace("_", " "), f"step {vitals.step}{_of_total(info.total_steps)}"]
    if vitals.rate is not None and not frame.liveness.state.is_over:
        facts.append(f"{vitals.rate:.3g} steps/s")
    if info.started:
        started = datetime.fromtimestamp(info.started, tz=timezone.utc)
        facts.append(f"started {started:%Y-%m-%d %H:%M} UTC")
    lines = [paint("bold", f"{info.name or info.id}{place}"), *_wrap(" · ".join(facts), width, "")]
    if frame.liveness.reason and frame.liveness.state is not RunState.RUNNING:
        lines += _wrap(frame.liveness.reason, width, "")
    return "\n".join(lines)


def _of_total(total: int | None) -> str:
    return f" of {total}" if total else ""


def _verdict(frame: RunFrame, width: int, paint: _Paint) -> str:
    diagnosis = frame.diagnosis
    words = _verdict_words(diagnosis, frame.liveness.state.is_over)
    style = diagnosis.worst.severity if diagnosis.verdict == "findings" and diagnosis.worst else "healthy"
    return paint("dim" if diagnosis.verdict == "insufficient_data" else style, "\n".join(_wrap(words, width, "")))


def _verdict_words(diagnosis: Diagnosis, is_over: bool) -> str:
    if diagnosis.verdict == "insufficient_data":
        when = "the run ended before anything could be said" if is_over else "it is too early to say"
        return f"Insufficient data: {when} ({', '.join(diagnosis.lacks)})."
    if diagnosis.verdict == "healthy":
        return f"Healthy: nothing to mend as of step {diagnosis.step}."
    count = sum(finding.severity != "info" for finding in diagnosis.findings)
    noun = "finding" if count == 1 else "findings"
    return f"{count} {noun}. {_most_likely(diagnosis.causes)}"


def _most_likely(causes: Sequence[RankedCause]) -> str:
    if not causes or causes[0].id == "unknown":
        return "The evidence does not separate the possible causes."
    best = causes[0]
    return f"First suspect: {best.id} ({tier(best.score, best.certain)})."


def _finding_text(finding: Finding, width: int, paint: _Paint, told: set[str]) -> str:
    """One finding with its causes; a cause that was *told* in full before is named only."""
    state = "" if finding.state == "active" else f", {finding.state}"
    mark = {"critical": "!!", "warning": "! ", "info": "i "}[finding.severity]
    title = f"{mark} {finding.title} ({_steps(finding)}, {finding.severity}{state})"
    lines = [paint(finding.severity, "\n".join(_wrap(title, width, "   ", first=""))), *_evidence_lines(finding, width)]
    for rank, cause in enumerate(finding.causes):
        lines += _told_before(cause, paint) if cause.id in told else _cause_lines(cause, width, paint, rank)
        if rank == 0 and cause.id != "unknown":
            told.add(cause.id)
    return "\n".join(lines)


def _steps(finding: Finding) -> str:
    if finding.first_step == finding.last_step:
        return f"step {finding.first_step}"
    return f"steps {finding.first_step} to {finding.last_step}"


def _evidence_lines(finding: Finding, width: int) -> Iterator[str]:
    for evidence in finding.evidence:
        yield from _wrap(evidence.text, width, "   ")


def _cause_head(cause: Cause, paint: _Paint) -> str:
    return "   " + paint("bold", cause.id) + f"  {tier(cause.score, cause.certain)}"


def _told_before(cause: Cause, paint: _Paint) -> Iterator[str]:
    yield f"{_cause_head(cause, paint)} (see above)"


def _cause_lines(cause: Cause, width: int, paint: _Paint, rank: int) -> Iterator[str]:
    """Evidence for and against; for the first cause and for proved ones also what it is, how to check it, what to
    change, and what would change our mind."""
    yield _cause_head(cause, paint)
    if rank == 0 or cause.certain:
        yield from _wrap(cause.why, width, "     ")
    for text in cause.supports:
        yield from _wrap(text, width, "       ", first="     + ")
    for text in cause.contradicts:
        yield from _wrap(text, width, "       ", first="     - ")
    if rank == 0 or cause.certain:
        yield from _wrap(cause.check, width, "             ", first="     check:  ")
        yield from _wrap(cause.remedy, width, "             ", first="     change: ")
        yield from _wrap(cause.overturned_by, width, "             ", first="     unless: ")


def _remarks(frame: RunFrame, width: int, paint: _Paint) -> list[str]:
    lines = [line for notice in frame.notices for line in _wrap(notice, width, "")]
    if frame.vitals.dropped:
        lines += _wrap(f"The probe dropped {frame.vitals.dropped} rows; gaps in the curves are real.", width, "")
    if frame.vitals.thinned:
        lines += _wrap(f"Measured less often to stay cheap: {_thinned(frame.vitals.thinned)}.", width, "")
    if frame.diagnosis.abstained:
        lines += _wrap(f"Not judged for lack of data: {_abstained(frame.diagnosis.abstained)}.", width, "")
    return [paint("dim", "\n".join(lines))] if lines else []


def _thinned(thinned: Mapping[str, int]) -> str:
    return ", ".join(f"{name} every {every} steps" for name, every in thinned.items())


def _abstained(abstentions: Sequence[Abstention]) -> str:
    return ", ".join(a.rule + (f" (needs {', '.join(a.missing)})" if a.missing else "") for a in abstentions)


def _wrap(text: str, width: int, indent: str, first: str | None = None) -> list[str]:
    """*text* in lines of at most *width*; code in it is never hyphenated."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
