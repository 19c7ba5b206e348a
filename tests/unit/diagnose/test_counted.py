"""Weights by counting: likelihood ratios, shrunk to what an expert said."""

from __future__ import annotations

import pytest

from dettui.diagnose.catalogue import CATALOGUE
from dettui.diagnose.counted import Counted, Tally, clue_key, shrunk_weight, table


def counts(held: float, asked: float, elsewhere: float, of: float) -> Counted:
    return Counted(Tally(held, asked), Tally(elsewhere, of))


def test_a_clue_that_holds_with_its_cause_alone_is_worth_as_much_as_was_said() -> None:
    assert shrunk_weight(2.0, counts(1, 1, 0, 6)) == 2.0
    assert shrunk_weight(1.0, counts(20, 20, 0, 20)) > 1.5


def test_a_clue_that_holds_everywhere_comes_to_be_worth_nothing() -> None:
    few, many = (shrunk_weight(2.0, counts(n, n, n, n)) for n in (2, 200))
    assert many == pytest.approx(0.1) and many < few < 1.0


def test_without_counts_the_expert_stands() -> None:
    assert shrunk_weight(2.0, counts(0, 0, 0, 0)) == 2.0


def test_a_clue_that_never_held_keeps_the_word_of_the_expert() -> None:
    assert shrunk_weight(2.0, counts(0, 12, 0, 30)) == 2.0


def test_a_contradiction_that_holds_with_its_cause_loses_weight() -> None:
    assert shrunk_weight(-2.0, counts(0, 5, 5, 10)) == -2.0
    assert -0.8 < shrunk_weight(-2.0, counts(2, 3, 6, 24)) < 0


def test_many_counts_silence_a_clue_but_do_not_turn_it() -> None:
    assert 0 < shrunk_weight(2.0, counts(0, 500, 500, 500)) <= 0.1
    assert -0.1 <= shrunk_weight(-2.0, counts(500, 500, 0, 500)) < 0


def test_no_two_clues_of_a_cause_are_counted_as_one() -> None:
    for record in CATALOGUE.values():
        keys = [clue_key(record.id, clue) for clue in record.clues]
        assert len(set(keys)) == len(keys), record.id


def test_every_clue_that_was_counted_is_still_in_the_catalogue() -> None:
    known = {clue_key(record.id, clue) for record in CATALOGUE.values() for clue in record.clues}
    assert set(table()) <= known
