"""The list of runs in words: one row or two for each, aligned columns, worst first as the engine orders them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dettui.charts.numbers import number
from dettui.charts.sparkline import sparkline
from dettui.domain.frame import RunFrame
from dettui.widgets.run_text import eta, headline, progress, rate, total_loss
from dettui.widgets.text import BLANK, Line, Role, Span, crop, harmless, left, right
from dettui.widgets.words import age_of, is_stale, state_of

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
        return Widths(state=11, name=24, progress=17, rate=9, eta=8, loss=8, age=13, spark=16)
    fixed = Widths(state=11, name=0, progress=15, rate=8, eta=7, loss=7, age=0, spark=11)
    taken = 2 + sum(fixed) - fixed.spark + 5
    return fixed._replace(name=max(10, width - taken))


def rows_per_run(width: int) -> int:
    """How many lines of the list one run takes."""
    return 1 if width >= ONE_ROW_FROM else 2


def column_heads(width: int) -> Line:
    """The line above the list."""
    w = widths(width)
    heads = [left("", 1), left("state", w.state), left("run", w.name), right("step", w.progress)]
    heads += [right("rate", w.rate), right("left", w.eta), right("loss", w.loss)]
    if rows_per_run(width) == 1:
        heads += [left("data", w.age), left("", w.spark), "worst finding"]
    return crop((Span(" ".join(heads), "muted"),), width)


class Sparks:
    """The sparklines of a list.  Drawing one costs 0.5 ms to 5 ms, so one is drawn again only when its run has grown
    by a hundredth, which a row of a dozen cells hardly shows.  Not safe for concurrent use."""

    def __init__(self) -> None:
        self._drawn: dict[str, tuple[int, str]] = {}

    def of(self, run: RunFrame, width: int) -> str:
        """The loss of *run* in *width* cells."""
        loss = total_loss(run)
        if loss is None:
            return " " * width
        points, text = self._drawn.get(run.info.id, (0, ""))
        if len(text) != width or len(loss) > points * 1.01:
            text = sparkline(loss.values, width, "block")
            self._drawn[run.info.id] = (len(loss), text)
        return text


def rows(runs: Sequence[RunFrame], selected: str | None, width: int, sparks: Sparks) -> tuple[Line, ...]:
    """The list; *selected* is the id of the run under the cursor."""
    w = widths(width)
    return tuple(
        line
        for run in runs
        for line in _run_rows(run, run.info.id == selected, width, Span(sparks.of(run, w.spark), "accent"))
    )


def _run_rows(run: RunFrame, is_selected: bool, width: int, spark: Span) -> tuple[Line, ...]:
    w, age = widths(width), age_of(run)
    facts = _facts(run, is_selected, w)
    verdict: Line = (spark, Span(" "), *headline(run.diagnosis))
    if rows_per_run(width) == 1:
        return (crop((*facts, Span(f" {left(f'{age.glyph}{age.word}', w.age)} ", age.role), *verdict), width),)
    stale: Line = (Span(f"{age.glyph}{age.word}  ", age.role),) if is_stale(run) else ()
    return (crop(facts, width), crop((Span("  "), *verdict[:2], *stale, *verdict[2:]), width))


def _facts(run: RunFrame, is_selected: bool, w: Widths) -> Line:
    state, loss = state_of(run), total_loss(run)
    last = loss.last if loss else None
    return _blank_between(
        (
            Span("▸" if is_selected else " ", "accent"),
            Span(left(f"{state.glyph} {state.word}", w.state), state.role),
            Span(left(harmless(run.info.name), w.name), "chosen" if is_selected else "strong"),
            Span(right(progress(run), w.progress)),
            Span(right(rate(run), w.rate)),
            Span(right(eta(run), w.eta)),
            Span(right(number(last), w.loss), _loss_role(last)),
        )
    )


def _blank_between(spans: Iterable[Span]) -> Line:
    """The columns with one blank after each but the last, kept in the span so that columns stay whole."""
    *first, last = spans
    return (*(Span(f"{text} ", role) for text, role in first), last)


def _loss_role(loss: float | None) -> Role:
    return "critical" if loss is not None and loss - loss != 0 else "plain"


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
