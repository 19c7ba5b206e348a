"""Rules on either side of their limits, and where they abstain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scenarios.build import Setting, Values, run_messages
from scenarios.play import store_of
from scenarios.shapes import decay, detector, grid, noisy, step_lr
from unit.detect.judging import context_of

from dettui.detect.base import Rule, Symptom
from dettui.detect.battery import RULES, evaluate_all
from dettui.detect.classes import Imbalance, Unseen
from dettui.detect.context import Context
from dettui.detect.coverage import Coverage, Detached, FrozenUntrained
from dettui.detect.decay import DecayRules
from dettui.detect.divergence import Divergence
from dettui.detect.evaluations import Collapse, Overfit, direction
from dettui.detect.inputs import BadInputs
from dettui.detect.non_finite import NonFinite
from dettui.detect.progress.lr_drop import PlateauAfterLrDrop
from dettui.detect.progress.not_learning import NotLearning
from dettui.detect.progress.plateau import Plateau
from dettui.detect.progress.slow_descent import SlowDescent
from dettui.detect.spike import Spike
from dettui.detect.timing import InputBound
from dettui.detect.updates import NoUpdate, UpdateSize
from dettui.domain.finding import SYMPTOMS, Abstention
from dettui_probe import tags


def judge(rule: Rule, steps: int, series: dict[str, Values], **setting: Any) -> Sequence[Symptom]:
    """What *rule* sees at the end of a run with nothing but *series*."""
    found = rule.evaluate(Context(store_of(run_messages(steps, setting=Setting(**setting), **series)), steps))
    assert not isinstance(found, Abstention)
    return found


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def loss(values: Any) -> dict[str, Values]:
    return {tags.LOSS_TOTAL: values}


# --- the battery ----------------------------------------------------------------------------------------------


def test_names_of_rules_differ() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_an_empty_run_makes_every_rule_abstain() -> None:
    symptoms, abstained = evaluate_all(store_of(run_messages(1, setting=Setting(family=None))), 1)
    assert symptoms == ()
    without_series = {"preflight", "ending"}  # nothing to miss: nobody has to run one, and a run may end well
    assert {a.rule for a in abstained} == {rule.name for rule in RULES} - without_series


def test_symptoms_carry_evidence_with_words_and_a_window() -> None:
    series = {**detector(300, rng()), tags.TARGET_DEGENERATE: 1.0, tags.UPDATE_UNCHANGED: 1.0, tags.MISSING_PARAMS: 2.0}
    symptoms, _ = evaluate_all(store_of(run_messages(300, **series)), 300)
    assert len(symptoms) >= 3
    for symptom in symptoms:
        assert symptom.kind in SYMPTOMS
        assert symptom.title and not symptom.title.endswith(".")
        assert all(e.text and e.window[0] <= e.window[1] <= 300 for e in symptom.evidence)


# --- progress -------------------------------------------------------------------------------------------------


def test_plateau_is_quiet_while_the_loss_still_falls() -> None:
    assert judge(Plateau(), 2000, loss(noisy(decay(2000, 2.4, 0.0, 30.0, 0.3), rng(), 0.03))) == ()


def test_plateau_is_a_warning_high_up_and_news_low_down() -> None:
    high = judge(Plateau(), 2000, loss(noisy(decay(2000, 2.4, 1.9, 15.0, 2.0), rng(), 0.03)))
    low = judge(Plateau(), 2000, loss(noisy(decay(2000, 2.4, 0.6, 15.0, 2.0), rng(), 0.03)))
    assert [s.severity for s in (*high, *low)] == ["warning", "info"]


def test_plateau_is_silent_once_the_loss_is_next_to_nothing() -> None:
    assert judge(Plateau(), 1500, loss(np.maximum(2.4 * np.exp(-grid(1500) / 40), 1e-3))) == ()


def test_noise_that_could_hide_progress_is_not_called_flat() -> None:
    assert judge(Plateau(), 600, loss(noisy(np.full(600, 1.9), rng(), 0.6))) == ()


def test_not_learning_waits_for_two_hundred_steps_and_for_the_warm_up() -> None:
    flat = noisy(np.full(260, 2.4), rng(), 0.02)
    assert judge(NotLearning(), 199, loss(flat[:199])) == ()
    assert [s.severity for s in judge(NotLearning(), 260, loss(flat))] == ["warning"]
    warming = np.minimum(1.0, (grid(260) + 1) / 200) * 0.01
    assert judge(NotLearning(), 260, {**loss(flat), tags.LR + "0": warming}) == ()


def test_not_learning_knows_a_network_that_starts_below_a_guesser() -> None:
    flat = noisy(np.full(600, 0.4), rng(), 0.04)
    setting = {"family": "classification", "num_classes": 10, "background": None}
    assert judge(NotLearning(), 600, loss(flat), **setting) == ()
    assert len(judge(NotLearning(), 600, loss(flat * 5.75), **setting)) == 1


def test_a_loss_below_that_of_a_guesser_has_left_its_start() -> None:
    """Noisy first steps hide a drop of a tenth; what a guesser loses is known without them."""
    setting = {"family": "classification", "num_classes": 10, "background": None}
    noise = noisy(np.ones(600), rng(), 0.1)
    assert judge(NotLearning(), 600, loss(2.16 * noise), **setting) == ()
    assert len(judge(NotLearning(), 600, loss(2.25 * noise), **setting)) == 1


def test_an_lr_drop_that_helps_is_no_finding() -> None:
    lr = step_lr(1200, 0.1, (600,))
    stuck = noisy(np.where(grid(1200) < 30, 2.4, 1.9), rng(), 0.03)
    helped = stuck * np.where(grid(1200) < 600, 1.0, 0.8)
    assert len(judge(PlateauAfterLrDrop(), 1200, {**loss(stuck), tags.LR + "0": lr})) == 1
    assert judge(PlateauAfterLrDrop(), 1200, {**loss(helped), tags.LR + "0": lr}) == ()


# --- jumps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "found"), [(1, 0), (3, 0), (4, 1), (12, 1)])
def test_a_spike_must_last_four_of_five_steps(length: int, found: int) -> None:
    values = noisy(np.full(400, 1.0), rng(), 0.03)
    values[300 : 300 + length] += 1.5
    assert len(judge(Spike(), 400, loss(values))) == found


@pytest.mark.parametrize(("length", "severity"), [(6, "info"), (40, "info"), (100, "warning")])
def test_a_spike_that_is_back_is_news_only(length: int, severity: str) -> None:
    values = noisy(np.full(400, 1.0), rng(), 0.03)
    values[300 : 300 + length] += 1.5
    (found,) = judge(Spike(), 400, loss(values))
    assert found.severity == severity


def test_a_spike_is_no_more_than_news_until_it_had_time_to_pass() -> None:
    values = noisy(np.full(400, 1.0), rng(), 0.03)
    values[390:] += 1.5
    assert [s.severity for s in judge(Spike(), 400, loss(values))] == ["info"]
    values[380:] = values[395]
    assert [s.severity for s in judge(Spike(), 400, loss(values))] == ["warning"]


@pytest.mark.parametrize(("after", "severity"), [(0.5, "info"), (0.02, "warning")])
def test_a_spike_after_which_nothing_is_learnt_again_is_a_warning(after: float, severity: str) -> None:
    """Thrown far above its start, the loss falls to it at once; whether it falls on tells what the spike did."""
    values = decay(400, 2.0, 0.3, 60.0)
    values[300:] = 2.0 - after * (1 - np.exp(-np.arange(100) / 30)) + 15 * np.exp(-np.arange(100) / 5)
    (found,) = judge(Spike(), 400, loss(noisy(values, rng(), 0.03)))
    assert found.severity == severity


@pytest.mark.parametrize(
    ("starts", "lag", "severity"),
    [((300,), 4.0, "warning"), ((300, 340), 1.0, "info"), ((280, 310, 340), 1.0, "warning"), ((300,), -80.0, "info")],
    ids=["outran_second_moments", "two", "again_and_again", "outran_them_at_the_first_step"],
)
def test_spikes_that_recur_and_a_lag_of_second_moments_warn_of_what_is_over(
    starts: tuple[int, ...], lag: float, severity: str
) -> None:
    values, lags = noisy(np.full(400, 1.0), rng(), 0.03), np.ones(400)
    lags[starts[0] if lag > 0 else 0] = abs(lag)
    for start in starts:
        values[start : start + 6] += 1.5
    (found,) = judge(Spike(), 400, {**loss(values), tags.UPDATE_LAG: lags})
    assert found.severity == severity


@pytest.mark.parametrize(
    ("wild", "severity"), [({301: 8.0}, "warning"), ({}, "info"), (dict.fromkeys(range(301, 400), 8.0), "info")]
)
def test_a_spike_at_a_single_wild_batch_is_a_matter_of_the_data(wild: dict[int, float], severity: str) -> None:
    """The loss is soon back, and the batch will come again; inputs that stay so are a change, not a batch."""
    values = noisy(np.full(400, 1.0), rng(), 0.03)
    values[300:306] += 1.5
    spread = {step: wild.get(step, 1.0) for step in range(1, 401)}
    (found,) = judge(Spike(), 400, {**loss(values), tags.BATCH_STD: spread})
    assert found.severity == severity
    assert (tags.BATCH_STD in {proof.tag for proof in found.evidence}) is (severity == "warning")


def test_a_spike_is_found_before_the_twentieth_step_after_it() -> None:
    values = noisy(np.full(400, 1.0), rng(), 0.03)
    values[380:] += 1.5
    (found,) = judge(Spike(), 400, loss(values))
    assert found.first_step == 381


def test_a_slow_climb_is_divergence_and_a_step_is_a_shift() -> None:
    climb = noisy(decay(600, 2.4, 0.4, 40.0) * np.exp(np.maximum(grid(600) - 450, 0) / 80), rng(), 0.05)
    step = noisy(decay(600, 2.4, 0.4, 40.0) + np.where(grid(600) >= 470, 0.8, 0.0), rng(), 0.05)
    assert [s.kind for s in judge(Divergence(), 600, loss(climb))] == ["divergence"]
    assert [s.kind for s in judge(Divergence(), 600, loss(step))] == ["distribution_shift"]


@pytest.mark.parametrize(("foreground", "kinds"), [(18.0, []), (7.0, ["distribution_shift"])])
def test_a_second_stage_that_is_given_more_foreground_has_more_to_account_for(
    foreground: float, kinds: list[str]
) -> None:
    """A Mask R-CNN whose proposals begin to meet objects: the loss of boxes trebles, and the score rises."""
    step = noisy(decay(600, 2.4, 0.4, 40.0) + np.where(grid(600) >= 470, 0.8, 0.0), rng(), 0.05)
    met = np.where(grid(600) < 470, 7.0, foreground)
    assert [s.kind for s in judge(Divergence(), 600, {**loss(step), tags.ASSIGN_ROI: met})] == kinds


def test_a_loss_that_has_climbed_and_is_mostly_back_does_not_diverge() -> None:
    falling, hill = decay(600, 2.4, 0.4, 40.0), np.exp(-(((grid(600) - 450) / 50) ** 2))
    hump = noisy(falling * (1 + 3.5 * hill), rng(), 0.05)
    assert [s.kind for s in judge(Divergence(), 470, loss(hump[:470]))] == ["divergence"]
    assert judge(Divergence(), 512, loss(hump[:512])) == ()


@pytest.mark.parametrize(("rises_by", "found"), [(0.15, 0), (0.4, 1)])
def test_a_rise_that_undoes_the_newest_steps_only_is_no_divergence(rises_by: float, found: int) -> None:
    """The loss falls fast, and then stands where it stood some thirty steps before its best level, or far above."""
    at = grid(150)
    values = np.where(at < 110, 2.0 - 0.4 * np.maximum(at - 80, 0) / 30, 1.6 * (1 + rises_by))
    values = np.where((at >= 100) & (at < 120), 1.15, values)
    assert len(judge(Divergence(), 150, loss(noisy(values, rng(), 0.03)))) == found


def test_a_loss_that_ends_above_its_start_has_diverged_however_it_got_there() -> None:
    values = noisy(np.where(grid(500) < 400, 1.0, 4.0), rng(), 0.03)
    assert [s.kind for s in judge(Divergence(), 500, loss(values))] == ["divergence"]


def test_a_rise_of_a_solved_loss_is_no_divergence() -> None:
    values = noisy(np.where(grid(800) < 600, 2.0 * np.exp(-grid(800) / 40) + 1e-4, 5e-3), rng(), 0.1)
    assert judge(Divergence(), 800, loss(values)) == ()


def test_the_first_place_of_a_nan_is_named() -> None:
    values, gradients = np.ones(100), np.zeros(100)
    values[60:], gradients[58:] = np.nan, 3.0
    (found,) = judge(NonFinite(), 100, {**loss(values), tags.GRAD_NONFINITE: gradients})
    assert (found.first_step, found.evidence[0].tag, found.exact) == (59, tags.GRAD_NONFINITE, True)


def test_gradients_that_a_scaler_skipped_are_not_news() -> None:
    skipped = (np.arange(100) < 3).astype(float)
    series = {**loss(np.ones(100)), tags.GRAD_NONFINITE: skipped, tags.AMP_SKIPPED: skipped}
    assert judge(NonFinite(), 100, series) == ()


# --- updates and parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("lr", "level", "found"), [(1e-5, 0.5, 0), (1e-5, 1.2, 1), (2e-4, 0.5, 1)])
def test_weights_may_stand_still_once_the_schedule_has_run_out_on_a_solved_task(
    lr: float, level: float, found: int
) -> None:
    """A step of a thousandth of its peak is below what changes a float."""
    series = {
        **loss(noisy(np.where(grid(600) < 100, 2.4, level), rng(), 0.03)),
        tags.LR + "0": step_lr(600, 0.01, (300,), lr / 0.01),
        tags.UPDATE_UNCHANGED: (grid(600) >= 300).astype(float),
        tags.GRAD_NORM: 0.1,
    }
    assert len(judge(NoUpdate(), 600, series)) == found


@pytest.mark.parametrize(("gone", "found"), [(1e-9, 0), (0.01, 1)])
def test_weights_stand_still_by_themselves_where_gradients_have_vanished(gone: float, found: int) -> None:
    series = {
        **loss(noisy(np.full(600, 2.0), rng(), 0.01)),
        tags.UPDATE_UNCHANGED: (grid(600) >= 300).astype(float),
        tags.GRAD_NORM: np.where(grid(600) < 40, 0.1, 0.1 * gone),
    }
    assert len(judge(NoUpdate(), 600, series)) == found


def test_ten_still_steps_in_a_row_are_proof() -> None:
    still = np.zeros(60)
    still[51:] = 1.0
    assert judge(NoUpdate(), 60, {tags.UPDATE_UNCHANGED: still}) == ()
    still[50] = 1.0
    (found,) = judge(NoUpdate(), 60, {tags.UPDATE_UNCHANGED: still})
    assert (found.first_step, found.exact) == (51, True)


def test_an_lr_of_zero_at_the_planned_end_is_no_finding() -> None:
    lr = np.where(grid(1000) < 970, 0.01, 0.0)
    assert judge(NoUpdate(), 1000, {tags.LR + "0": lr, tags.UPDATE_UNCHANGED: 0.0}, total_steps=1000) == ()
    assert len(judge(NoUpdate(), 1000, {tags.LR + "0": lr, tags.UPDATE_UNCHANGED: 0.0}, total_steps=2000)) == 1


def test_large_updates_are_harmless_while_the_loss_falls() -> None:
    large = {tags.UPDATE_RATIO: 0.1}
    assert judge(UpdateSize(), 400, {**large, **loss(decay(400, 2.4, 0.3, 40.0))}) == ()
    assert [s.kind for s in judge(UpdateSize(), 400, {**large, **loss(np.full(400, 2.4))})] == ["update_too_large"]


def test_small_updates_after_a_decayed_lr_are_meant() -> None:
    tiny: dict[str, Values] = {tags.UPDATE_RATIO: 1e-7}
    assert [s.kind for s in judge(UpdateSize(), 400, tiny)] == ["update_too_small"]
    assert judge(UpdateSize(), 400, {**tiny, tags.LR + "0": step_lr(400, 1.0, (100,), 1e-3)}) == ()


@pytest.mark.parametrize(
    ("missing", "strangers", "names", "severity"),
    [
        (0, 0, (), None),
        (2, 2, ("roi_heads.fc.weight",), "critical"),
        (2, 0, ("roi_heads.fc.weight",), "warning"),
        (9, 0, ("backbone.conv1.weight",), "info"),
    ],
)
def test_coverage_weighs_what_the_optimizer_lacks(
    missing: int, strangers: int, names: tuple[str, ...], severity: str | None
) -> None:
    series = {tags.MISSING_PARAMS: float(missing), tags.STRANGER_PARAMS: float(strangers)}
    found = judge(Coverage(), 5, series, missing=names)
    assert [s.severity for s in found] == ([severity] if severity else [])


@pytest.mark.parametrize(("untrained", "severity"), [(8.0, "warning"), (1.0, "info")])
def test_a_body_that_nothing_ever_trained_is_missing_from_the_optimizer(untrained: float, severity: str) -> None:
    series = {tags.MISSING_PARAMS: 9.0, tags.STRANGER_PARAMS: 0.0, tags.UNHELD_WEIGHTS: 9.0}
    found = judge(Coverage(), 5, {**series, tags.UNHELD_UNTRAINED: untrained}, missing=("backbone.conv1.weight",))
    assert [s.severity for s in found] == [severity]


def test_tensors_without_gradient_are_news_until_many_stand_still() -> None:
    few = judge(Detached(), 30, {tags.GRAD_NONE: 2.0, tags.UPDATE_UNCHANGED: 0.05})
    many = judge(Detached(), 30, {tags.GRAD_NONE: 20.0, tags.UPDATE_UNCHANGED: 0.6})
    assert [s.severity for s in (*few, *many)] == ["info", "warning"]


@pytest.mark.parametrize(
    ("untrained", "share", "severity"), [(0.0, 0.6, None), (3.0, 0.6, None), (9.0, 0.6, "warning"), (9.0, 0.1, "info")]
)
def test_frozen_weights_that_nothing_trained_are_told_by_how_much_they_are(
    untrained: float, share: float, severity: str | None
) -> None:
    series = {tags.FROZEN_UNTRAINED: untrained, tags.FROZEN_WEIGHTS: 10.0, tags.FROZEN_SHARE: share}
    assert [s.severity for s in judge(FrozenUntrained(), 120, series)] == ([severity] if severity else [])


# --- classes, inputs, time, evaluations -----------------------------------------------------------------------


@pytest.mark.parametrize(("rare", "severity"), [(2.0, None), (0.2, "info"), (0.03, "warning")])
def test_imbalance_weighs_the_least_ratio_that_the_counts_allow(rare: float, severity: str | None) -> None:
    found = judge(Imbalance(), 2000, loss(np.ones(2000)), targets=(0.0, 5.0, 5.0, rare))
    assert [s.severity for s in found] == ([severity] if severity else [])


def test_classes_of_tokens_are_neither_imbalanced_nor_missing() -> None:
    """Of a tagger, O outnumbers every tag; padding has an id and is never a target."""
    of_tokens = loss(np.ones(2000)) | {tags.TARGETS_PER_ROW: 20.0}
    assert judge(Imbalance(), 2000, of_tokens, targets=(0.0, 5.0, 5.0, 0.03)) == ()
    of_inputs = loss(np.ones(2000)) | {tags.TARGETS_PER_ROW: 1.0}
    assert judge(Imbalance(), 2000, of_inputs, targets=(0.0, 5.0, 5.0, 0.03))
    assert [s.severity for s in judge(Unseen(), 2000, of_tokens, targets=(0.0, 5.0, 5.0, 0.0))] == ["info"]


@pytest.mark.parametrize(
    ("targets", "boxes", "told"),
    [
        ((300.0, 300.0, 300.0, 0.0), True, False),  # no object, as DETR has it
        ((300.0, 0.0, 300.0, 0.0), True, True),
        ((300.0, 300.0, 300.0, 0.0), False, True),
    ],
)
def test_the_last_id_of_a_detector_that_nobody_knows_may_be_kept_for_no_object(
    targets: tuple[float, ...], boxes: bool, told: bool
) -> None:
    series = loss(np.ones(100)) | ({tags.TARGET_BOXES: 9.0, tags.TARGET_LABEL_MAX: 2.0} if boxes else {})
    head: dict[str, Any] = {"family": "unknown", "num_classes": 4, "background": None, "class_names": ()}
    assert bool(judge(Unseen(), 100, series, targets=targets, **head)) is told


def test_an_unseen_class_is_named_once_chance_is_ruled_out() -> None:
    assert judge(Unseen(), 20, loss(np.ones(20)), targets=(0.0, 5.0, 5.0, 0.0)) == ()
    (found,) = judge(Unseen(), 100, loss(np.ones(100)), targets=(0.0, 5.0, 5.0, 0.0))
    assert (found.title, found.severity) == ("triangle never occurs in the targets", "warning")


def test_a_head_much_larger_than_its_data_is_news_only() -> None:
    (found,) = judge(Unseen(), 2000, loss(np.ones(2000)), targets=(0.0, 9.0, 9.0), num_classes=12)
    assert found.severity == "info"


@pytest.mark.parametrize(
    ("targets", "severity"),
    [((9.0, 9.0, 0.0, 0.0), "info"), ((9.0, 9.0, 9.0, 0.0), "warning"), ((9.0, 0.0), "warning")],
)
def test_half_of_the_outputs_of_a_classifier_may_be_to_spare(targets: tuple[float, ...], severity: str) -> None:
    names = tuple("abcd"[: len(targets)])
    setting = {"family": "classification", "class_names": names, "num_classes": len(names), "background": None}
    (found,) = judge(Unseen(), 2000, loss(np.ones(2000)), targets=targets, **setting)
    assert found.severity == severity


@pytest.mark.parametrize(
    ("family", "names", "classes", "severity"),
    [
        ("torchvision.FasterRCNN", ("background", "a", "b", "c", "d", "e"), 6, "warning"),
        ("torchvision.FasterRCNN", ("background", "a", "b"), 6, "info"),  # names of a part only: room is left
        ("torchvision.FasterRCNN", (), 6, "info"),
        ("classification", ("background", "a", "b", "c", "d", "e"), 6, "info"),  # may come with outputs to spare
        ("torchvision.FasterRCNN", tuple("x" * k for k in range(91)), 91, "info"),  # of COCO, as it is downloaded
    ],
)
def test_a_detection_head_whose_classes_were_all_named_was_made_to_measure(
    family: str, names: tuple[str, ...], classes: int, severity: str
) -> None:
    """More than half of its classes are unseen, and that is no room to spare."""
    setting = {"family": family, "class_names": names, "num_classes": classes, "targets": (0.0, 9.0, 9.0)}
    (found,) = judge(Unseen(), 2000, loss(np.ones(2000)), **setting)
    assert found.severity == severity


@pytest.mark.parametrize(
    ("names", "has_boxes", "severity"),
    [
        (("a", "b", "c", "d"), True, "warning"),
        (tuple("x" * (k + 1) for k in range(80)), True, "info"),  # of COCO, as it is downloaded
        ((), True, None),
        (("a", "b", "c", "d"), False, None),
    ],
)
def test_a_detector_that_nobody_knows_is_for_the_classes_that_the_script_named(
    names: tuple[str, ...], has_boxes: bool, severity: str | None
) -> None:
    setting = {"family": "unknown", "class_names": names, "num_classes": None, "background": None}
    series = loss(np.ones(8000)) | ({tags.TARGET_BOXES: 2.0} if has_boxes else {})
    found = Unseen().evaluate(context_of(8000, series, targets=(9.0, 0.0), **setting))
    assert isinstance(found, Abstention) if severity is None else [s.severity for s in found] == [severity]


@pytest.mark.parametrize(
    ("family", "names", "absent"),
    [
        ("torchvision.FCOS", ("background", "circle", "square", "triangle"), 0),
        ("torchvision.RetinaNet", ("__background__", "circle", "square", "triangle"), 0),
        ("torchvision.FCOS", (), 0),
        ("torchvision.FCOS", ("cross", "circle", "square", "triangle"), 1),
        ("classification", ("cross", "circle", "square", "triangle"), 1),
        ("classification", (), 1),
    ],
)
def test_an_id_that_is_left_to_background_is_no_unseen_class(family: str, names: tuple[str, ...], absent: int) -> None:
    """A head of sigmoids has no background, and is given the ids of one that has by whoever follows the tutorial."""
    setting = {"family": family, "class_names": names, "background": None, "num_classes": 4}
    found = judge(Unseen(), 500, loss(np.ones(500)), targets=(0.0, 5.0, 5.0, 4.0), **setting)
    assert len(found) == absent


@pytest.mark.parametrize(
    ("mean", "std", "low", "high", "key"),
    [
        (0.1, 1.1, -2.1, 2.6, None),
        (-1.4, 0.6, -2.1, 2.0, None),  # dark images
        (-1.9, 0.3, -2.1, 2.0, None),  # mostly black, and not faint: its brightest pixels are bright
        (208.0, 191.0, -2.0, 1100.0, "range_255"),
        (-7.1, 3.4, -12.0, 9.0, "normalised_twice"),
        (-2.0, 0.13, -2.1, -1.8, "faint"),
    ],
)
def test_the_backbone_of_torchvision_must_see_normalised_pixels(
    mean: float, std: float, low: float, high: float, key: str | None
) -> None:
    given = {"images/mean": 0.5, "images/std": 0.2, "images/min": 0.0, "images/max": 0.004 if key == "faint" else 1.0}
    inside = {"inputs/mean": mean, "inputs/std": std, "inputs/min": low, "inputs/max": high}
    found = judge(BadInputs(), 10, {**given, **inside})
    assert [s.key for s in found] == ([key] if key else [])


def test_inputs_that_were_right_at_first_are_not_normalised_twice() -> None:
    """Noise that comes midway has the spread of a second normalisation."""
    midway = {"inputs/mean": -0.2, "inputs/min": -9.0, "inputs/max": 9.0}
    spread = np.where(grid(100) < 40, 1.1, 3.4)
    assert judge(BadInputs(), 100, {**midway, "inputs/std": spread}) == ()
    assert [s.key for s in judge(BadInputs(), 100, {**midway, "inputs/std": 3.4})] == ["normalised_twice"]


def test_pixels_of_0_255_are_a_warning_for_a_classifier_and_news_for_the_unknown() -> None:
    raw: dict[str, Values] = {"images/mean": 110.0, "images/std": 60.0, "images/min": 0.0, "images/max": 255.0}
    assert [s.severity for s in judge(BadInputs(), 10, raw, family="classification")] == ["warning"]
    assert [s.severity for s in judge(BadInputs(), 10, raw, family="unknown")] == ["info"]


@pytest.mark.parametrize(("level", "severity"), [(0.8, "warning"), (0.6, "info")])
def test_pixels_of_0_255_into_the_unknown_are_a_warning_where_little_is_learnt(level: float, severity: str) -> None:
    raw: dict[str, Values] = {"images/mean": 110.0, "images/std": 60.0, "images/min": 0.0, "images/max": 255.0}
    raw[tags.LOSS_TOTAL] = np.where(grid(240) < 20, 1.0, level)
    assert [s.severity for s in judge(BadInputs(), 240, raw, family="unknown")] == [severity]


@pytest.mark.parametrize(
    ("wait_s", "step_s", "found"),
    [
        (0.04, 0.1, []),
        (0.06, 0.1, ["warning"]),
        (0.013, 0.016, ["info"]),  # as a busy machine makes of a step of 3 ms, whose batches lie in memory
        (0.002, 0.003, []),
    ],
)
def test_waiting_for_data_counts_above_half_the_step(wait_s: float, step_s: float, found: list[str]) -> None:
    symptoms = judge(InputBound(), 150, {tags.TIME_DATA: wait_s, tags.TIME_STEP: step_s})
    assert [symptom.severity for symptom in symptoms] == found


def test_weights_that_begin_at_zero_have_nothing_that_a_decay_could_take() -> None:
    pull = {tags.UPDATE_DECAY: 0.4, tags.WEIGHT_NORM: np.concatenate([[0.0], np.linspace(1.0, 0.5, 99)])}
    assert judge(DecayRules(), 100, pull) == ()


@pytest.mark.parametrize(
    ("tag", "sense"),
    [
        ("eval/mAP", 1),
        ("eval/loss", -1),
        ("eval/mAP_50", 1),
        ("eval/AP@.5", 1),
        ("eval/val_loss", -1),
        ("eval/x", 0),
        ("eval/MAPE", -1),
        ("eval/mIoU", 1),
        ("eval/accuracy", 1),
        ("eval/top1", 1),
        ("eval/f1", 1),
        ("eval/F1@0.5", 1),
        ("eval/AUC", 1),
        ("eval/rmse", -1),
        ("eval/f", 0),
        ("eval/stop", 0),
    ],
)
def test_the_name_of_an_evaluation_tells_which_way_is_better(tag: str, sense: int) -> None:
    assert direction(tag) == sense


def test_a_score_that_broke_with_the_loss_is_no_overfitting() -> None:
    points = dict(zip(range(100, 900, 100), (0.1, 0.4, 0.5, 0.45, 0.35, 0.3, 0.25, 0.2), strict=True))
    curve = decay(800, 2.4, 0.0, 400.0)
    assert len(judge(Overfit(), 800, {**loss(curve), "eval/accuracy": points})) == 1
    broken = np.where(np.arange(800) < 700, curve, np.nan)
    assert judge(Overfit(), 800, {**loss(broken), "eval/accuracy": points}) == ()


@pytest.mark.parametrize("beside", ["eval/loss", tags.NORM_TRAINING])
def test_an_accuracy_that_dips_is_no_overfitting_where_a_loss_tells_or_batchnorm_lags(beside: str) -> None:
    dips = dict(zip(range(100, 900, 100), (0.1, 0.4, 0.5, 0.45, 0.35, 0.3, 0.25, 0.2), strict=True))
    series = {**loss(decay(800, 2.4, 0.0, 400.0)), "eval/accuracy": dips}
    assert len(judge(Overfit(), 800, series)) == 1
    assert judge(Overfit(), 800, {**series, beside: dict.fromkeys(dips, 1.0)}) == ()


def test_five_evaluations_are_too_few_for_overfitting() -> None:
    falling = loss(decay(800, 2.4, 0.0, 40.0))
    points = dict(zip(range(100, 900, 100), (0.1, 0.4, 0.5, 0.45, 0.35, 0.3, 0.25, 0.2), strict=True))
    five = dict(list(points.items())[:5])
    assert judge(Overfit(), 800, {**falling, "eval/mAP": five}) == ()
    assert len(judge(Overfit(), 800, {**falling, "eval/mAP": points})) == 1


@pytest.mark.parametrize(("inputs", "passes", "told"), [(20.0, 2.0, False), (90.0, 3.0, True), (64.0, 600.0, True)])
def test_a_score_of_a_few_inputs_may_differ_by_chance(inputs: float, passes: float, told: bool) -> None:
    """Of 600 passes no more than 64 inputs are counted."""
    falling = loss(decay(800, 2.4, 0.0, 40.0))
    points = dict(zip(range(100, 900, 100), (0.22, 0.41, 0.34, 0.31, 0.29, 0.28, 0.29, 0.28), strict=True))
    counted = {tags.EVAL_ROWS: dict.fromkeys(points, inputs), tags.EVAL_PASSES: dict.fromkeys(points, passes)}
    assert bool(judge(Overfit(), 800, {**falling, **counted, "eval/mAP": points})) is told


def test_a_score_that_was_best_at_once_and_went_is_a_collapse_and_no_overfitting() -> None:
    falling = loss(decay(900, 2.4, 0.0, 40.0))
    points = {100: 0.09, 200: 0.01, **{100 * i: 0.0 for i in range(3, 10)}}
    assert judge(Overfit(), 900, {**falling, "eval/mAP": points}) == ()
    assert [s.kind for s in judge(Collapse(), 900, {**falling, "eval/mAP": points})] == ["collapse"]


def test_a_score_that_never_left_zero_has_not_collapsed() -> None:
    assert judge(Collapse(), 900, {**loss(np.ones(900)), "eval/mAP": {100 * i: 0.001 for i in range(1, 10)}}) == ()


@pytest.mark.parametrize(
    ("update", "agreement", "found"),
    [(1e-5, 0.5, 1), (5e-5, 0.95, 1), (5e-5, 0.5, 0), (6e-3, 0.95, 0), (1e-5, 0.1, 0)],
)
def test_a_descent_is_slow_where_steps_are_small_and_gradients_agree(
    update: float, agreement: float, found: int
) -> None:
    series = {**loss(noisy(2.4 - 5e-4 * grid(600), rng(), 0.03)), tags.GRAD_NORM: 1.0}
    series |= {tags.UPDATE_RATIO: update, tags.GRAD_AGREEMENT: agreement}
    assert len(judge(SlowDescent(), 600, series)) == found
