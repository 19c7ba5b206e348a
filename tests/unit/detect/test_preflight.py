"""Failed checks of the pre-flight become proved findings; anything less stays a check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import START, Setting, run_messages
from scenarios.shapes import detector
from unit.engine.runs import feed_of

from dettui.detect.preflight import SYMPTOM_OF_CAUSE
from dettui.diagnose.catalogue import CATALOGUE
from dettui.domain.finding import Diagnosis
from dettui.engine import replay
from dettui_probe import wire

STEPS = 40


def told(check: str, verdict: str = "failed", step: int = 0, **data: Any) -> wire.Event:
    data = {"severity": "certain", "evidence": "41 of 64 markers stayed where they were", **data}
    return wire.Event(step, START + step, "preflight", check, {"check": check, "verdict": verdict, **data})


def diagnosis_of(*events: wire.Event, steps: int = STEPS) -> Diagnosis:
    """What is said of a healthy detector whose pre-flight told *events*."""
    curves = detector(steps, np.random.default_rng(0))
    return replay(feed_of(run_messages(steps, setting=Setting(events=events), **curves))).diagnosis


@pytest.mark.parametrize("cause", SYMPTOM_OF_CAUSE)
def test_a_certain_failure_is_a_finding_with_its_cause_proved(cause: str) -> None:
    (finding,) = diagnosis_of(told("some_check", cause=cause)).findings
    assert (finding.kind, finding.severity, finding.state) == (SYMPTOM_OF_CAUSE[cause], "critical", "active")
    assert finding.evidence[0].text == "41 of 64 markers stayed where they were"
    assert [(c.id, c.certain) for c in finding.causes][:1] == [(cause, True)]


def test_two_failures_have_each_its_own_cause() -> None:
    findings = diagnosis_of(told("a", cause="boxes_wrong_format"), told("b", cause="labels_out_of_range")).findings
    assert {tuple(c.id for c in f.causes) for f in findings} == {("boxes_wrong_format",), ("labels_out_of_range",)}


@pytest.mark.parametrize("change", [{"verdict": "passed"}, {"verdict": "abstained"}, {"severity": "warning"}])
def test_what_passed_abstained_or_is_not_certain_is_no_finding(change: dict[str, Any]) -> None:
    assert diagnosis_of(told("a", **{"cause": "boxes_wrong_format", **change})).findings == ()


def test_a_cause_that_no_check_can_prove_is_no_finding() -> None:
    assert diagnosis_of(told("a", cause="lr_too_high"), told("b", cause="")).findings == ()


def test_a_failure_is_known_before_the_first_step() -> None:
    opening = run_messages(1, setting=Setting(reason=None))[:3]
    known = replay(feed_of([*opening, told("box_format", cause="boxes_wrong_format")])).diagnosis
    assert [(f.kind, f.raised_at_step) for f in known.findings] == [("bad_targets", 0)]


def test_a_check_that_passes_when_it_is_asked_again_resolves_its_finding() -> None:
    first = told("a", cause="boxes_wrong_format")
    again = told("a", "passed", step=10)
    assert [f.state for f in diagnosis_of(first, again, steps=60).findings] == ["resolved"]


def test_every_cause_that_a_check_can_prove_says_so_in_the_catalogue() -> None:
    for cause, kind in SYMPTOM_OF_CAUSE.items():
        assert kind in CATALOGUE[cause].symptoms
        assert CATALOGUE[cause].proofs
