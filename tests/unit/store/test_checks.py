"""Events of checks and of bad targets become values, whoever wrote them."""

from __future__ import annotations

import math
from typing import Any

from dettui.domain.check import BadTarget, Check
from dettui.store.checks import bad_target_of, checks_of
from dettui_probe import wire

STARTED = 100.0


def told(check: str, verdict: str, at: float = STARTED, **data: Any) -> wire.Event:
    return wire.Event(0, at, "preflight", f"{check}: ...", {"check": check, "verdict": verdict, **data})


def bad_target(**data: Any) -> wire.Event:
    return wire.Event(7, STARTED, "bad_target", "degenerate: box [1, 2, 1, 9] in an image of 64 x 48", data)


def test_a_check_keeps_its_verdict_its_cause_and_what_to_do() -> None:
    event = told(
        "box_format", "failed", severity="certain", cause="boxes_wrong_format", evidence="e", remedy="r", seconds=0.5
    )
    assert checks_of([event], since=STARTED) == (
        Check("box_format", "failed", "e", "certain", "boxes_wrong_format", "r", 0.5, 0),
    )


def test_both_spellings_of_a_warning_are_read() -> None:
    events = [told("a", "failed", severity="warn"), told("b", "failed", severity="warning")]
    assert [check.weight for check in checks_of(events, since=STARTED)] == ["warning", "warning"]


def test_a_check_that_is_asked_again_keeps_its_place_and_has_its_newest_answer() -> None:
    events = [told("a", "failed"), told("b", "passed"), told("a", "passed")]
    assert [(c.name, c.verdict) for c in checks_of(events, since=STARTED)] == [("a", "passed"), ("b", "passed")]


def test_answers_of_an_earlier_start_say_nothing_about_this_one() -> None:
    assert checks_of([told("a", "failed", at=STARTED - 1.0)], since=STARTED) == ()


def test_what_is_no_check_is_left_out() -> None:
    events = [told("", "passed"), told("a", "perhaps"), wire.Event(0, STARTED, "preflight", "x", {"check": [1]})]
    assert checks_of(events, since=STARTED) == ()


def test_a_bad_target_names_its_file_and_its_box() -> None:
    event = bad_target(what="degenerate", image=2, box_index=4, box=[1, 2, 1, 9.5], width=64, height=48, file="7.jpg")
    assert bad_target_of(event) == BadTarget(
        7, "degenerate", "box [1, 2, 1, 9] in an image of 64 x 48", 2, "7.jpg", 4, (1.0, 2.0, 1.0, 9.5), None, (64, 48)
    )


def test_an_image_id_stands_for_a_file_name() -> None:
    assert bad_target_of(bad_target(file=1234)).file == "1234"


def test_a_box_of_nan_is_still_a_box() -> None:
    box = bad_target_of(bad_target(box=[1.0, 2.0, math.nan, 4.0])).box
    assert len(box) == 4
    assert math.isnan(box[2])


def test_nonsense_in_a_bad_target_is_absent_and_raises_nothing() -> None:
    read = bad_target_of(bad_target(what=None, image="x", box=["a", 1, 2, 3], width=True, height=3, label=[1]))
    assert (read.what, read.image, read.box, read.size, read.label) == ("degenerate", 0, (), None, None)
