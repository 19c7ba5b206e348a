"""The list of runs in words: one row or two for each, aligned columns, worst first as the engine orders them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from dettui.charts.numbers import number
from dettui.charts.sparkline import sparkline
from dettui.detect.evaluations import PREFIX, direction
from dettui.domain.frame import Frame, RunFrame
from dettui.numerics.extremes import best_of
from dettui.widgets.link_text import badges
from dettui.widgets.run_text import eta, headline, progress, rate, total_loss
from dettui.widgets.runs_items import Grouping, Head, Item, Row, host_of
from dettui.widgets.text import (
    BLANK,
    LINE_ROLES,
    Line,
    Role,
    Span,
    crop,
    harmless,
    left,
    right,
    spread,
    width_of,
)
from dettui.widgets.words import BY_CHANCE, SEVERITIES, STATES, Sign, age_of, is_stale, state_of

LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Of runs that were picked, in charts and in lists: colour is never the only sign."""

ONE_ROW_FROM = 150
"""Cells from which a run fits into one row; below it the finding gets a row of its own."""


class Widths(NamedTuple):
    """Cells of each column; 0 where there is none."""

    state: int
    name: int
    host: int
    progress: int
    rate: int
    eta: int
    loss: int
    best: int
    age: int
    spark: int


def widths(width: int, has_hosts: bool = False) -> Widths:
    """The columns of a list *width* cells wide."""
    if width >= ONE_ROW_FROM:
        host = 12 if has_hosts else 0
        return Widths(state=11, name=24, host=host, progress=17, rate=9, eta=8, loss=8, best=8, age=13, spark=16)
    fixed = Widths(state=11, name=0, host=0, progress=15, rate=8, eta=7, loss=7, best=0, age=0, spark=11)
    taken = _LEAD + sum(fixed) - fixed.spark + 5
    return fixed._replace(name=max(10, width - taken))


_LEAD = 3
"""Cells of the cursor and of the letter of a run that was picked."""


def rows_per_run(width: int) -> int:
    """How many lines of the list one run takes."""
    return 1 if width >= ONE_ROW_FROM else 2


def lines_of(item: Item, width: int) -> int:
    """How many lines *item* takes."""
    return 1 if isinstance(item, Head) else rows_per_run(width)


def column_heads(width: int, has_hosts: bool = False) -> Line:
    """The line above the list."""
    w = widths(width, has_hosts)
    heads = [left("", _LEAD - 1), left("state", w.state), left("run", w.name)]
    heads += [left("host", w.host)] if w.host else []
    heads += [right("step", w.progress), right("rate", w.rate), right("left", w.eta), right("loss", w.loss)]
    heads += [right("best", w.best)] if w.best else []
    if rows_per_run(width) == 1:
        heads += [left("data", w.age), left("", w.spark), "worst finding"]
    return crop((Span(" ".join(heads), "muted"),), width)


class Sparks:
    """The sparklines of a list.  Drawing one costs 0.5 ms to 5 ms, so one is drawn again only when its run has grown
    by a part that a row of a dozen cells shows.  Not safe for concurrent use."""

    def __init__(self) -> None:
        self._drawn: dict[str, tuple[int, str]] = {}

    def of(self, run: RunFrame, width: int) -> str:
        """The loss of *run* in *width* cells."""
        loss = total_loss(run)
        if loss is None:
            return " " * width
        points, text = self._drawn.get(run.info.id, (0, ""))
        if len(text) != width or len(loss) > points * (1 + 1 / width):
            text = sparkline(loss.values, width, "block")
            self._drawn[run.info.id] = (len(loss), text)
        return text


class Look(NamedTuple):
    """How a list is looked at."""

    width: int
    selected: str | None = None  # the id of the item under the cursor
    picked: Mapping[str, int] = {}  # id of a run -> its place among those that were picked
    has_hosts: bool = False  # the runs are of several hosts
    by_chance: Collection[str] = frozenset()  # ids of runs whose warnings may be chance among so many


def item_lines(item: Item, look: Look, sparks: Sparks) -> tuple[Line, ...]:
    """The lines of one item."""
    if isinstance(item, Head):
        return (_head_line(item, look),)
    return _run_rows(item, look, Span(sparks.of(item.run, widths(look.width).spark), "accent"))


def rows(frame: Frame, width: int, sparks: Sparks) -> tuple[Line, ...]:
    """The runs of *frame* as a list without groups and cursor."""
    has_hosts = len({host_of(run) for run in frame.runs}) > 1
    look = Look(width, has_hosts=has_hosts, by_chance=frame.by_chance)
    return tuple(line for run in frame.runs for line in item_lines(Row(run), look, sparks))


SIGNS = (SEVERITIES["critical"], SEVERITIES["warning"], BY_CHANCE, SEVERITIES["info"])
"""Of the worst finding of a run in a list, worst first."""


def _signs_of(runs: Iterable[RunFrame], by_chance: Collection[str]) -> Counter[Sign]:
    """How many of *runs* have a worst finding of each sign."""
    worst = ((run.info.id, run.diagnosis.worst) for run in runs)
    return Counter(BY_CHANCE if id in by_chance else SEVERITIES[f.severity] for id, f in worst if f is not None)


