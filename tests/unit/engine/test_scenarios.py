"""Every named scenario through the engine: the right cause comes first, and healthy runs get no warning."""

from __future__ import annotations

import pytest
from scenarios.all import FAULTY, HEALTHY
from scenarios.scenario import Scenario
from unit.engine.runs import arrival

from dettui.domain.frame import RunFrame
from dettui.engine import Engine, EvaluationGrid
from dettui.engine.grid import Strides
from dettui.feed.scripted import ScriptedFeed

STRIDES = Strides(((80, 8),), 40)
COARSE = EvaluationGrid(STRIDES, STRIDES)
"""A fifth of the evaluations: what is named must not hang on how often one looks."""


def play(scenario: Scenario, seed: int = 0) -> RunFrame:
    engine = Engine(ScriptedFeed([arrival(scenario.messages(seed))]), clock=lambda: 0.0, grid=COARSE)
    engine.pump()
    return engine.frame().runs[0]


@pytest.mark.parametrize("scenario", FAULTY, ids=lambda s: s.name)
def test_fault_is_found_and_its_cause_comes_first(scenario: Scenario) -> None:
    diagnosis = play(scenario).diagnosis
    assert diagnosis.verdict == "findings"
    if scenario.cause is not None:
        assert diagnosis.causes[0].id == scenario.cause


@pytest.mark.parametrize("scenario", [s for s in FAULTY if s.cause is None], ids=lambda s: s.name)
def test_fault_without_a_telling_signal_is_never_called_certain(scenario: Scenario) -> None:
    assert not any(cause.certain for cause in play(scenario).diagnosis.causes)


@pytest.mark.parametrize("scenario", HEALTHY, ids=lambda s: s.name)
def test_healthy_run_is_called_healthy(scenario: Scenario) -> None:
    diagnosis = play(scenario).diagnosis
    assert [f.title for f in diagnosis.findings if f.severity != "info"] == []
    assert diagnosis.verdict == "healthy"
