"""Runs side by side in words: the table under their curves, and in what they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dettui.charts.heading import value_at
from dettui.charts.numbers import MISSING, count, number, with_unit
from dettui.domain.frame import RunFrame
from dettui.domain.series import Series
from dettui.numerics.extremes import best_of
from dettui.widgets.differences import Difference
from dettui.widgets.run_text import rate
from dettui.widgets.runs_text import LETTERS
from dettui.widgets.text import BLANK, LINE_ROLES, Line, Span, crop, harmless, left, right, width_of, wrap
from dettui.widgets.words import state_of


class Entry(NamedTuple):
    """One run of the table."""

    run: RunFrame
    place: int
    series: Series | None  # the metric, on the axis of the chart
    is_hidden: bool = False

    @property
    def letter(self) -> Span:
        """In the run's colour."""
        return letter(self.place)


class Shown(NamedTuple):
    """What the table is to tell."""

    metric: str
    better: int  # 1, -1 or 0
    baseline: str | None
    selected: str | None
    cursor: int | None
    others: tuple[tuple[str, int], ...]  # further metrics, and which way they are better


def letter(place: int) -> Span:
    """The letter of a run in its colour."""
    return Span(LETTERS[place % len(LETTERS)], LINE_ROLES[place % len(LINE_ROLES)])


_NAME, _STATE, _STEP, _RATE, _VALUE, _AT = 18, 11, 9, 8, 9, 9


def table(entries: Sequence[Entry], shown: Shown, width: int) -> tuple[Line, ...]:
    """Heads, then one line for each run."""
    columns = list(_columns(entries, shown, has_words=width >= _WORDS_FROM))
    name = max(10, min(30, width - 4 - sum(c.width + 1 for c in columns if not c.is_extra)))
    room = width - 4 - name
    kept = []
    for column in columns:
        if room >= column.width + 1:
            kept.append(column)
            room -= column.width + 1
    heads: Line = (Span(left("", 4) + left("run", name), "muted"), *(Span(f" {c.head}", "muted") for c in kept))
    rows = [_row(index, entry, shown, name, kept) for index, entry in enumerate(entries)]
    return tuple(crop(line, width) for line in (heads, *rows))


class _Column(NamedTuple):
    head: str
    width: int
    cells: tuple[Span, ...]
    is_extra: bool = False  # left out before names are shortened


_WORDS_FROM = 100
"""Cells from which a state has its word and the best value its step, beside names that can be told apart."""


def _columns(entries: Sequence[Entry], shown: Shown, has_words: bool) -> Iterator[_Column]:
    signs = [state_of(entry.run) for entry in entries]
    words = [Span(f"{sign.glyph} {sign.word}" if has_words else sign.glyph, sign.role) for sign in signs]
    yield _column("state" if has_words else "", _STATE if has_words else 1, words, to_left=True)
    yield _column("step", _STEP, [Span(count(entry.run.vitals.step)) for entry in entries])
    yield from _metric(entries, shown, has_words)
    yield _column("rate", _RATE, [Span(rate(entry.run)) for entry in entries], is_extra=True)
    for tag, better in shown.others:
        series = [entry.run.series.get(tag) for entry in entries]
        yield _column(
            tag if len(tag) <= 10 else tag.rpartition("/")[2],
            10,
            [Span(_said(s.last if s else None, s)) for s in series],
            is_extra=True,
        )
        if better:
            bests = [best_of(s, better) if s is not None else None for s in series]
            yield _column("best", _VALUE, _ranked(bests, better, series), is_extra=True)


