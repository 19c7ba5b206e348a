"""The correction of Textual's partial updates: right, and still needed."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import textual._compositor
from rich.console import Console
from rich.segment import Segment
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from dettui.widgets import refresh


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


def chops() -> tuple[list[dict[int, Strip | None]], list[list[int]]]:
    """Two rows: one of two widgets side by side, one of a single widget."""
    two: dict[int, Strip | None] = {0: Strip([Segment("a" * 40)]), 40: Strip([Segment("b" * 40)])}
    return [two, {0: Strip([Segment("c" * 30), Segment("d" * 50)])}], [[40, 80], [80]]


def sent(text: str) -> str:
    """The glyphs in *text*, without its control sequences."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\n", "", text)


def after(text: str) -> list[str]:
    """What two rows of dots look like after *text*."""
    rows = [["."] * 80, ["."] * 80]
    for y, x, glyphs in re.findall(r"\x1b\[(\d+);(\d+)H((?:[a-d]|\x1b\[[0-9;]*m)*)", text):
        for i, glyph in enumerate(sent(glyphs)):
            rows[int(y) - 1][int(x) - 1 + i] = glyph
    return ["".join(row) for row in rows]


def test_only_the_cells_of_the_span_are_sent() -> None:
    update = ChopsUpdate(chops()[0], [(0, 70, 72), (1, 28, 31)], chops()[1])
    assert sent(refresh.render_segments(update, Console())) == "bb" + "ccd"


@pytest.mark.parametrize(
    "spans", [[(0, 0, 80)], [(0, 10, 60), (1, 0, 80)], [(0, 39, 41), (1, 79, 80)], [(0, 0, 40)], [(1, 30, 80)]]
)
def test_the_cells_of_a_span_are_those_that_textual_would_send(
    untouched: ModuleType, spans: list[tuple[int, int, int]]
) -> None:
    theirs = after(untouched.ChopsUpdate(chops()[0], spans, chops()[1]).render_segments(Console()))
    ours = after(refresh.render_segments(ChopsUpdate(chops()[0], spans, chops()[1]), Console()))
    for y, first, end in spans:
        assert ours[y][first:end] == theirs[y][first:end]
        assert "." not in ours[y][first:end]
        assert set(ours[y][:first] + ours[y][end:]) <= {"."}


def test_textual_still_sends_more_than_the_span(untouched: ModuleType) -> None:
    """Where this fails, Textual crops by itself: drop the correction."""
    theirs = untouched.ChopsUpdate(chops()[0], [(1, 70, 72)], chops()[1])
    assert len(sent(theirs.render_segments(Console()))) == 72


def test_a_version_nobody_looked_at_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textual, "__version__", "8.99.0")
    before = ChopsUpdate.render_segments
    assert not refresh.install()
    assert ChopsUpdate.render_segments is before
