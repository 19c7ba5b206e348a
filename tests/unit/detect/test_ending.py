"""What an exception says of its cause."""

from __future__ import annotations

import pytest
from scenarios.build import START, Setting, run_messages
from scenarios.play import play

from dettui_probe import tags, wire


def ended(reason: str, text: str) -> set[str]:
    """Kinds of warnings on a run of 20 good steps that ended so."""
    messages = run_messages(20, setting=Setting(family=None, reason=None), **{tags.LOSS_TOTAL: 1.0})
    bye = wire.Bye(START + 3, 20, reason, 1, text)
    rows = [m for m in messages if isinstance(m, wire.Batch)]
    others = [m for m in messages if not isinstance(m, wire.Batch)]
    return play([*others, bye, *rows]).kinds()


@pytest.mark.parametrize(
    "text",
    [
        "IndexError: Target 6 is out of bounds.",
        "Traceback (most recent call last):\n  ...\nAssertionError: All bounding boxes should have positive height and "
        "width. Found invalid box [0.0, 1.0, 0.0, 4.0] for target at index 0.",
    ],
)
def test_an_exception_that_names_its_cause_is_a_finding(text: str) -> None:
    assert ended("exception", text) == {"bad_targets"}


def test_any_other_exception_is_none() -> None:
    assert ended("exception", "KeyError: 'loss'") == set()


def test_words_of_a_run_that_ended_well_are_none() -> None:
    assert ended("finished", "IndexError: Target 6 is out of bounds.") == set()
