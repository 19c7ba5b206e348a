"""Settings that rule a run and hide in plain sight: each on either side of its limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Setting, Values, block, run_messages
from scenarios.play import store_of
from scenarios.shapes import decay, noisy, one_cycle

from dettui.detect.base import Rule, Symptom
from dettui.detect.batches import BatchOrder
from dettui.detect.context import Context
from dettui.detect.decay import DecayRules
from dettui.detect.endless_warmup import EndlessWarmup
from dettui.detect.evaluation_inputs import EvaluationInputs
from dettui.detect.evaluations import Overfit
from dettui.detect.floors import LossFloor
from dettui.detect.gradients import GradientDepth
from dettui.detect.input_shift import InputShift
from dettui.detect.signals import signals_of
from dettui.detect.term_weights import UnbalancedTerms
from dettui.detect.tight_clip import TightClip, norms_over_limit
from dettui.detect.updates import NoUpdate
from dettui.domain.finding import Abstention
from dettui_probe import tags, wire

STEPS = 240
Curve = NDArray[np.float64]


def judge(rule: Rule, series: dict[str, Values], **setting: Any) -> Sequence[Symptom]:
    """What *rule* says of a run of nothing but *series*."""
    messages = run_messages(STEPS, setting=Setting(**setting), **series)
    found = rule.evaluate(Context(store_of(messages), STEPS))
    assert not isinstance(found, Abstention)
    return found


def flat(level: float = 2.0) -> Curve:
    return noisy(np.full(STEPS, level), np.random.default_rng(round(100 * level)), 0.02)


@pytest.mark.parametrize(("share_done", "told"), [(0.7, True), (0.5, False)])
def test_a_warm_up_may_take_half_of_the_run(share_done: float, told: bool) -> None:
    series = {tags.LR + "0": np.linspace(1e-6, 1e-3, STEPS), tags.LOSS_TOTAL: flat()}
    found = judge(EndlessWarmup(), series, total_steps=round(STEPS / share_done))
    assert [(s.kind, s.severity) for s in found] == ([("config_smell", "warning")] if told else [])


def test_a_cycle_that_has_come_down_is_no_warm_up() -> None:
    series = {tags.LR + "0": one_cycle(STEPS, 0.01), tags.LOSS_TOTAL: flat()}
    assert judge(EndlessWarmup(), series, total_steps=STEPS) == ()


@pytest.mark.parametrize("measured", [(1, 2, 180), (1, 2, 3, 4)])
def test_a_peak_may_lie_between_rare_measurements_or_behind_them(measured: tuple[int, ...]) -> None:
    rates = np.linspace(1e-6, 1e-3, STEPS)
    series = {tags.LR + "0": {step: float(rates[step - 1]) for step in measured}, tags.LOSS_TOTAL: flat()}
    assert judge(EndlessWarmup(), series, total_steps=STEPS) == ()


@pytest.mark.parametrize(
    ("norm", "loss", "optimizer", "told"),
    [
        (0.3, flat(), "SGD", True),
        (0.05, flat(), "SGD", False),  # five times the limit, as recipes have it
        (0.3, decay(STEPS, 2.0, 0.5, 40.0), "SGD", False),  # and the loss falls all the same
        (0.3, flat(), "AdamW", False),  # divides a common factor out again
    ],
)
def test_a_clip_is_too_tight_where_it_rules_each_step_and_nothing_moves(
    norm: float, loss: Curve, optimizer: str, told: bool
) -> None:
    series = {tags.GRAD_NORM: norm, tags.GRAD_CLIP: 0.01, tags.LOSS_TOTAL: loss, tags.LR + "0": 0.01}
    assert [s.key for s in judge(TightClip(), series, optimizer=optimizer)] == (["clip"] if told else [])


@pytest.mark.parametrize(("update", "told"), [(2e-4, True), (4e-3, False)])
def test_a_clip_that_makes_steps_small_is_too_tight_although_the_loss_falls_a_little(update: float, told: bool) -> None:
    series = {
        tags.GRAD_NORM: 40.0,
        tags.GRAD_CLIP: 0.01,
        tags.LOSS_TOTAL: decay(STEPS, 2.0, 1.3, 40.0),
        tags.UPDATE_RATIO: update,
    }
    assert [s.key for s in judge(TightClip(), series, optimizer="SGD")] == (["clip"] if told else [])


@pytest.mark.parametrize(("optimizer", "share"), [("SGD", 1.0), ("AdamW", None), ("RMSprop", None)])
def test_clipping_speaks_of_the_step_only_where_the_step_is_as_long_as_the_gradient(
    optimizer: str, share: float | None
) -> None:
    """An adaptive optimizer divides by the size of the gradients, however tightly they were clipped."""
    series = {tags.GRAD_NORM: 0.3, tags.GRAD_CLIP: 0.01, tags.LOSS_TOTAL: flat(), tags.LR + "0": 0.01}
    store = store_of(run_messages(STEPS, setting=Setting(optimizer=optimizer), **series))
    known = signals_of(Context(store, STEPS))
    assert known.clip_active_share == share
    assert (known.clip_ratio is None) is (share is None)


@pytest.mark.parametrize(
    ("weight", "box", "told"),
    [
        (100.0, flat(0.1), True),
        (20.0, flat(0.1), False),  # as far apart as recipes have them
        (1.0, flat(0.1), False),
    ],
)
def test_a_term_that_weighs_nothing_and_does_not_fall_is_told(weight: float, box: Curve, told: bool) -> None:
    classes = flat(1.4)
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS_TOTAL: 0.01 * classes + 0.01 * weight * box}
    found = judge(UnbalancedTerms(), series)
    assert [(s.kind, s.evidence[0].tag) for s in found] == ([("config_smell", tags.LOSS + "cls")] if told else [])


def test_a_light_term_that_falls_does_no_harm() -> None:
    classes, box = decay(STEPS, 1.4, 0.2, 30.0), flat(0.1)
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS_TOTAL: 0.01 * classes + box}
    assert judge(UnbalancedTerms(), series) == ()


@pytest.mark.parametrize(
    ("of_boxes", "weight", "told"),
    [
        (True, 0.01, True),  # 0.5 % of the total: it falls a little because the other term shapes what both rest on
        (True, 0.05, False),  # as recipes have it
        (False, 0.01, False),  # no detector: a weak term may be a mere hint
    ],
)
def test_a_term_of_a_detector_that_is_as_good_as_left_out_is_told(of_boxes: bool, weight: float, told: bool) -> None:
    classes, box = decay(STEPS, 1.4, 0.5, 30.0), flat(1.0)
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS_TOTAL: weight * classes + box}
    found = judge(UnbalancedTerms(), {**series, **({tags.TARGET_BOXES: flat(6.0)} if of_boxes else {})})
    assert [s.evidence[0].tag for s in found] == ([tags.LOSS + "cls"] if told else [])


@pytest.mark.parametrize(
    ("total_steps", "classes_at_last", "told"),
    [
        (STEPS, 0.5, True),
        (4 * STEPS, 0.5, False),  # early in the run it may still come down
        (STEPS, 0.1, False),
    ],
)
def test_a_light_term_of_a_detector_has_to_be_learnt_by_the_middle_of_the_run(
    total_steps: int, classes_at_last: float, told: bool
) -> None:
    """The box term falls and leaves the other a fair part of the total, by which it does not seem left out."""
    classes, box = decay(STEPS, 1.4, classes_at_last, 30.0), decay(STEPS, 1.0, 0.05, 30.0)
    total = 0.015 * classes + box
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS_TOTAL: total, tags.TARGET_BOXES: flat(6.0)}
    found = judge(UnbalancedTerms(), series, total_steps=total_steps)
    assert [s.evidence[0].tag for s in found] == ([tags.LOSS + "cls"] if told else [])


def test_a_term_of_a_detector_that_is_learnt_in_spite_of_its_weight_does_no_harm() -> None:
    classes, box = decay(STEPS, 1.4, 0.1, 30.0), flat(1.0)
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS_TOTAL: 0.01 * classes + box}
    assert judge(UnbalancedTerms(), {**series, tags.TARGET_BOXES: flat(6.0)}) == ()


@pytest.mark.parametrize(("weight", "told"), [(1e-2, True), (1.0, False)])
def test_a_sum_that_a_model_returns_beside_its_terms_is_none_of_them(weight: float, told: bool) -> None:
    """``{"loss": ..., "cls": ..., "box": ...}``, of which the script weighs the terms anew."""
    classes, box = flat(1.4), flat(0.5)
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS + "loss": classes + 5 * box}
    found = judge(UnbalancedTerms(), {**series, tags.LOSS_TOTAL: weight * classes + 5 * box})
    assert [s.evidence[0].tag for s in found] == ([tags.LOSS + "cls"] if told else [])


def test_terms_that_move_alike_leave_their_weights_open() -> None:
    classes, box = flat(1.4), 0.1 * flat(1.4)
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS_TOTAL: 0.01 * classes + box}
    assert judge(UnbalancedTerms(), series) == ()


def test_a_total_that_is_no_weighted_sum_says_nothing_of_weights() -> None:
    classes, box = flat(1.4), flat(0.1)
    series = {tags.LOSS + "cls": classes, tags.LOSS + "box": box, tags.LOSS_TOTAL: np.sqrt(classes) * box}
    assert judge(UnbalancedTerms(), series) == ()


@pytest.mark.parametrize(("usual", "newest", "told"), [(1.0, 64.0, True), (1.0, 48.0, False), (16.0, 64.0, False)])
def test_an_optimizer_that_is_no_longer_reached_is_told(usual: float, newest: float, told: bool) -> None:
    passes = np.full(STEPS, usual)
    passes[-1] = newest
    found = judge(NoUpdate(), {tags.MICRO_STEPS: passes, tags.UPDATE_UNCHANGED: 0.0})
    assert [(s.key, s.exact) for s in found] == ([("idle", True)] if told else [])


def profile_at(steps: int, decades: float, jitter: float = 0.1, **changes: Values) -> list[str]:
    """Kinds told of seven layers whose relative gradients span *decades*, one layer *jitter* off the line."""
    rng = np.random.default_rng(0)
    layers = {
        f"{tags.LAYER_GRAD_NORM}{i}.weight": noisy(np.full(STEPS, 10 ** (off - decades * (1 - i / 6))), rng, 0.1)
        for i, off in enumerate((0, 0, 0, jitter, 0, 0, 0))
    }
    norms: dict[str, Values] = {f"{tags.LAYER_WEIGHT_NORM}{i}.weight": 1.0 for i in range(7)}
    messages = run_messages(STEPS, **{**layers, **norms, tags.LOSS_TOTAL: flat(), **changes})
    found = GradientDepth().evaluate(Context(store_of(messages), steps))
    assert not isinstance(found, Abstention)
    return [s.kind for s in found]


@pytest.mark.parametrize(
    ("decades", "steps", "told"), [(5.0, 45, True), (5.0, 35, False), (3.5, 120, False), (3.5, 240, True)]
)
def test_a_steep_profile_of_gradients_is_told_before_a_moderate_one(decades: float, steps: int, told: bool) -> None:
    assert profile_at(steps, decades) == (["gradient_vanishing"] if told else [])


def test_a_single_layer_apart_is_no_profile() -> None:
    assert profile_at(120, 4.5, jitter=-4.0) == []


@pytest.mark.parametrize(("spread", "told"), [(1e-6, True), (0.4, False)])
def test_a_loss_that_fell_to_that_of_one_answer_has_not_learnt(spread: float, told: bool) -> None:
    """The bias of the last layer alone takes it there."""
    falls = {tags.LOSS_TOTAL: decay(STEPS, 1.4, 0.5, 10.0), tags.FIT_SPREAD: spread}
    assert profile_at(240, 5.0, **falls) == (["gradient_vanishing"] if told else [])


@pytest.mark.parametrize(("passes", "told"), [(256, True), (128, False)])
def test_before_the_first_step_many_more_passes_are_waited_for(passes: int, told: bool) -> None:
    """Nothing tells yet how many the run accumulates."""
    late = [block([0], np.array([0]), np.array([[float(p)]])) for p in range(16, passes + 1, 16)]
    messages = [*run_messages(0), wire.Tags(0, [tags.MICRO_STEPS]), wire.Batch(late)]
    found = NoUpdate().evaluate(Context(store_of(messages), 0))
    assert (not isinstance(found, Abstention) and [s.key for s in found] == ["idle"]) is told


@pytest.mark.parametrize(("last", "severity"), [(0.655, "info"), (0.8, "warning")])
def test_a_slight_rise_of_the_evaluation_loss_is_news_only(last: float, severity: str) -> None:
    losses = {20 * i: float(value) for i, value in enumerate((1.0, 0.7, *np.linspace(0.6, last, 8)), start=1)}
    (found,) = judge(Overfit(), {tags.LOSS_TOTAL: decay(STEPS, 2.0, 0.1, 30.0), "eval/loss": losses})
    assert found.severity == severity


def test_a_score_that_never_left_nothing_is_not_lost() -> None:
    score = {30 * i: value for i, value in enumerate((0.001, 0.004, 0.001, 0.0, 0.0, 0.0, 0.0), start=1)}
    series = {tags.LOSS_TOTAL: decay(STEPS, 2.0, 0.1, 30.0), "eval/mAP50": score}
    assert judge(Overfit(), series) == ()


@pytest.mark.parametrize(("shape", "burst"), [("burst", 30.0), ("drop", 1.0), ("restart", 1.0)])
def test_an_lr_bursts_where_it_was_lower_on_either_side(shape: str, burst: float) -> None:
    lr = np.full(STEPS, 0.01)
    if shape == "burst":
        lr[150:155] = 0.3
    elif shape == "drop":
        lr[:150] = 0.3
    else:
        lr[150:] = 0.3
    store = store_of(run_messages(STEPS, **{tags.LR + "0": lr, tags.LOSS_TOTAL: flat()}))
    assert signals_of(Context(store, STEPS)).lr_burst == pytest.approx(burst)


@pytest.mark.parametrize(("chi2", "told"), [(6.0, True), (0.0, False)])
def test_batches_that_are_all_alike_are_not_sorted(chi2: float, told: bool) -> None:
    series = {tags.ORDER_CARRY: np.full(STEPS, 0.99), tags.ORDER_CHI2: chi2}
    assert [s.key for s in judge(BatchOrder(), series)] == (["sorted"] if told else [])


@pytest.mark.parametrize(("random", "told"), [(100, False), (0, True)])
def test_batches_that_were_random_at_first_are_of_other_data_and_not_sorted(random: int, told: bool) -> None:
    since = np.arange(STEPS) >= random
    carry = np.where(since, 0.95, np.random.default_rng(2).normal(0.0, 0.3, STEPS))
    series = {tags.LOSS_TOTAL: flat(), tags.ORDER_CARRY: carry, tags.ORDER_CHI2: np.where(since, 6.0, 0.9)}
    assert [s.key for s in judge(BatchOrder(), series)] == (["sorted"] if told else [])


@pytest.mark.parametrize(
    ("chi2", "changes", "told"),
    [
        (14.0, {}, True),
        (4.0, {}, False),  # as drawn for metric learning
        (14.0, {tags.ROWS: 64.0}, False),  # likewise, in a larger batch
        (14.0, {tags.TARGETS_PER_ROW: 100.0}, False),  # pixels
        (14.0, {tags.TARGET_BOXES: 40.0}, False),
    ],
)
def test_batches_of_a_class_each_are_told_although_the_next_is_of_another(
    chi2: float, changes: dict[str, Values], told: bool
) -> None:
    carry = np.random.default_rng(1).normal(0.0, 0.3, STEPS)
    series = {tags.LOSS_TOTAL: flat(), tags.ORDER_CARRY: carry, tags.ORDER_CHI2: chi2, tags.ROWS: 32.0, **changes}
    assert [s.key for s in judge(BatchOrder(), series)] == (["sorted"] if told else [])


@pytest.mark.parametrize(("evaluation", "told"), [(1.40, True), (1.30, False)])
def test_a_loss_just_below_a_guess_is_told_where_no_evaluation_beat_one(evaluation: float, told: bool) -> None:
    scores = {30 * i: evaluation for i in range(1, 8)}
    series = {tags.LOSS_TOTAL: flat(1.33), "eval/loss": scores, tags.GRAPH_SOFTMAX_TWICE: 0.0}
    setting = {"family": "classification", "num_classes": 4, "background": None, "total_steps": STEPS}
    found = judge(LossFloor(), series, targets=(5.0, 5.0, 5.0, 5.0), **setting)
    assert [s.kind for s in found] == (["loss_floor"] if told else [])


@pytest.mark.parametrize(("at", "lag"), [(2, 1.1), (120, 31.0)])
def test_the_second_moment_of_the_first_steps_lags_by_nature(at: int, lag: float) -> None:
    lags = np.full(STEPS, 1.1)
    lags[at] = 31.0
    store = store_of(run_messages(STEPS, **{tags.UPDATE_LAG: lags, tags.LOSS_TOTAL: flat()}))
    assert signals_of(Context(store, STEPS)).second_moment_lag == pytest.approx(lag)


def test_steps_that_come_twice_are_paired_once() -> None:
    """Rows of a step that a GradScaler skipped come again with its number."""
    steps = np.repeat(np.arange(1, 60), 3)
    values = np.full((len(steps), 2), (2.0, 1.0))
    messages = [*run_messages(0), wire.Tags(0, [tags.GRAD_NORM, tags.GRAD_CLIP])]
    messages.append(wire.Batch([block([0, 1], steps, values), block([1], np.array([60]), np.array([[1.0]]))]))
    over = norms_over_limit(Context(store_of(messages), 60), 200)
    assert over.tolist() == [2.0] * 59


@pytest.mark.parametrize(
    ("optimizer", "decay", "momentum", "level", "told"),
    [
        ("AdamW", 5.0, 0.9, 0.8, True),
        ("AdamW", 5.0, 0.9, 0.4, False),  # it learns all the same
        ("AdamW", 0.05, 0.9, 0.8, False),
        ("Adam", 5.0, 0.9, 0.8, False),  # divided by the size of the gradient
        ("SGD", 0.3, 0.9, 0.8, True),  # which momentum makes ten times as much
        ("SGD", 0.3, 0.0, 0.8, False),
    ],
)
def test_weights_that_are_forgotten_in_some_tens_of_steps_are_told_where_nothing_is_learnt(
    optimizer: str, decay: float, momentum: float, level: float, told: bool
) -> None:
    series: dict[str, Values] = {
        tags.LR + "0": 0.006,
        tags.WEIGHT_DECAY + "0": decay,
        tags.MOMENTUM + "0": momentum,
        tags.LOSS_TOTAL: np.where(np.arange(STEPS) < 20, 2.0, 2.0 * level),
        tags.UPDATE_DECAY: 0.1,
        tags.WEIGHT_NORM: 20.0,
    }
    found = judge(DecayRules(), series, optimizer=optimizer)
    assert [s.key for s in found] == (["decay"] if told else [])


@pytest.mark.parametrize(("inputs", "told"), [(3 * 8, True), (40 * 8, False)])
def test_a_few_batches_in_turn_are_told_though_only_every_fourth_step_is_seen(inputs: int, told: bool) -> None:
    """Of three batches in turn, those of every fourth step return after twelve."""
    seen = range(4, STEPS + 1, 4)
    new = {step: 8.0 if 8 * place < inputs else 0.0 for place, step in enumerate(seen)}
    lag = {step: 0.0 if 8 * place < inputs else 12.0 for place, step in enumerate(seen)}
    found = judge(BatchOrder(), {tags.BATCH_LAG: lag, tags.ROWS: dict.fromkeys(seen, 8.0), tags.ROWS_NEW: new})
    assert [s.key for s in found] == (["repeated"] if told else [])


@pytest.mark.parametrize(("given", "told"), [(16.0, True), (2708.0, False)])
def test_one_batch_of_all_there_is_is_meant_where_it_is_large(given: float, told: bool) -> None:
    """As a graph, whose nodes are the rows of every step."""
    rows = min(given, 32.0)
    new = np.where(np.arange(STEPS) < 1, rows, 0.0)
    series: dict[str, Values] = {tags.BATCH_LAG: np.minimum(np.arange(STEPS), 1.0), tags.ROWS: rows, tags.ROWS_NEW: new}
    found = judge(BatchOrder(), {**series, tags.ROWS_GIVEN: given})
    assert [s.key for s in found] == (["repeated"] if told else [])


@pytest.mark.parametrize(("given", "told"), [(64.0, True), (2708.0, False)])
def test_an_evaluation_on_all_there_is_is_no_leak_where_every_step_is_given_it(given: float, told: bool) -> None:
    """The nodes of a graph, of which training and evaluation are asked for different ones."""
    new = np.where(np.arange(STEPS) < 1, 32.0, 0.0)
    evaluated = range(20, STEPS + 1, 20)
    series: dict[str, Values] = {tags.ROWS: 32.0, tags.ROWS_NEW: new, tags.ROWS_GIVEN: given}
    for tag, value in ((tags.EVAL_PASSES, 1.0), (tags.EVAL_ROWS, 32.0), (tags.EVAL_ROWS_TRAINED, 32.0)):
        series[tag] = dict.fromkeys(evaluated, value)
    assert [s.key for s in judge(EvaluationInputs(), series)] == (["leak"] if told else [])


@pytest.mark.parametrize(("end", "told"), [(1e-6, False), (0.3, True)])
def test_an_optimizer_that_has_solved_its_problem_may_stop(end: float, told: bool) -> None:
    """L-BFGS does, by its tolerances."""
    falling = np.geomspace(1.0, end, STEPS)
    still = np.where(np.arange(STEPS) < STEPS - 20, 0.0, 1.0)
    series: dict[str, Values] = {tags.LOSS_TOTAL: falling, tags.GRAD_NORM: falling, tags.UPDATE_UNCHANGED: still}
    assert [s.key for s in judge(NoUpdate(), series)] == (["still"] if told else [])


@pytest.mark.parametrize(("per_row", "told"), [(1.0, True), (0.08, False)])
def test_rows_that_are_parts_of_inputs_do_not_leak(per_row: float, told: bool) -> None:
    """Nodes of graphs: those of one input are met in another."""
    evaluated = range(20, STEPS + 1, 20)
    series: dict[str, Values] = {tags.TARGETS_PER_ROW: per_row}
    for tag, value in ((tags.EVAL_PASSES, 1.0), (tags.EVAL_ROWS, 32.0), (tags.EVAL_ROWS_TRAINED, 32.0)):
        series[tag] = dict.fromkeys(evaluated, value)
    assert [s.key for s in judge(EvaluationInputs(), series)] == (["leak"] if told else [])


@pytest.mark.parametrize(("new", "severity"), [(0.0, "warning"), (3.0, "info")])
def test_the_training_set_may_be_scored_beside_another_one(new: float, severity: str) -> None:
    evaluated = range(20, STEPS + 1, 20)
    series: dict[str, Values] = {tags.EVAL_BATCHES_NEW: dict.fromkeys(evaluated, new)}
    for tag, value in ((tags.EVAL_PASSES, 13.0), (tags.EVAL_ROWS, 320.0), (tags.EVAL_ROWS_TRAINED, 300.0)):
        series[tag] = dict.fromkeys(evaluated, value)
    (found,) = judge(EvaluationInputs(), series)
    assert (found.key, found.severity) == ("leak", severity)


@pytest.mark.parametrize(("larger", "severity"), [(1.0, "warning"), (2.0, "info")])
def test_inputs_that_change_with_their_size_are_meant_to(larger: float, severity: str) -> None:
    """As in a curriculum, or where pictures grow in the course of a training."""
    late = np.arange(STEPS) >= STEPS // 2
    mean, loss = (noisy(np.where(late, after, 1.0), np.random.default_rng(1), 0.01) for after in (2.0, 1.5))
    sizes = np.where(late, 64.0 * larger, 64.0)
    series: dict[str, Values] = {tags.BATCH_MEAN: mean, tags.BATCH_STD: 1.0, tags.LOSS_TOTAL: loss}
    (found,) = judge(InputShift(), {**series, tags.ROW_ELEMENTS: sizes})
    assert found.severity == severity