def _metric(entries: Sequence[Entry], shown: Shown, has_words: bool) -> Iterator[_Column]:
    series = [entry.series for entry in entries]
    base = next((entry.series for entry in entries if entry.run.info.id == shown.baseline), None)
    if shown.cursor is not None:
        at = [value_at(s, shown.cursor) if s is not None else None for s in series]
        yield _column("at cursor", _VALUE, [Span(_said(v, s), "accent") for v, s in zip(at, series, strict=True)])
    lasts = [s.last if s is not None else None for s in series]
    yield _column("last", _VALUE, [Span(_said(v, s)) for v, s in zip(lasts, series, strict=True)])
    bests = [best_of(s, shown.better) if s is not None else None for s in series]
    if shown.better:
        yield _column("best", _VALUE, _ranked(bests, shown.better, series))
    if base is not None:
        own = best_of(base, shown.better)
        against = own[1] if own else base.last
        values = [best[1] if best else last for best, last in zip(bests, lasts, strict=True)]
        yield _column("to base", _VALUE, [_difference(value, against, shown.better) for value in values])
    if shown.better:
        raw = [entry.run.series.get(shown.metric) for entry in entries]
        steps = [best_of(s, shown.better) if s is not None else None for s in raw]
        cells = [Span(count(best[0]) if best else "", "muted") for best in steps]
        yield _column("@ step", _AT, cells, is_extra=not has_words)


def _ranked(bests: Sequence[tuple[int, float] | None], better: int, series: Sequence[Series | None]) -> list[Span]:
    """Best values; the best of all has a star."""
    known = [best[1] for best in bests if best is not None]
    top = (max if better > 0 else min)(known) if len(known) > 1 else None
    return [
        Span(f"{'★ ' if best and best[1] == top else ''}{_said(best[1] if best else None, s)}",
             "good" if best and best[1] == top else "plain")
        for best, s in zip(bests, series, strict=True)
    ]  # fmt: skip


def _difference(value: float | None, base: float | None, better: int) -> Span:
    if value is None or base is None:
        return Span(MISSING, "muted")
    gap = value - base
    if gap == 0:
        return Span("=", "muted")
    role = "good" if gap * better > 0 else "warning" if better else "plain"
    return Span(f"{'+' if gap > 0 else '-'}{number(abs(gap))}", role)  # type: ignore[arg-type]


def _said(value: float | None, series: Series | None) -> str:
    return with_unit(value, series.unit if series is not None else "") if value is not None else MISSING


def _column(head: str, width: int, cells: Iterable[Span], *, to_left: bool = False, is_extra: bool = False) -> _Column:
    put = left if to_left else right
    return _Column(put(head, width), width, tuple(Span(put(c.text, width), c.role) for c in cells), is_extra)


def _row(index: int, entry: Entry, shown: Shown, name: int, columns: Sequence[_Column]) -> Line:
    is_selected = entry.run.info.id == shown.selected
    is_base = entry.run.info.id == shown.baseline
    role = "chosen" if is_selected else "muted" if entry.is_hidden else "strong"
    return (
        Span("▸" if is_selected else " ", "accent"),
        Span(" ") if entry.is_hidden else entry.letter,
        Span("=" if is_base else " ", "accent"),
        Span(" "),
        Span(left(harmless(entry.run.info.name), name), role),  # type: ignore[arg-type]
        *(Span(f" {cell.text}", cell.role) for cell in (column.cells[index] for column in columns)),
    )


def differing(found: Sequence[Difference], places: Sequence[int], width: int) -> tuple[Line, ...]:
    """The differences as text: each value once, with the letters of the runs that have it."""
    if not found:
        return (BLANK, (Span("  nothing: they were told the same", "muted"),))
    label = min(18, max(width_of((Span(d.name),)) for d in found) + 1, width // 3)
    lines: list[Line] = []
    for difference in found:
        head = Span(left(harmless(difference.name), label) + " ", "accent")
        for value, runs in difference.values.items():
            letters = tuple(letter(places[run]) for run in runs)
            room = max(8, width - label - 3 - len(letters))
            first, *more = wrap(harmless(value), room)[:3] or (MISSING,)
            lines.append(crop((head, *letters, Span(f" {first}")), width))
            lines += [(Span(" " * (label + 2 + len(letters)) + part),) for part in more]
            head = Span(" " * (label + 1))
    return tuple(lines)
