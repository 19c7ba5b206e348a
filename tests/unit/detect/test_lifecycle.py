"""Pending, active, resolved: hysteresis over evaluations."""

from __future__ import annotations

from typing import Any

from dettui.detect.base import Symptom
from dettui.detect.lifecycle import Lifecycle


def symptom(kind: str = "plateau", **changes: Any) -> Symptom:
    known: dict[str, Any] = {"severity": "warning", "first_step": 10, "last_step": 20, "title": "Flat"}
    return Symptom(kind=kind, **{**known, **changes})


def test_a_statistical_symptom_is_raised_at_the_second_evaluation() -> None:
    life = Lifecycle()
    assert life.update([symptom()], 20) == ()
    assert [f.state for f in life.pending] == ["pending"]
    (found,) = life.update([symptom(last_step=40)], 40)
    assert (found.state, found.raised_at_step, found.last_step) == ("active", 40, 40)


def test_two_evaluations_that_are_not_in_a_row_raise_nothing() -> None:
    life = Lifecycle()
    for step, seen in ((20, True), (40, False), (60, True), (80, False)):
        assert life.update([symptom()] if seen else [], step) == ()


def test_an_exact_symptom_is_raised_at_once() -> None:
    (found,) = Lifecycle().update([symptom("bad_targets", exact=True)], 20)
    assert (found.state, found.raised_at_step) == ("active", 20)


def test_five_evaluations_without_it_resolve_a_finding() -> None:
    life = Lifecycle()
    life.update([symptom()], 20)
    life.update([symptom()], 40)
    states = [life.update([], step)[0].state for step in (60, 80, 100, 120, 140)]
    assert states == ["active"] * 4 + ["resolved"]


def test_a_resolved_finding_does_not_come_back_within_its_cool_down() -> None:
    life = Lifecycle()
    for step in (20, 40):
        life.update([symptom()], step)
    for step in (60, 80, 100, 120, 140):
        life.update([], step)
    for step in (160, 180, 320):
        assert [f.state for f in life.update([symptom()], step)] == ["resolved"]
    life.update([symptom()], 340)
    assert [f.state for f in life.update([symptom()], 360)] == ["active", "resolved"]


def test_an_exact_symptom_knows_no_cool_down() -> None:
    life = Lifecycle()
    life.update([symptom(exact=True)], 20)
    for step in (40, 60, 80, 100, 120):
        life.update([], step)
    assert [f.state for f in life.update([symptom(exact=True)], 140)] == ["active", "resolved"]


def test_one_finding_is_open_for_each_kind_and_key() -> None:
    found = Lifecycle().update([symptom(exact=True, key=key) for key in ("a", "b", "b")], 20)
    assert len(found) == 2


def test_a_warning_must_itself_be_seen_twice() -> None:
    life = Lifecycle()
    life.update([symptom(severity="info")], 20)
    assert [f.severity for f in life.update([symptom(severity="warning")], 40)] == ["info"]
    assert [f.severity for f in life.update([symptom(severity="warning")], 60)] == ["warning"]


def test_the_worst_active_finding_comes_first() -> None:
    seen = [symptom("plateau", exact=True), symptom("non_finite", exact=True, severity="critical")]
    assert [f.kind for f in Lifecycle().update(seen, 20)] == ["non_finite", "plateau"]
