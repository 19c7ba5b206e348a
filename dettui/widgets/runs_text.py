"""The list of runs in words: one row or two for each, aligned columns, worst first as the engine orders them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dettui.charts.numbers import number
from dettui.charts.sparkline import sparkline
from dettui.domain.frame import RunFrame
from dettui.widgets.run_text import eta, headline, progress, rate, total_loss
from dettui.widgets.text import BLANK, Line, Role, Span, crop, harmless, left, right
from dettui.widgets.words import age_of, state_of

ONE_ROW_FROM = 150
"""Cells from which a run fits into one row; below it the finding gets a row of its own."""


class Widths(NamedTuple):
    """Cells of each column."""

    state: int
    name: int
    progress: int
    rate: int
    eta: int
    loss: int
    age: int
    spark: int


def widths(width: int) -> Widths:
    """The columns of a list *width* cells wide."""
    if width >= ONE_ROW_FROM:
        return Widths(state=11, name=min(32, width // 6), progress=17, rate=9, eta=8, loss=8, age=12, spark=20)
    fixed = Widths(state=11, name=0, progress=15, rate=8, eta=7, loss=7, age=12, spark=11)
    taken = 2 + sum(fixed) - fixed.spark + 6
    return fixed._replace(name=max(10, width - taken))


def rows_per_run(width: int) -> int:
    """How many lines of the list one run takes."""
    return 1 if width >= ONE_ROW_FROM else 2


def column_heads(width: int) -> Line:
    """The line above the list."""
    w = widths(width)
    heads = [left("", 1), left("state", w.state), left("run", w.name), right("step", w.progress)]
    heads += [right("rate", w.rate), right("left", w.eta), right("loss", w.loss), left("data", w.age)]
    if rows_per_run(width) == 1:
        heads += [left("", w.spark), "worst finding"]
    return crop((Span(" ".join(heads), "muted"),), width)


def rows(runs: Sequence[RunFrame], selected: str | None, width: int) -> tuple[Line, ...]:
    """The list; *selected* is the id of the run under the cursor."""
    return tuple(line for run in runs for line in _run_rows(run, run.info.id == selected, width))


def _run_rows(run: RunFrame, is_selected: bool, width: int) -> tuple[Line, ...]:
    pointer = "▸" if is_selected else " "
    name_role: Role = "chosen" if is_selected else "strong"
    first = _facts(run, pointer, name_role, widths(width))
    verdict: Line = (_spark(run, widths(width).spark), Span(" "), *headline(run.diagnosis))
    if rows_per_run(width) == 1:
        return (crop((*first, Span(" "), *verdict), width),)
    return (crop(first, width), crop((Span("  "), *verdict), width))


def _facts(run: RunFrame, pointer: str, name_role: Role, w: Widths) -> Line:
    state, age, loss = state_of(run), age_of(run), total_loss(run)
    return _blank_between(
        (
            Span(pointer, "accent"),
            Span(left(f"{state.glyph} {state.word}", w.state), state.role),
            Span(left(harmless(run.info.name), w.name), name_role),
            Span(right(progress(run), w.progress)),
            Span(right(rate(run), w.rate)),
            Span(right(eta(run), w.eta)),
            Span(right(number(loss.last if loss else None), w.loss), _loss_role(loss.last if loss else None)),
            Span(left(f"{age.glyph}{age.word}", w.age), age.role),
        )
    )


def _blank_between(spans: Iterable[Span]) -> Line:
    """The columns with one blank after each but the last, kept in the span so that columns stay whole."""
    *first, last = spans
    return (*(Span(f"{text} ", role) for text, role in first), last)


def _loss_role(loss: float | None) -> Role:
    return "critical" if loss is not None and loss - loss != 0 else "plain"


def _spark(run: RunFrame, width: int) -> Span:
    loss = total_loss(run)
    return Span(left(sparkline(loss.values, width, "block") if loss else "", width), "accent")


EMPTY: tuple[Line, ...] = (
    BLANK,
    (Span("  No run yet.", "strong"), Span("  This list fills by itself as soon as one starts on this machine.")),
    BLANK,
    (Span("  1  two lines in the training script", "accent"),),
    (Span("         import dettui_probe as probe"),),
    (Span("         run = probe.watch(model, optimizer, class_names=names)"),),
    BLANK,
    (Span("  2  or no line at all", "accent"),),
    (Span("         python -m dettui_probe train.py --its --own --args"),),
    BLANK,
    (Span("  Nothing to watch at hand?  ", "muted"), Span("dettui demo"), Span("  trains a small detector.", "muted")),
)
"""What a viewer without runs says: both ways to attach one."""


def none_matches(text: str) -> tuple[Line, ...]:
    """What the list says where the filter leaves nothing."""
    return (
        BLANK,
        (Span("  No run matches ", "muted"), Span(harmless(text), "strong"), Span("; esc shows all.", "muted")),
    )
