"""Checks of the pre-flight and bad targets in words: what the header says of them, and their own screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dettui.charts.numbers import duration
from dettui.domain.check import BadTarget, Check, Verdict, Weight
from dettui.domain.finding import Finding
from dettui.widgets.text import BLANK, Line, Span, crop, harmless, labelled, left, paragraph
from dettui.widgets.words import Sign, cause_name

FAILURES: Final[dict[Weight, Sign]] = {
    "certain": Sign("■", "failed", "critical"),
    "warning": Sign("▲", "failed", "warning"),
    "info": Sign("●", "note", "info"),
}
OTHERS: Final[dict[Verdict, Sign]] = {
    "passed": Sign("✓", "passed", "good"),
    "abstained": Sign("…", "not judged", "muted"),
}

_RANKS: Final[dict[Weight, int]] = {"certain": 0, "warning": 1, "info": 2}
_AFTER_FAILURES: Final[dict[Verdict, int]] = {"failed": 0, "abstained": 3, "passed": 4}

_TARGETS_IN_FINDING: Final = 3
_NAME_WIDTH: Final = 20


def sign_of_check(check: Check) -> Sign:
    """How *check* went, and how much that weighs."""
    return FAILURES[check.weight] if check.verdict == "failed" else OTHERS[check.verdict]


def failed_first(checks: Sequence[Check]) -> tuple[Check, ...]:
    """*checks* as a reader needs them: what failed, worst first, what could not be judged, what passed."""
    return tuple(sorted(checks, key=_rank))


def _rank(check: Check) -> int:
    return _AFTER_FAILURES[check.verdict] or _RANKS[check.weight]


def failures(checks: Sequence[Check]) -> Line:
    """How many checks failed, for a header; nothing where none did.  Notes are no failures."""
    failed = [check for check in checks if check.verdict == "failed" and check.weight != "info"]
    if not failed:
        return ()
    return (Span(f"pre-flight: {len(failed)} failed (c)", sign_of_check(failed_first(failed)[0]).role),)


def counted(checks: Sequence[Check], width: int) -> tuple[Line, ...]:
    """How many checks went how, and what they took."""
    if not checks:
        return ()
    verdicts = [check.verdict for check in checks]
    failed, abstained = verdicts.count("failed"), verdicts.count("abstained")
    line: Line = (
        Span("  Before training  ", "accent"),
        Span(f"{failed} failed", "critical" if failures(checks) else "plain"),
        Span(f", {verdicts.count('passed')} passed, {abstained} not judged"),
        Span(f"  in {duration(sum(check.seconds for check in checks))}", "muted"),
    )
    return (crop(line, width), BLANK)


def check_blocks(checks: Sequence[Check], selected: int, width: int) -> tuple[tuple[Line, ...], ...]:
    """The lines of each check, the one at *selected* opened."""
    return tuple(_block(check, index == selected, width) for index, check in enumerate(checks))


def _block(check: Check, is_selected: bool, width: int) -> tuple[Line, ...]:
    sign = sign_of_check(check)
    name = left(harmless(check.name.replace("_", " ")), _NAME_WIDTH)
    head: Line = (Span("▸ " if is_selected else "  ", "accent"), Span(f"{sign.glyph} {sign.word:<10}  ", sign.role))
    if not is_selected:
        is_calm = check.verdict != "failed"
        said = (Span(f"{name}  ", "plain" if is_calm else "strong"), Span(harmless(check.evidence), "muted"))
        return (crop((*head, *said), width),)
    return (crop((*head, Span(name.rstrip(), "strong")), width), *_opened(check, width), BLANK)


def _opened(check: Check, width: int) -> Iterator[Line]:
    if check.cause:
        yield from labelled("because", cause_name(check.cause), width)
    yield from labelled("lacking" if check.verdict == "abstained" else "measured", check.evidence, width)
    if check.remedy and check.verdict == "failed":
        yield from labelled("do", check.remedy, width)


NO_CHECKS: Final[tuple[Line, ...]] = (
    (Span("  No pre-flight was made.", "strong"), Span("  Before the training loop, in seconds, changing nothing:")),
    BLANK,
    (Span("         import dettui_probe as probe"),),
    (Span("         probe.preflight(model, loader, optimizer)"),),
    BLANK,
    (Span("  It asks what reaches the model: boxes, labels, transform, optimizer, anchors, evaluator.", "muted"),),
    BLANK,
)
"""What the screen says where no check was told."""


def checks_named_in(finding: Finding) -> frozenset[str]:
    """The target checks that *finding* was raised for: "degenerate" for the tag "targets/degenerate"."""
    return frozenset(tag.removeprefix("targets/") for tag in finding.tags if tag.startswith("targets/"))


def targets_of(finding: Finding, targets: Sequence[BadTarget]) -> tuple[BadTarget, ...]:
    """Those of *targets* that *finding* was raised for."""
    tags = set(finding.tags)
    return tuple(target for target in targets if f"targets/{target.what}" in tags)


def examples(finding: Finding, targets: Sequence[BadTarget], width: int) -> Iterator[Line]:
    """The newest few targets that *finding* was raised for, so that their files can be opened."""
    for index, target in enumerate(targets_of(finding, targets)[:_TARGETS_IN_FINDING]):
        yield from labelled("" if index else "look at", target_text(target), width)


def target_lines(targets: Sequence[BadTarget], width: int) -> Iterator[Line]:
    """A heading and one line a target; nothing where there is none."""
    if not targets:
        return
    yield BLANK
    yield (Span("  Bad targets", "accent"), Span("  the first few of each kind, newest on top", "muted"))
    for target in targets:
        kind = left(harmless(cause_name(target.what)), _NAME_WIDTH)
        yield crop((Span("    "), Span(f"{kind}  ", "strong"), Span(harmless(target_text(target)))), width)
    yield BLANK


def target_text(target: BadTarget) -> str:
    """Where *target* is and what is wrong with it: its file first, where it has one."""
    where = target.file or f"image {target.image} of its batch"
    size = f" ({target.size[0]}x{target.size[1]})" if target.size else ""
    which = "" if target.box_index is None else f" box {target.box_index}"
    return f"step {target.step}: {where}{size}{which} {_offence(target)}".rstrip()


def _offence(target: BadTarget) -> str:
    if target.label is not None:
        return f"label {target.label}"
    if target.box:
        return "[" + ", ".join(f"{value:g}" for value in target.box) + "]"
    return target.text


def target_page(finding: Finding, targets: Sequence[BadTarget], width: int) -> Iterator[Line]:
    """All targets that *finding* was raised for, as a section of its page."""
    found = targets_of(finding, targets)
    if not found:
        return
    yield (Span("  Targets to open", "accent"),)
    for target in found:
        yield from paragraph(target_text(target), width, (Span("    "),))
    yield BLANK