def _head_line(head: Head, look: Look) -> Line:
    is_selected = head.id == look.selected
    signs = _signs_of(head.runs, look.by_chance)
    states = Counter(run.liveness.state for run in head.runs)
    told = [Span(f"  {n} {STATES[state].word}", STATES[state].role) for state, n in states.items()]
    if signs:
        sign = next(sign for sign in SIGNS if signs[sign])
        told.append(Span(f"  {sign.glyph} {signs.total()} with findings", sign.role))
    count = f"  {len(head.runs)} run{'s' if len(head.runs) != 1 else ''}"
    return crop(
        (
            Span(left("▸" if is_selected else " ", _LEAD), "accent"),
            Span("▶ " if head.is_folded else "▼ ", "muted"),
            Span(harmless(head.label), "chosen" if is_selected else "strong"),
            Span(count, "muted"),
            *told,
        ),
        look.width,
    )


def _run_rows(row: Row, look: Look, spark: Span) -> tuple[Line, ...]:
    run, width = row.run, look.width
    w, age = widths(width, look.has_hosts), age_of(run)
    lead: Line = (_pointer(row, look), _letter(row, look), Span(" "))
    facts = (*lead, *_facts(row, look, w))
    verdict: Line = (spark, Span(" "), *_ending(run), *headline(run, row.id in look.by_chance))
    if rows_per_run(width) == 1:
        return (crop((*facts, Span(f" {left(f'{age.glyph}{age.word}', w.age)} ", age.role), *verdict), width),)
    stale: Line = (Span(f"{age.glyph}{age.word}  ", age.role),) if is_stale(run) else ()
    return (crop(facts, width), crop((Span(" " * _LEAD), *verdict[:2], *stale, *verdict[2:]), width))


def _ending(run: RunFrame) -> Line:
    """Why a run has stopped or stands still, before anything that was found in its numbers."""
    sign = state_of(run)
    if sign.role not in ("critical", "warning") or not run.liveness.reason:
        return ()
    return (Span(f"{sign.glyph} {harmless(run.liveness.reason)}", sign.role), Span("  "))


def _pointer(row: Row, look: Look) -> Span:
    return Span("▸" if row.id == look.selected else " ", "accent")


def _letter(row: Row, look: Look) -> Span:
    place = look.picked.get(row.id)
    return Span(" ") if place is None else Span(LETTERS[place % len(LETTERS)], LINE_ROLES[place % len(LINE_ROLES)])


def _facts(row: Row, look: Look, w: Widths) -> Line:
    run = row.run
    state, loss = state_of(run), total_loss(run)
    last = loss.last if loss else None
    host = (Span(left(harmless(host_of(run)), w.host), "muted"),) if w.host else ()
    best = (Span(right(number(best_score(run)) if best_score(run) is not None else "", w.best)),) if w.best else ()
    return _blank_between(
        (
            Span(left(f"{state.glyph} {state.word}", w.state), state.role),
            Span(left(harmless(run.info.name), w.name), "chosen" if row.id == look.selected else "strong"),
            *host,
            Span(right(progress(run), w.progress)),
            Span(right(rate(run), w.rate)),
            Span(right(eta(run), w.eta)),
            Span(right(number(last), w.loss), _loss_role(last)),
            *best,
        )
    )


def best_score(run: RunFrame) -> float | None:
    """The best value of the first score that *run* is evaluated by; None where it is not."""
    tag = next((tag for tag in run.series if tag.startswith(PREFIX) and direction(tag) > 0), None)
    best = best_of(run.series[tag], 1) if tag is not None else None
    return None if best is None else best[1]


def _blank_between(spans: Iterable[Span]) -> Line:
    """The columns with one blank after each but the last, kept in the span so that columns stay whole."""
    *first, last = spans
    return (*(Span(f"{text} ", role) for text, role in first), last)


def _loss_role(loss: float | None) -> Role:
    return "critical" if loss is not None and loss - loss != 0 else "plain"


def summary(frame: Frame, listed: int, grouping: Grouping, picked: int, width: int) -> Line:
    """The line above all: how many runs there are, how they fare, which of them are seen, and over which links."""
    runs = frame.runs
    many: list[Span] = [Span(f" {len(runs)} run{'s' if len(runs) != 1 else ''}", "strong")]
    states = Counter(run.liveness.state for run in runs)
    many += [
        Span(f"  {sign.glyph} {states[state]} {sign.word}", sign.role)
        for state, sign in STATES.items()
        if states[state]
    ]
    signs = _signs_of(runs, frame.by_chance)
    many += [
        Span(f"  {sign.glyph} {signs[sign]}", sign.role)
        for sign in (SEVERITIES["critical"], SEVERITIES["warning"])
        if signs[sign]
    ]
    if signs[BY_CHANCE]:
        told = f" {signs[BY_CHANCE]} {BY_CHANCE.word} among {len(runs)} runs"
        many += [Span(f"  {BY_CHANCE.glyph}", BY_CHANCE.role), Span(told, "muted")]
    seen: list[Span] = []
    if listed < len(runs):
        seen.append(Span(f"  {listed} of {len(runs)} shown", "warning"))
    if picked:
        seen.append(Span(f"  {picked} picked", "accent"))
    if grouping:
        seen.append(Span(f"  by {grouping}", "muted"))
    links = badges(frame.links, frame.made_at)
    if links and width_of((*many, *seen, *links)) + 2 < width:
        seen += [Span("  "), *links]
    return spread(tuple(many), tuple(seen), width)


EMPTY: tuple[Line, ...] = (
    BLANK,
    (Span("  No run yet.", "strong"), Span("  This list fills by itself as soon as one starts.")),
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
