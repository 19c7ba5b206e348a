"""Warnings across many runs: e-values, and which of them stand out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dettui.diagnose.across_runs import ALPHA, Chances, by_chance, chances, e_value_of, first_warning
from dettui.domain.finding import SYMPTOMS, Cause, Diagnosis, Finding, FindingState, Severity

TABLE = Chances(healthy_runs=299, healthy={"spike": 2}, faults={"spike": 10, "overfit": 30})

E_VALUES = st.lists(st.one_of(st.just(math.inf), st.floats(0, 1e6)), min_size=1, max_size=80)


def finding(kind: str, raised: int = 100, severity: Severity = "warning", state: FindingState = "active") -> Finding:
    return Finding(kind, severity, state, raised, raised, raised, kind)


def judged(*findings: Finding) -> Diagnosis:
    return Diagnosis(500, findings, lacks=())


def certain(told: Finding) -> Finding:
    return replace(told, causes=(Cause("boxes_wrong_format", 0.99, True),))


# --- e-values -----------------------------------------------------------------------------------------------------


def mean_of_healthy(table: Chances) -> float:
    return sum(count / max(table.healthy_runs, 1) * table.e_value(kind) for kind, count in table.healthy.items())


def test_the_table_in_force_gives_its_own_healthy_runs_one_at_most() -> None:
    assert mean_of_healthy(chances()) <= 1


@given(
    st.dictionaries(st.sampled_from(SYMPTOMS), st.integers(0, 40)),
    st.dictionaries(st.sampled_from(SYMPTOMS), st.integers(0, 200)),
    st.integers(0, 500),
)
def test_any_table_gives_its_own_healthy_runs_one_at_most(
    healthy: dict[str, int], faults: dict[str, int], silent: int
) -> None:
    assert mean_of_healthy(Chances(sum(healthy.values()) + silent, healthy, faults)) <= 1 + 1e-9


@given(st.lists(st.sampled_from(("", "", "", *SYMPTOMS[:4])), min_size=1, max_size=60))
def test_a_run_that_might_have_been_any_of_those_counted_gets_one_at_most(first: list[str]) -> None:
    """Each run in turn is looked at, and all the others were counted."""
    faults = {kind: 1 + place for place, kind in enumerate(SYMPTOMS[:4])}
    e_values = []
    for place, kind in enumerate(first):
        others = [*first[:place], *first[place + 1 :]]
        table = Chances(len(others), {other: others.count(other) for other in others if other}, faults)
        e_values.append(table.e_value(kind) if kind else 0.0)
    assert float(np.mean(e_values)) <= 1 + 1e-9


def test_a_kind_that_healthy_runs_raise_speaks_less_than_one_that_only_faults_do() -> None:
    assert TABLE.e_value("spike") < replace(TABLE, healthy={"overfit": 2}).e_value("spike")


def test_the_kind_that_was_raised_first_counts_even_when_it_is_over() -> None:
    over = finding("spike", 90, state="resolved")
    assert first_warning((finding("overfit", 400), over)) == "spike"
    assert e_value_of(judged(finding("overfit", 400), over), TABLE) == TABLE.e_value("spike")


def test_no_warning_says_nothing_against_a_healthy_run() -> None:
    assert e_value_of(judged(), TABLE) == 0
    assert e_value_of(judged(finding("imbalance", severity="info")), TABLE) == 0
    assert e_value_of(judged(replace(finding("config_smell", severity="info"), exact=True)), TABLE) == 0


@pytest.mark.parametrize(
    "proved",
    [
        finding("non_finite", severity="critical"),
        replace(finding("no_update"), exact=True),
        certain(finding("bad_targets")),
        certain(finding("bad_targets", state="resolved")),
    ],
)
def test_a_proof_is_no_matter_of_chance(proved: Finding) -> None:
    assert e_value_of(judged(finding("spike", 50), proved), TABLE) == math.inf


def test_a_run_that_was_not_looked_at_has_no_e_value() -> None:
    assert e_value_of(Diagnosis(0), TABLE) is None
    assert e_value_of(Diagnosis(20, lacks=("20 of 200 steps",)), TABLE) == 0  # rules look from the first steps on


@pytest.mark.parametrize("kind", SYMPTOMS)
def test_a_warning_stands_on_a_list_of_up_to_three_runs(kind: str) -> None:
    assert by_chance([chances().e_value(kind), 0.0, 0.0])[0] is False


# --- e-BH ---------------------------------------------------------------------------------------------------------


@given(st.floats(0, 1e6))
def test_one_run_alone_stands_from_one_over_alpha_on(e: float) -> None:
    assert by_chance([e]) == [e < 1 / ALPHA]


@given(E_VALUES)
def test_what_is_proved_always_stands_and_leaves_the_others_as_they_are(e_values: list[float]) -> None:
    marks = by_chance(e_values)
    assert not any(mark for e, mark in zip(e_values, marks, strict=True) if e == math.inf)
    others = [e for e in e_values if e != math.inf]
    assert [mark for e, mark in zip(e_values, marks, strict=True) if e != math.inf] == by_chance(others)


@given(E_VALUES, st.data())
def test_more_evidence_on_one_run_takes_the_standing_from_none(e_values: list[float], data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(e_values) - 1))
    more = [e + data.draw(st.floats(0, 1e6)) if place == which else e for place, e in enumerate(e_values)]
    before, after = by_chance(e_values), by_chance(more)
    assert all(was or not now for was, now in zip(before, after, strict=True))


@given(E_VALUES)
def test_who_has_more_evidence_stands_where_one_with_less_does(e_values: list[float]) -> None:
    marks = by_chance(e_values)
    least = min((e for e, mark in zip(e_values, marks, strict=True) if not mark), default=math.inf)
    assert all(not mark for e, mark in zip(e_values, marks, strict=True) if e >= least)


@given(E_VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(e_values: list[float], random: object) -> None:
    order = list(range(len(e_values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    marks = by_chance(e_values)
    assert by_chance([e_values[place] for place in order]) == [marks[place] for place in order]


def test_one_warning_of_many_runs_may_be_chance_and_many_are_not() -> None:
    assert by_chance([200.0, *[0.0] * 63])[0] is True
    assert by_chance([200.0] * 4 + [0.0] * 60)[:4] == [False] * 4


def lists_of_runs(rate: float, broken: int, runs: int = 64, lists: int = 4000) -> NDArray[np.float64]:
    """E-values of *lists* lists: healthy runs are warned of at *rate*, the first *broken* ones always."""
    warned = np.random.default_rng(7).random((lists, runs)) < rate
    warned[:, :broken] = True
    return warned / rate


def false_share(marks: Sequence[bool], warned: NDArray[np.bool_], broken: int) -> float:
    standing = [not mark and bool(was) for mark, was in zip(marks, warned, strict=True)]
    return sum(standing[broken:]) / max(sum(standing), 1)


@pytest.mark.parametrize("broken", [0, 1, 10])
@pytest.mark.parametrize("rate", [1 / 700, 1 / 100, 1 / 30])
def test_of_the_warnings_that_stand_chance_brings_no_more_than_alpha(rate: float, broken: int) -> None:
    lists = lists_of_runs(rate, broken)
    shares = [false_share(by_chance(list(e_values)), e_values > 0, broken) for e_values in lists]
    assert float(np.mean(shares)) <= ALPHA + 3 * float(np.std(shares)) / math.sqrt(len(shares))


def test_without_it_chance_alone_fills_half_of_such_lists() -> None:
    lists = lists_of_runs(1 / 100, broken=0)
    all_stand = [false_share([False] * len(e_values), e_values > 0, 0) for e_values in lists]
    assert float(np.mean(all_stand)) > 4 * ALPHA
