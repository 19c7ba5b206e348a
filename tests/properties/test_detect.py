"""What holds of the rules for any run: they are pure, they do not care for units, and nothing makes them raise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scenarios.build import Setting, run_messages
from scenarios.play import store_of
from scenarios.shapes import decay, detector, noisy

from dettui.detect.base import Symptom
from dettui.detect.battery import evaluate_all
from dettui.detect.context import Context
from dettui.detect.progress.not_learning import NotLearning
from dettui.detect.progress.plateau import Plateau
from dettui.detect.signals import measure
from dettui.domain.finding import Abstention
from dettui_probe import tags

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)
TAGS = sorted(detector(30, np.random.default_rng(0)))
ALONE = Setting(family=None, num_classes=None, class_names=())
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def verdict(values: np.ndarray, rule: Plateau | NotLearning) -> list[str]:
    """Kinds and severities that *rule* sees on a run with this loss and nothing else."""
    store = store_of(run_messages(len(values), setting=ALONE, **{tags.LOSS_TOTAL: values}))
    found = rule.evaluate(Context(store, len(values)))
    return [] if isinstance(found, Abstention) else [f"{s.kind} {s.severity}" for s in found]


def loss_of(seed: int, floor: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return noisy(decay(800, 2.0, floor, 20.0, 2.0), rng, 0.03)


@SLOW
@given(
    seed=st.integers(0, 50), floor=st.sampled_from([0.1, 0.7, 1.6, 2.0]), factor=st.sampled_from([1e-4, 0.1, 8.0, 1e5])
)
def test_the_unit_of_the_loss_changes_no_verdict_on_progress(seed: int, floor: float, factor: float) -> None:
    loss = loss_of(seed, floor)
    for rule in (Plateau(), NotLearning()):
        assert verdict(loss, rule) == verdict(factor * loss, rule)


@SLOW
@given(seed=st.integers(0, 50), step=st.integers(1, 400))
def test_the_same_store_gives_the_same_answer(seed: int, step: int) -> None:
    store = store_of(run_messages(400, **detector(400, np.random.default_rng(seed))))
    assert evaluate_all(store, step) == evaluate_all(store, step)
    assert measure(store, step) == measure(store, step)


@SLOW
@given(seed=st.integers(0, 50), cut=st.integers(1, 399))
def test_what_comes_later_changes_nothing_that_was_known(seed: int, cut: int) -> None:
    series = detector(400, np.random.default_rng(seed), loss_of(seed, 1.6)[:400])
    whole = store_of(run_messages(400, setting=ALONE, **series))
    part = store_of(
        run_messages(cut, setting=ALONE, **{tag: np.asarray(values)[:cut] for tag, values in series.items()})
    )
    assert evaluate_all(whole, cut) == evaluate_all(part, cut)


@SLOW
@given(data=st.data(), length=st.integers(1, 300), tag=st.sampled_from(TAGS))
def test_no_series_however_wild_makes_a_rule_raise(data: st.DataObject, length: int, tag: str) -> None:
    wild = data.draw(arrays(np.float64, length, elements=ANY_FLOAT))
    series = {**detector(length, np.random.default_rng(0)), tag: wild}
    store = store_of(run_messages(length, **series))
    symptoms, _ = evaluate_all(store, length)
    measure(store, length)
    assert all(isinstance(symptom, Symptom) and symptom.evidence for symptom in symptoms)


@SLOW
@given(chosen=st.sets(st.sampled_from(TAGS)), length=st.sampled_from([1, 25, 260]))
def test_rules_abstain_or_judge_whatever_is_missing(chosen: set[str], length: int) -> None:
    known = detector(length, np.random.default_rng(1))
    store = store_of(run_messages(length, **{tag: known[tag] for tag in sorted(chosen)}))
    symptoms, abstained = evaluate_all(store, length)
    assert symptoms == ()
    assert all(abstention.missing for abstention in abstained)


@pytest.mark.parametrize("stretch", [2, 10])
def test_steps_that_are_numbered_otherwise_change_no_verdict(stretch: int) -> None:
    loss = loss_of(3, 1.6)
    sparse = {stretch * (i + 1): float(value) for i, value in enumerate(loss)}
    store = store_of(run_messages(1, setting=ALONE, **{tags.LOSS_TOTAL: sparse}))
    found = Plateau().evaluate(Context(store, stretch * len(loss)))
    assert not isinstance(found, Abstention)
    assert [f"{s.kind} {s.severity}" for s in found] == verdict(loss, Plateau())
