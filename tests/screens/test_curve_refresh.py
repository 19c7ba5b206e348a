"""The correction of Textual's partial updates: right, and still needed."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import textual._compositor
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from dettui.widgets import refresh

RED, BLUE = Style.parse("red on #101010"), Style.parse("bold #0000ff on #101010")
Spans = list[tuple[int, int, int]]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Textual's own module, loaded anew, whatever was installed before."""
    source = Path(str(textual._compositor.__file__))
    spec = importlib.util.spec_from_file_location("untouched_compositor", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def console() -> Console:
    return Console(force_terminal=True, color_system="truecolor", width=80)


def update(kind: type[ChopsUpdate], spans: Spans) -> ChopsUpdate:
    """Two rows: one of two widgets side by side, one of a single widget in two colours and none."""
    two: dict[int, Strip | None] = {0: Strip([Segment("a" * 40, RED)]), 40: Strip([Segment("b" * 40, RED)])}
    one: dict[int, Strip | None] = {0: Strip([Segment("c" * 30, RED), Segment("d" * 40, BLUE), Segment("e" * 10)])}
    return kind([two, one], spans, [[40, 80], [80]])


def on_terminal(text: str) -> list[list[Any]]:
    """Glyph and colours of every cell of two rows after *text*; None where nothing was written."""
    cells: list[list[Any]] = [[None] * 80, [None] * 80]
    x = y = 0
    colours = ""
    for row, column, sgr, glyph in re.findall(r"\x1b\[(\d+);(\d+)H|\x1b\[([0-9;]*)m|([^\x1b\n])", text):
        if row:
            x, y = int(column) - 1, int(row) - 1
        elif glyph:
            cells[y][x], x = (glyph, colours), x + 1
        else:
            colours = "" if sgr in ("", "0") else colours + sgr
    return cells


def glyphs(cells: list[list[Any]]) -> str:
    return "".join(cell[0] for row in cells for cell in row if cell)


def test_only_the_cells_of_the_span_are_sent(console: Console) -> None:
    text = refresh.render_segments(update(ChopsUpdate, [(0, 70, 72), (1, 28, 31)]), console)
    assert glyphs(on_terminal(text)) == "bb" + "ccd"


def test_a_colour_is_sent_once_while_it_lasts(console: Console) -> None:
    text = refresh.render_segments(update(ChopsUpdate, [(0, 5, 6), (0, 60, 61), (1, 3, 4)]), console)
    assert len(re.findall(r"\x1b\[[0-9;]+m", text)) == 2  # the colour, and its end
    assert text.endswith("\x1b[0m")


@pytest.mark.parametrize(
    "spans", [[(0, 0, 80)], [(0, 10, 60), (1, 0, 80)], [(0, 39, 41), (1, 79, 80)], [(0, 0, 40)], [(1, 30, 80)]]
)
def test_the_cells_of_a_span_are_those_that_textual_would_send(
    untouched: ModuleType, console: Console, spans: Spans
) -> None:
    theirs = on_terminal(update(untouched.ChopsUpdate, spans).render_segments(console))
    ours = on_terminal(refresh.render_segments(update(ChopsUpdate, spans), console))
    for y, first, end in spans:
        assert ours[y][first:end] == theirs[y][first:end]
        assert None not in ours[y][first:end]
        assert set(ours[y][:first] + ours[y][end:]) <= {None}


def test_textual_still_sends_more_than_the_span(untouched: ModuleType, console: Console) -> None:
    """Where this fails, Textual crops by itself: drop the correction."""
    theirs = update(untouched.ChopsUpdate, [(1, 68, 70)]).render_segments(console)
    assert len(glyphs(on_terminal(theirs))) == 70


def test_a_version_nobody_looked_at_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textual, "__version__", "8.99.0")
    before = ChopsUpdate.render_segments
    assert not refresh.install()
    assert ChopsUpdate.render_segments is before
