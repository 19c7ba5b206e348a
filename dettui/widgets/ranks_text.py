"""The ranks of one job in words: who is ill, who is slow and in what, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dettui.charts.numbers import MISSING, count, number, percent
from dettui.domain.finding import Finding
from dettui.domain.frame import RunFrame
from dettui.domain.ranks import SEGMENTS, RankTable, RankView
from dettui.domain.run import RunState
from dettui.widgets.text import BLANK, Line, Span, crop, harmless, left, paragraph, right, width_of
from dettui.widgets.words import STATES, sign_of
from dettui_probe import tags

ALONE: Final = "this run has one process: nothing to compare"
_SHORT: Final[Mapping[str, str]] = {
    "data": "data", "forward": "fwd", "backward": "bwd", "sync": "sync", "optimizer": "optim", "step": "step",
}  # fmt: skip
_TIME_WIDTH: Final = 6
_WITH_MEMORY_FROM: Final = 88
_WITH_HOST_FROM: Final = 120
_WORTH_A_COLOUR: Final = 0.05  # of a step
_WORK: Final = frozenset({"data", "forward", "backward", "optimizer"})
"""Parts in which the largest number may be a rank's own doing; in the others, and for other ranks, it is a wait."""
_KINDS: Final = frozenset({"straggler", "rank_desync", "hang"})


def of_ranks(finding: Finding) -> bool:
    """Whether *finding* is one of ranks."""
    return finding.kind in _KINDS or tags.RANK_BATCH in finding.tags


def ranks_page(run: RunFrame, width: int) -> Iterator[Line]:
    """The whole page: what is wrong, rank by rank, part by part."""
    table = run.ranks
    if table is None:
        yield (Span(f"  {ALONE}", "muted"),)
        return
    yield _heading(table, width)
    for finding in run.diagnosis.findings:
        if of_ranks(finding):
            yield from _finding(finding, width)
    yield _columns(width)
    for view in table.ranks:
        yield crop(_rank(view, table, width), width)
    if table.segments:
        yield BLANK
        yield from _segments(table, width)
    for line in table.differing:
        yield from paragraph(f"differs between ranks: {line}", width, (Span("  ! ", "warning"),))


def _heading(table: RankTable, width: int) -> Line:
    line: Line = (Span(f"  {table.world} ranks", "accent"), Span("  worst first", "muted"))
    if table.attempt:
        line = (*line, Span(f"  started again {table.attempt} times", "warning"))
    if table.missing:
        shown = ", ".join(map(str, table.missing[:8])) + (" ..." if len(table.missing) > 8 else "")
        line = (*line, Span(f"  ! not heard of: {shown}", "warning"))
    if table.window[1]:
        line = (*line, Span(f"  ms: medians of steps {count(table.window[0])}–{count(table.window[1])}", "muted"))
    return crop(line, width)


def _finding(finding: Finding, width: int) -> Iterator[Line]:
    sign = sign_of(finding)
    yield from paragraph(finding.title, width, (Span(f"  {sign.glyph} ", sign.role),), sign.role)
    for evidence in finding.evidence:
        yield from paragraph(evidence.text, width, (Span("    "),), "muted")


def _columns(width: int) -> Line:
    names = [right(_SHORT[name], _TIME_WIDTH) for name in (*SEGMENTS, "step")]
    more = [right("loss", 7)]
    if width >= _WITH_MEMORY_FROM:
        more += [right("grad", 7), right("memory", 8)]
    if width >= _WITH_HOST_FROM:
        more.append("  host, process")
    return crop(
        (Span(f"  {left('rank', 5)}{left('state', 11)}{right('at step', 8)}{''.join((*names, *more))}", "key"),), width
    )


def _rank(view: RankView, table: RankTable, width: int) -> Line:
    sign = STATES[view.liveness.state]
    line: Line = (
        Span(f"{'▲' if view.flaw else ' '} ", "warning"),
        Span(left(str(view.rank), 5), "strong"),
        Span(left(f"{sign.glyph} {sign.word}", 11), sign.role),
        Span(right(count(view.step), 8)),
    )
    worst = {part.name: part for part in table.segments}
    for name in (*SEGMENTS, "step"):
        seconds = view.step_s if name == "step" else view.segments.get(name)
        part = worst.get(name) if view.flaw == "slow" and name in _WORK else None
        stands_out = part is not None and part.worst_rank == view.rank and part.skew > _WORTH_A_COLOUR
        line = (*line, Span(right(_ms(seconds), _TIME_WIDTH), "warning" if stands_out else "plain"))
    line = (*line, Span(right(number(view.loss), 7)))
    if width >= _WITH_MEMORY_FROM:
        memory = f"{number(view.mem_bytes)}B" if view.mem_bytes else MISSING
        line = (*line, Span(right(number(view.grad_norm), 7)), Span(right(memory, 8)))
    if width >= _WITH_HOST_FROM:
        line = (*line, Span(f"  {left(harmless(view.host), 12)} {view.pid}", "muted"))
    for remark in _remarks(view):
        if width_of(line) + width_of((remark,)) <= width:
            line = (*line, remark)
    return line


def _remarks(view: RankView) -> Iterator[Span]:
    if view.flaw:
        yield Span(f"  {view.flaw}", "warning")
    if view.dropped:
        yield Span(f"  {count(view.dropped)} DROPPED", "warning")
    if view.phase and not view.liveness.state.is_over and view.liveness.state is not RunState.STARTING:
        yield Span(f"  in {view.phase}", "muted")


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    ms = seconds * 1e3
    return f"{ms:.0f}" if ms >= 99.5 else f"{ms:.1f}"


def _segments(table: RankTable, width: int) -> Iterator[Line]:
    yield crop(
        (Span(f"  {left('part of the step', 18)}{right('median', 9)}{right('worst', 9)}   rank    skew", "key"),), width
    )
    for part in table.segments:
        yield crop(
            (
                Span(f"  {left(part.name, 18)}{right(_ms(part.median_s), 9)}"),
                Span(f"{right(_ms(part.worst_s), 9)}{right(str(part.worst_rank), 7)}"),
                Span(f"{right(percent(part.skew), 8)} of a step", "muted"),
            ),
            width,
        )
