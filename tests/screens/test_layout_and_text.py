"""What holds for every size and every text: panes do not overlap, lines do not overflow, nothing is obeyed."""

from __future__ import annotations

from itertools import combinations
from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.geometry import Size

from dettui.screens.layout import PANES, PaneName, plan
from dettui.widgets.text import Span, crop, harmless, left, right, spread, width_of, wrap

ROOMS = st.builds(Size, st.integers(60, 300), st.integers(12, 120))
TEXTS = st.text(max_size=80)
WIDTHS = st.integers(1, 60)


@given(ROOMS, st.sampled_from(PANES), st.booleans(), st.booleans())
def test_panes_stay_in_the_room_apart_from_each_other_and_the_focused_one_is_there(
    room: Size, focused: PaneName, is_maximised: bool, has_evaluations: bool
) -> None:
    there = [pane for pane in PANES if pane != "eval" or has_evaluations or focused == "eval"]
    panes = plan(room, focused, is_maximised, there)
    assert set(panes) <= set(there)
    assert focused in panes
    assert all(room.region.contains_region(pane) and pane.area > 0 for pane in panes.values())
    assert not any(one.overlaps(other) for one, other in combinations(panes.values(), 2))


@given(TEXTS)
def test_harmless_text_holds_neither_control_nor_format_characters(text: str) -> None:
    assert not {category(character) for character in harmless(text)} & {"Cc", "Cf"}


@given(TEXTS.map(harmless), WIDTHS)
def test_columns_are_exactly_as_wide_as_asked(text: str, width: int) -> None:
    assert cell_len(left(text, width)) == width
    assert cell_len(right(text, width)) == width


@given(TEXTS.map(harmless), TEXTS.map(harmless), WIDTHS)
def test_a_spread_line_fits(first: str, last: str, width: int) -> None:
    assert width_of(spread((Span(first),), (Span(last),), width)) <= width
    assert width_of(crop((Span(first), Span(last)), width)) <= width


@given(TEXTS.map(harmless), st.integers(2, 60))
def test_wrapping_keeps_every_character_but_blanks(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert all(cell_len(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(text.split())
