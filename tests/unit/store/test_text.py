"""clean: strings of a run, made fit for a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dettui.store.text import clean, clean_lines, clean_mapping


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("Größe 图 🙂", "Größe 图 🙂"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("\x1b(0x\x1bcx", "xx"),
        ("a\r\nb\tc", "a b c"),
        ("\x9b31mx", "x"),
        ("abc\u202edef\u200b\ufeff", "abcdef"),
        ("\ud800x", "x"),
    ],
)
def test_what_is_shown(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text())
def test_nothing_that_steers_a_terminal_gets_through(raw: str) -> None:
    assert not [char for char in clean(raw) if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]


@given(st.text(max_size=50))
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    assert clean(clean(raw)) == clean(raw)


def test_length_is_bounded() -> None:
    assert clean("x" * 10_000_000, 5) == "xxxxx"


def test_lines_stay_and_the_end_is_kept() -> None:
    assert clean_lines("a\x1b[2J\nb") == "a\nb"
    assert clean_lines("first" + "\nx" * 100, limit=3) == "x\nx"


def test_mappings_are_bounded_in_depth_and_size() -> None:
    deep: dict[str, object] = {"a": {"b": {"c": {"d": 1}}}, "n": 1.5, "none": None, "o": object()}
    assert clean_mapping(deep) == {"a": {"b": {"c": "dict"}}, "n": 1.5, "none": None, "o": "object"}
    assert len(clean_mapping({str(n): n for n in range(5_000)})) == 1_000
