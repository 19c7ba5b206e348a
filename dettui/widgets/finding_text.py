"""Findings in words: the panel beside the curves, and the whole page of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dettui.charts.numbers import number
from dettui.domain.check import BadTarget
from dettui.domain.finding import Abstention, Cause, Diagnosis, Evidence, Finding
from dettui.domain.frame import RunFrame
from dettui.widgets.checks_text import examples, target_page
from dettui.widgets.text import BLANK, LABEL_WIDTH, Line, Span, crop, harmless, labelled, paragraph
from dettui.widgets.words import cause_name, life_of, sign_of, steps_between, steps_of, tier_of

CAUSES_IN_PANEL = 3


class Around(NamedTuple):
    """What the words on a finding draw on beside it."""

    targets: Sequence[BadTarget] = ()
    is_over: bool = False  # no further step will come


NOTHING = Around()


def around(run: RunFrame) -> Around:
    """What the findings of *run* draw on."""
    return Around(run.bad_targets, run.liveness.state.is_over)


def panel(diagnosis: Diagnosis, selected: int, width: int, around: Around = NOTHING) -> tuple[Line, ...]:
    """All findings, the one at *selected* opened to its causes, remedy, evidence and examples."""
    if not diagnosis.findings:
        return _nothing_found(diagnosis, width, around)
    return tuple(line for block in blocks(diagnosis.findings, selected, width, around) for line in block)


def blocks(
    findings: Sequence[Finding], selected: int, width: int, around: Around = NOTHING
) -> tuple[tuple[Line, ...], ...]:
    """The lines of each finding, to know where each begins."""
    return tuple(_block(finding, index == selected, width, around) for index, finding in enumerate(findings))


def _block(finding: Finding, is_selected: bool, width: int, around: Around) -> tuple[Line, ...]:
    if is_selected:
        opened = paragraph(finding.title, width, _lead(finding, "▸ "), "strong")
        return (*opened, *_opened(finding, width, around), BLANK)
    title = crop((*_lead(finding, "  "), Span(harmless(finding.title), "strong")), width)
    return (title, *_causes_in_a_line(finding, width, around))


def _lead(finding: Finding, pointer: str) -> Line:
    sign = sign_of(finding)
    return (Span(pointer, "accent"), Span(f"{sign.glyph} {sign.word:<8}  ", sign.role))


def _causes_in_a_line(finding: Finding, width: int, around: Around) -> tuple[Line, ...]:
    names = ", ".join(f"{cause_name(c.id)} ({tier_of(c).word})" for c in finding.causes[:CAUSES_IN_PANEL])
    steps = steps_of(finding, around.is_over)
    said = f"{steps} ← {names}" if names else steps
    return (crop((Span(f"    {harmless(said)}", "muted"),), width),)


def _opened(finding: Finding, width: int, around: Around) -> Iterator[Line]:
    """What a reader wants to know, in that order: why, what to do, how sure, on what grounds."""
    yield from labelled("when", life_of(finding, around.is_over), width)
    best, others = finding.causes[:1], finding.causes[1:CAUSES_IN_PANEL]
    for cause in best:
        yield from _cause_line("because", cause, width)
        yield from _advice(cause, width)
        yield from examples(finding, around.targets, width)
        if not cause.certain:  # a proof says what was measured
            yield from _grounds(cause, width)
    for index, cause in enumerate(others):
        yield from _cause_line("" if index else "or", cause, width)
    for index, evidence in enumerate(finding.evidence):
        yield from labelled("" if index else "measured", statement(evidence), width)


def _cause_line(label: str, cause: Cause, width: int) -> tuple[Line, ...]:
    tier = tier_of(cause)
    lead: Line = (Span(f"    {label:<{LABEL_WIDTH}}", "muted"), Span(f"{tier.glyph} {tier.word}  ", tier.role))
    return paragraph(cause_name(cause.id), width, lead, "strong")


def _advice(cause: Cause, width: int) -> Iterator[Line]:
    if cause.remedy:
        yield from labelled("do", cause.remedy, width)
    if cause.check:
        yield from labelled("check", cause.check, width)
    if cause.overturned_by:
        yield from labelled("unless", cause.overturned_by, width)


def _grounds(cause: Cause, width: int) -> Iterator[Line]:
    for index, text in enumerate(cause.supports):
        yield from labelled("" if index else "for", f"+ {text}", width)
    for index, text in enumerate(cause.contradicts):
        yield from labelled("" if index else "against", f"− {text}", width)


def statement(evidence: Evidence) -> str:
    """One measured statement with its numbers, its series and its steps."""
    where = " ".join(part for part in (evidence.tag, steps_between(*evidence.window)) if part)
    numbers = comparison(evidence)
    return f"{evidence.text} [{numbers}; {where}]" if numbers else f"{evidence.text} [{where}]"


def comparison(evidence: Evidence) -> str:
    """The measured value beside its limit, "" where there is no number."""
    if evidence.measured is None:
        return ""
    if evidence.limit is None or not evidence.relation:
        return number(evidence.measured)
    return f"{number(evidence.measured)} {evidence.relation} {number(evidence.limit)}"


def _nothing_found(diagnosis: Diagnosis, width: int, around: Around) -> tuple[Line, ...]:
    if diagnosis.enough_data:
        text = f"No finding up to step {diagnosis.step}."
        lines = paragraph(text, width, (Span("  ✓ ", "good"),))
    elif around.is_over:
        text = f"It ended before anything could be said: {', '.join(diagnosis.lacks)}."
        lines = paragraph(text, width, (Span("  … ", "muted"),))
    else:
        text = "Too early to say: the rules need more steps. They judge as soon as they can."
        lines = paragraph(text, width, (Span("  … ", "muted"),))
    return (*lines, BLANK, *abstentions(diagnosis, width))


def abstentions(diagnosis: Diagnosis, width: int) -> tuple[Line, ...]:
    """Which rules could not judge, and what they lacked."""
    if not diagnosis.abstained:
        return ()
    head = paragraph("Not judged, for lack of:", width, (Span("    "),), "muted")
    return (*head, *(line for each in diagnosis.abstained for line in _abstention(each, width)))


def _abstention(abstention: Abstention, width: int) -> tuple[Line, ...]:
    lacked = ", ".join(abstention.missing) or "more steps"
    return paragraph(f"{cause_name(abstention.rule)}: {lacked}", width, (Span("      "),), "muted")


def page(finding: Finding, width: int, around: Around = NOTHING) -> tuple[Line, ...]:
    """Everything known about one finding."""
    return (
        *_page_head(finding, width, around),
        *_section("What was measured", (paragraph(statement(e), width, (Span("    "),)) for e in finding.evidence)),
        *target_page(finding, around.targets, width),
        *(line for cause in finding.causes for line in _cause_section(cause, width)),
        *(() if finding.causes else paragraph("No cause fits the evidence better than the others.", width)),
    )


def _page_head(finding: Finding, width: int, around: Around) -> tuple[Line, ...]:
    sign = sign_of(finding)
    kind = f"{cause_name(finding.kind)}, {finding.state}, {life_of(finding, around.is_over)}"
    title = paragraph(finding.title, width, (Span(f"  {sign.glyph} {sign.word}  ", sign.role),), "strong")
    return (*title, *paragraph(kind, width, (Span("    "),), "muted"), BLANK)


def _section(title: str, parts: Iterator[tuple[Line, ...]]) -> Iterator[Line]:
    yield (Span(f"  {title}", "accent"),)
    for part in parts:
        yield from part
    yield BLANK


def _cause_section(cause: Cause, width: int) -> Iterator[Line]:
    tier = tier_of(cause)
    yield (Span(f"  {tier.glyph} {tier.word:<8}", tier.role), Span(cause_name(cause.id), "strong"))
    if cause.why:
        yield from paragraph(cause.why, width, (Span("    "),), "muted")
    yield from _advice(cause, width)
    yield from _grounds(cause, width)
    yield BLANK
