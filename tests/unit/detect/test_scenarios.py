"""Every rule on named runs: raised in time on faulty ones, silent on healthy ones."""

from __future__ import annotations

import pytest
from scenarios.all import FAULTY, HEALTHY
from scenarios.play import play
from scenarios.scenario import Scenario

from dettui.domain.finding import SYMPTOMS

FEW, MANY = range(1), range(10)


def by_name(scenario: Scenario) -> str:
    return scenario.name


def assert_silent(scenario: Scenario, seed: int) -> None:
    played = play(scenario.messages(seed))
    assert [(f.kind, f.raised_at_step, f.title) for f in played.findings if f.severity != "info"] == []


def assert_found(scenario: Scenario, seed: int) -> None:
    played = play(scenario.messages(seed))
    assert set(scenario.kinds) <= played.kinds()
    assert played.kinds() <= {*scenario.kinds, *scenario.also}
    first = played.first(*scenario.kinds)
    assert first is not None
    assert scenario.by_step is None or first.raised_at_step <= scenario.by_step


@pytest.mark.parametrize("scenario", HEALTHY, ids=by_name)
def test_a_healthy_run_raises_no_warning(scenario: Scenario) -> None:
    for seed in FEW:
        assert_silent(scenario, seed)


@pytest.mark.parametrize("scenario", FAULTY, ids=by_name)
def test_a_fault_is_found_in_time_and_nothing_else_is_claimed(scenario: Scenario) -> None:
    for seed in FEW:
        assert_found(scenario, seed)


@pytest.mark.long
@pytest.mark.parametrize("scenario", HEALTHY, ids=by_name)
def test_a_healthy_run_raises_no_warning_over_ten_seeds(scenario: Scenario) -> None:
    for seed in MANY:
        assert_silent(scenario, seed)


@pytest.mark.long
@pytest.mark.parametrize("scenario", FAULTY, ids=by_name)
def test_a_fault_is_found_over_ten_seeds(scenario: Scenario) -> None:
    for seed in MANY:
        assert_found(scenario, seed)


def test_there_are_twenty_scenarios_of_either_sort_and_no_name_twice() -> None:
    assert len(HEALTHY) >= 20
    assert len(FAULTY) >= 20
    names = [s.name for s in (*HEALTHY, *FAULTY)]
    assert len(set(names)) == len(names)


def test_scenarios_speak_the_vocabulary_of_symptoms() -> None:
    assert {kind for s in FAULTY for kind in (*s.kinds, *s.also)} <= set(SYMPTOMS)


def test_a_scenario_is_the_same_for_the_same_seed() -> None:
    assert HEALTHY[0].messages(3) == HEALTHY[0].messages(3)
    assert HEALTHY[0].messages(3) != HEALTHY[0].messages(4)
