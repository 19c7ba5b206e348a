"""Causes that look alike: what names the right one, and the one signal that turns it."""

from __future__ import annotations

import pytest
from unit.diagnose.situations import diagnosis_of, finding, first_cause

from dettui.domain.finding import Cause, Diagnosis
from dettui.domain.run import ModelInfo
from dettui_probe import tags

CLASSIFIER = ModelInfo(family="classification", num_classes=10, optimizer="SGD")


def causes_of(diagnosis: Diagnosis, kind: str) -> dict[str, Cause]:
    """The causes of the finding of *kind*, by id."""
    (found,) = (f for f in diagnosis.findings if f.kind == kind)
    return {cause.id: cause for cause in found.causes}


# --- gradients that pile up -------------------------------------------------------------------------------------

PILED_UP = {"grad_agreement": 0.98, "grad_norm_ratio": 40.0, "log10_update_ratio": -1.2, "grad_zero_share": 0.97}


def test_a_running_sum_explains_the_units_that_it_kills_and_the_large_steps() -> None:
    diagnosis = diagnosis_of(finding("gradient_exploding"), finding("dead_units"), finding("divergence"), **PILED_UP)
    assert [first_cause(diagnosis, i) for i in range(3)] == ["gradients_not_zeroed"] * 3
    assert not {"dead_relu", "lr_too_high"} & {cause.id for cause in diagnosis.causes}
    assert any("0.98" in text for text in diagnosis.findings[0].causes[0].supports)


def test_gradients_that_differ_are_no_running_sum() -> None:
    differ = {**PILED_UP, "grad_agreement": 0.2}
    assert first_cause(diagnosis_of(finding("gradient_exploding"), finding("divergence"), **differ)) == "lr_too_high"


@pytest.mark.parametrize("kinds", [("spike",), ("spike", "gradient_exploding")])
def test_a_burst_of_the_learning_rate_is_no_running_sum(kinds: tuple[str, ...]) -> None:
    """A network that was flung far away sees one and the same steep gradient for a while."""
    assert first_cause(diagnosis_of(*map(finding, kinds), **PILED_UP)) == "gradients_not_zeroed"
    burst = diagnosis_of(*map(finding, kinds), **PILED_UP, lr_burst=20.0)
    assert next(iter(causes_of(burst, "spike"))) == "lr_too_high"


def test_gradients_that_differed_once_are_no_running_sum() -> None:
    """Flung far away by whatever it was, a network sees one steep gradient; a sum is one from the first steps on."""
    seen = finding("gradient_exploding"), finding("spike")
    assert first_cause(diagnosis_of(*seen, **PILED_UP, grad_agreement_lower=0.9)) == "gradients_not_zeroed"
    assert first_cause(diagnosis_of(*seen, **PILED_UP, grad_agreement_lower=0.1)) != "gradients_not_zeroed"


def test_gradients_that_were_seen_to_be_cleared_are_no_running_sum() -> None:
    """A loss that falls without end drives a network one way, too, ever faster."""
    seen = finding("gradient_exploding"), finding("divergence")
    assert first_cause(diagnosis_of(*seen, **PILED_UP, grad_left_over=0.0)) != "gradients_not_zeroed"


def test_gradients_that_agree_and_have_shrunk_are_no_running_sum() -> None:
    shrunk = {**PILED_UP, "grad_norm_ratio": 0.4}
    named = causes_of(diagnosis_of(finding("dead_units"), **shrunk), "dead_units")
    assert next(iter(named)) == "dead_relu"


@pytest.mark.parametrize(("active", "first"), [(1.0, "clip_too_tight"), (0.4, "unknown")])
def test_a_loss_that_never_leaves_its_floor_under_a_clip_that_always_acts_is_held_by_it(
    active: float, first: str
) -> None:
    clipped = {"clip_ratio": 9.2, "clip_active_share": active, "log10_update_at_peak_lr": -3.2, "grad_agreement": 0.04}
    assert first_cause(diagnosis_of(finding("loss_floor"), **clipped)) == first


def test_a_sum_that_is_emptied_now_and_then_is_a_running_sum_while_it_grows() -> None:
    """Zeroed once in an epoch, it is small as often as large."""
    emptied = {**PILED_UP, "grad_norm_ratio": 0.4}
    assert first_cause(diagnosis_of(finding("gradient_exploding"), **emptied)) == "gradients_not_zeroed"


# --- momentum ---------------------------------------------------------------------------------------------------


def test_a_momentum_of_0_99_is_named_for_a_plateau() -> None:
    diagnosis = diagnosis_of(finding("plateau"), momentum=0.99, residual_r1=0.7)
    assert first_cause(diagnosis) == "momentum_too_high"
    assert any("0.99" in text for text in diagnosis.findings[0].causes[0].supports)


def test_a_usual_momentum_leaves_slow_waves_open() -> None:
    assert first_cause(diagnosis_of(finding("plateau"), momentum=0.9, residual_r1=0.7)) != "momentum_too_high"


@pytest.mark.parametrize(
    ("momentum", "norms", "first"),
    [
        (0.99, {"images_per_norm": 32.0}, "momentum_too_high"),
        (0.9, {"images_per_norm": 32.0}, "class_names_mismatch"),
    ],
)
def test_statistics_that_lag_under_heavy_momentum_stand_behind_a_bad_evaluation(
    momentum: float, norms: dict[str, float], first: str
) -> None:
    """At a usual momentum the same gap between like inputs speaks for their class names."""
    signals = {"eval_over_fresh": 3.0, "eval_means_apart": 0.05, "eval_std_ratio": 1.0, "momentum": momentum}
    assert first_cause(diagnosis_of(finding("bad_evaluation"), **signals, **norms)) == first


def test_heavy_momentum_does_not_excuse_inputs_that_lie_apart() -> None:
    signals = {"eval_over_fresh": 3.0, "eval_means_apart": 1.6, "momentum": 0.99, "images_per_norm": 32.0}
    assert first_cause(diagnosis_of(finding("bad_evaluation"), **signals)) == "train_eval_mismatch"


# --- targets without boxes --------------------------------------------------------------------------------------

MOSTLY_EMPTY = {"boxes_seen": 200.0, "images_seen": 2000.0, "share_empty": 0.9}
FOLLOWS_FROM_IT = {"grad_norm_cv": 2.4, "second_moment_lag": 6.0, "grad_zero_share": 0.97, "eval_best": 0.1}


@pytest.mark.parametrize("kind", ["loss_floor", "collapse", "dead_units", "spike", "overfit", "plateau"])
def test_targets_that_are_mostly_empty_explain_what_follows_from_them(kind: str) -> None:
    diagnosis = diagnosis_of(finding(kind), **MOSTLY_EMPTY, **FOLLOWS_FROM_IT)
    assert first_cause(diagnosis) == "empty_targets"
    assert any("90%" in text for text in diagnosis.findings[0].causes[0].supports)


@pytest.mark.parametrize(
    ("kind", "first"), [("dead_units", "dead_relu"), ("spike", "adam_second_moment_lag"), ("overfit", "overfitting")]
)
def test_a_few_empty_images_explain_none_of_it(kind: str, first: str) -> None:
    signals = {**FOLLOWS_FROM_IT, **MOSTLY_EMPTY, "share_empty": 0.1, "grad_norm_cv": 0.6}
    assert first_cause(diagnosis_of(finding(kind), **signals)) == first


def test_a_third_of_empty_images_does_not_rule_the_run() -> None:
    named = causes_of(diagnosis_of(finding("loss_floor"), **{**MOSTLY_EMPTY, "share_empty": 0.4}), "loss_floor")
    assert "empty_targets" not in named


# --- dead units -------------------------------------------------------------------------------------------------

DEAD = {"grad_zero_share": 0.97, "log10_update_ratio": -3.0, "log10_update_ratio_early": -1.2}


def test_units_that_were_dead_at_the_first_step_are_none_that_a_step_has_killed() -> None:
    signals = {**DEAD, "grad_zero_share_first": 0.96}
    diagnosis = diagnosis_of(finding("dead_units"), **signals)
    assert first_cause(diagnosis) == "dead_relu"
    assert "lr_too_high" not in {cause.id for cause in diagnosis.causes}


def test_units_that_died_under_violent_first_steps_are_blamed_on_them() -> None:
    """Although the weights have not grown: what is dead does not move."""
    signals = {**DEAD, "grad_zero_share_first": 0.3, "weight_growth_early": 1.1}
    diagnosis = diagnosis_of(finding("dead_units"), **signals)
    assert first_cause(diagnosis) == "lr_too_high"
    assert any("30%" in text for text in diagnosis.findings[0].causes[0].supports)


def test_small_first_steps_have_killed_nothing() -> None:
    signals = {**DEAD, "grad_zero_share_first": 0.3, "log10_update_ratio_early": -3.8, "log10_update_ratio": -3.8}
    diagnosis = diagnosis_of(finding("dead_units"), **signals)
    assert "lr_too_high" not in causes_of(diagnosis, "dead_units")


def test_units_that_fired_at_first_died_of_something() -> None:
    """Dead from the first step on they are the cause; later on they are what something has done."""
    small_steps = {"grad_zero_share": 0.97, "log10_update_ratio": -3.8, "log10_update_ratio_early": -3.8}
    assert first_cause(diagnosis_of(finding("dead_units"), **small_steps, grad_zero_share_first=0.95)) == "dead_relu"
    died = causes_of(diagnosis_of(finding("dead_units"), **small_steps, grad_zero_share_first=0.3), "dead_units")
    assert list(died) == ["unknown", "dead_relu"]
    assert any("30%" in text for text in died["dead_relu"].contradicts)


def test_gradients_that_reached_the_first_layer_at_first_do_not_vanish_by_depth() -> None:
    vanished = {"grad_first_over_last_log10": -4.4, "grad_depth_straightness": 0.63}
    early = diagnosis_of(finding("collapse"), **vanished, grad_first_over_last_log10_early=-6.0)
    assert first_cause(early) == "vanishing_gradients"
    burst = {**vanished, "grad_first_over_last_log10_early": -0.4, "lr_burst": 20.0}
    later = diagnosis_of(finding("spike"), finding("collapse"), **burst)
    assert next(iter(causes_of(later, "collapse"))) == "lr_too_high"
    assert "vanishing_gradients" not in causes_of(later, "collapse")


def test_zeros_behind_answers_that_vary_are_lost_in_half_precision() -> None:
    zeros = {"grad_zero_share": 0.99, "grad_zero_share_first": 0.99, "dead_layers_share": 0.8}
    dead = diagnosis_of(finding("dead_units"), **zeros)
    assert first_cause(dead) == "dead_relu"
    lost = diagnosis_of(finding("gradient_vanishing", tag="layer/grad_zero/0.weight"), finding("dead_units"), **zeros)
    assert [first_cause(lost, at) for at in (0, 1)] == ["fp16_underflow"] * 2


def test_a_gradient_of_zeros_is_not_mended_by_longer_steps() -> None:
    crawling = {"log10_update_at_peak_lr": -4.2, "grad_agreement": 0.6, "grad_norm_ratio": 0.5}
    assert first_cause(diagnosis_of(finding("not_learning"), **crawling)) == "lr_too_low"
    dead = diagnosis_of(finding("not_learning"), **crawling, grad_zero_share=0.99)
    assert first_cause(dead) == "dead_relu"


def test_a_drowned_term_explains_classes_that_are_not_learnt() -> None:
    chance = {"own_targets_at_most": 0.6, "own_targets_share": 0.5, "own_targets_at_least": 0.4, "output_spread": 0.4,
              "log10_update_ratio": -2.5}  # fmt: skip
    assert first_cause(diagnosis_of(finding("not_learning", tag=tags.FIT_PAIRS_OWN), **chance)) == "labels_shuffled"
    smell = finding("config_smell", tag=tags.GRAPH_APART)
    diagnosis = diagnosis_of(smell, finding("not_learning", tag="eval/mAP50"), **chance, untold_weights_apart=250.0)
    assert {first_cause(diagnosis, 0), first_cause(diagnosis, 1)} == {"loss_terms_unbalanced"}


# --- evaluations ------------------------------------------------------------------------------------------------

AT_FIRST_SIGHT = {"eval_over_fresh": 3.0, "eval_means_apart": 0.05, "eval_std_ratio": 1.0}


def test_a_gap_at_first_sight_between_like_inputs_speaks_for_class_names() -> None:
    diagnosis = diagnosis_of(finding("bad_evaluation"), **AT_FIRST_SIGHT)
    assert first_cause(diagnosis) == "class_names_mismatch"
    assert any("3.0 times" in text for text in diagnosis.findings[0].causes[0].supports)


def test_the_same_gap_between_inputs_that_lie_apart_speaks_for_their_preparation() -> None:
    apart = {**AT_FIRST_SIGHT, "eval_means_apart": 1.6, "roughness_ratio": 1.0}
    diagnosis = diagnosis_of(finding("bad_evaluation"), **apart)
    assert first_cause(diagnosis) == "train_eval_mismatch"
    assert "class_names_mismatch" not in causes_of(diagnosis, "bad_evaluation")


def test_classes_that_evaluations_exchange_are_no_overfitting() -> None:
    rising, names = finding("overfit"), finding("bad_evaluation", tag=tags.EVAL_RENAMED)
    diagnosis = diagnosis_of(rising, names, classes_renamed=3.0, classes_evaluated=6.0)
    assert [first_cause(diagnosis, i) for i in range(2)] == ["class_names_mismatch"] * 2
    assert first_cause(diagnosis_of(rising, classes_renamed=0.0)) == "overfitting"


def test_a_gap_at_first_sight_is_no_overfitting() -> None:
    assert first_cause(diagnosis_of(finding("overfit"), eval_over_fresh=1.1)) == "overfitting"
    diagnosis = diagnosis_of(finding("overfit"), **AT_FIRST_SIGHT)
    assert first_cause(diagnosis) == "class_names_mismatch"
    assert "overfitting" not in {cause.id for cause in diagnosis.causes}


@pytest.mark.parametrize(
    ("unseen", "first"), [(2.0, "class_missing"), (7.0, "class_names_mismatch"), (0.0, "class_names_mismatch")]
)
def test_classes_that_training_lacks_explain_a_bad_evaluation_away(unseen: float, first: str) -> None:
    """Where most of the head is unseen it is larger than its data, and says nothing of evaluations."""
    findings = [finding("bad_evaluation"), *([finding("class_unseen")] if unseen else [])]
    diagnosis = diagnosis_of(*findings, model=CLASSIFIER, **AT_FIRST_SIGHT, classes_unseen=unseen, num_classes=10.0)
    named = causes_of(diagnosis, "bad_evaluation")
    assert next(iter(named)) == first
    assert not (first == "class_missing" and {"class_names_mismatch", "train_eval_mismatch"} & set(named))


# --- inputs of training and of evaluations ----------------------------------------------------------------------

WIDER_IN_TRAINING = {
    "eval_std_ratio": 0.35,
    "eval_means_apart": 0.1,
    "eval_loss_over_train": 3.0,
    "eval_over_fresh": 3.0,
}


@pytest.mark.parametrize(
    ("roughness", "first", "word"),
    [
        (6.0, "augmentation_too_strong", "6 times as rough"),  # noise
        (0.2, "augmentation_too_strong", "0.2 times as rough"),  # blur
        (1.0, "train_eval_mismatch", "equally rough"),  # a scale
    ],
)
def test_roughness_tells_noise_and_blur_in_training_from_another_scale(roughness: float, first: str, word: str) -> None:
    diagnosis = diagnosis_of(finding("bad_evaluation"), **WIDER_IN_TRAINING, roughness_ratio=roughness)
    assert first_cause(diagnosis) == first
    assert any(word in text for text in diagnosis.findings[0].causes[0].supports)


def test_a_filter_speaks_against_a_mismatch_where_little_else_speaks_for_the_augmentation() -> None:
    slightly = {**WIDER_IN_TRAINING, "eval_std_ratio": 0.7, "eval_means_apart": 0.4}
    assert first_cause(diagnosis_of(finding("bad_evaluation"), **slightly)) == "train_eval_mismatch"
    rough = diagnosis_of(finding("bad_evaluation"), **slightly, roughness_ratio=6.0)
    assert first_cause(rough) == "augmentation_too_strong"


@pytest.mark.parametrize("roughness", [6.0, 0.1])
def test_a_filter_in_training_explains_evaluations_that_worsen_on_other_inputs(roughness: float) -> None:
    found = finding("overfit"), finding("bad_evaluation")
    apart = {"eval_over_fresh": 1.6, "eval_loss_over_train": 8.0, "eval_means_apart": 3.0, "eval_std_ratio": 3.3}
    diagnosis = diagnosis_of(*found, **apart, roughness_ratio=roughness)
    assert first_cause(diagnosis) == "augmentation_too_strong"
    assert first_cause(diagnosis_of(*found, **apart, roughness_ratio=1.0)) == "train_eval_mismatch"


def test_inputs_that_are_darker_and_smoother_in_training_speak_for_a_filter_before_a_scale() -> None:
    darker = {"eval_means_apart": 6.4, "eval_std_ratio": 5.0}
    causes = causes_of(diagnosis_of(finding("bad_evaluation"), **darker, roughness_ratio=0.28), "bad_evaluation")
    assert list(causes) == ["augmentation_too_strong", "train_eval_mismatch"]
    scaled = causes_of(diagnosis_of(finding("bad_evaluation"), **darker, roughness_ratio=0.5), "bad_evaluation")
    assert list(scaled) == ["train_eval_mismatch"]


def test_inputs_of_another_scale_and_as_rough_are_no_strong_augmentation() -> None:
    shifted = {"eval_means_apart": 1.5, "eval_std_ratio": 3.0, "roughness_ratio": 1.0}
    diagnosis = diagnosis_of(finding("bad_evaluation"), **shifted)
    assert list(causes_of(diagnosis, "bad_evaluation")) == ["train_eval_mismatch"]
    rough = diagnosis_of(finding("bad_evaluation"), **{**shifted, "roughness_ratio": 6.0})
    assert "augmentation_too_strong" in causes_of(rough, "bad_evaluation")


# --- penalty, initialisation ------------------------------------------------------------------------------------

PENALISED = {
    "penalty_share": 0.9,
    "loss_first": 20.0,
    "num_classes": 10.0,
    "log10_update_ratio": -1.3,
    "update_decay_share": 0.6,
}
PENALTY = finding("config_smell", tag="fit/loss_mean")


def test_a_penalty_explains_the_high_first_loss_and_the_shrinking_weights() -> None:
    diagnosis = diagnosis_of(PENALTY, finding("plateau"), model=CLASSIFIER, **PENALISED)
    assert [f.causes[0].id for f in diagnosis.findings] == ["regularisation_too_strong"] * 2
    assert any("90%" in text for text in diagnosis.findings[0].causes[0].supports)
    assert not {"weight_decay_too_strong", "init_too_large", "lr_too_high"} & {c.id for c in diagnosis.causes}


def test_without_a_penalty_the_same_signs_speak_for_weight_decay() -> None:
    signals = {**PENALISED, "penalty_share": 0.05, "log10_update_ratio": -2.5}
    assert first_cause(diagnosis_of(finding("plateau"), model=CLASSIFIER, **signals)) == "weight_decay_too_strong"


CONFIDENT = finding("config_smell", tag="fit/confidently_wrong")


def test_sure_and_wrong_answers_of_an_untrained_network_speak_for_its_initialisation() -> None:
    diagnosis = diagnosis_of(CONFIDENT, finding("slow_descent"), model=CLASSIFIER, log10_update_ratio=-3.0)
    assert [f.causes[0].id for f in diagnosis.findings] == ["init_too_large"] * 2
    assert any("sure of wrong answers" in text for text in diagnosis.findings[0].causes[0].supports)


def test_a_smell_in_another_series_says_nothing_of_the_initialisation() -> None:
    other = finding("config_smell", tag="norm/training")
    diagnosis = diagnosis_of(other, finding("slow_descent"), model=CLASSIFIER, log10_update_ratio=-3.0)
    assert "init_too_large" not in {cause.id for cause in diagnosis.causes}


def test_weights_of_nothing_are_named_for_the_smell_that_tells_of_them() -> None:
    smell = finding("config_smell", tag="weight/norm")
    diagnosis = diagnosis_of(smell, finding("not_learning"), weights_near_zero=0.8, log10_update_at_peak_lr=-5.0)
    assert [f.causes[0].id for f in diagnosis.findings] == ["init_degenerate"] * 2
    few = diagnosis_of(smell, finding("not_learning"), weights_near_zero=0.2, log10_update_at_peak_lr=-5.0)
    assert "init_degenerate" not in {cause.id for cause in few.causes}


@pytest.mark.parametrize(("share", "certain"), [(0.9, True), (0.3, False)])
def test_frozen_weights_that_nothing_trained_are_proof(share: float, certain: bool) -> None:
    smell = finding("config_smell", tag="optim/frozen_untrained")
    counted = {"frozen_untrained": 10 * share, "frozen_untrained_share": share, "frozen_share": 0.6}
    (cause,) = diagnosis_of(smell, **counted).findings[0].causes[:1]
    assert (cause.id == "frozen_params" and cause.certain) is certain


VIOLENT_START = {"log10_update_ratio_early": -1.2, "weight_growth_early": 1.3, "log10_update_ratio": -4.0}


@pytest.mark.parametrize(("first_lr", "named"), [(1.0, True), (0.01, False)])
def test_violent_first_steps_at_the_full_rate_stand_behind_a_guessers_loss(first_lr: float, named: bool) -> None:
    diagnosis = diagnosis_of(finding("loss_floor"), **VIOLENT_START, lr_first_over_peak=first_lr)
    assert ("warmup_missing" in causes_of(diagnosis, "loss_floor")) is named


# --- batches ----------------------------------------------------------------------------------------------------

NEARLY_EQUAL = {
    "grad_agreement": 0.8,
    "update_overshoot": -0.7,
    "log10_update_at_peak_lr": -2.8,
    "log10_update_ratio": -2.8,
}


def test_gradients_that_are_nearly_equal_at_steps_of_usual_size_speak_for_a_smaller_batch() -> None:
    diagnosis = diagnosis_of(finding("slow_descent"), **NEARLY_EQUAL)
    assert first_cause(diagnosis) == "batch_too_large"
    assert any("0.80" in text for text in diagnosis.findings[0].causes[0].supports)


def test_the_same_gradients_at_small_steps_speak_for_larger_steps() -> None:
    small = {**NEARLY_EQUAL, "log10_update_at_peak_lr": -4.3, "log10_update_ratio": -4.3}
    assert first_cause(diagnosis_of(finding("slow_descent"), **small)) == "lr_too_low"


def test_nothing_has_converged_while_each_gradient_asks_for_more() -> None:
    learnt = {"loss_drop_share": 0.8, "grad_norm_ratio": 0.2}
    assert first_cause(diagnosis_of(finding("slow_descent"), **learnt)) == "converged"
    asked_for = diagnosis_of(finding("slow_descent"), **learnt, **NEARLY_EQUAL)
    assert "converged" not in {cause.id for cause in asked_for.causes}


@pytest.mark.parametrize("turn", [{"grad_norm_cv": 0.6}, {"update_overshoot": -0.2}, {"grad_agreement": 0.2}])
def test_gradients_that_vary_or_ask_for_no_more_need_no_smaller_batch(turn: dict[str, float]) -> None:
    diagnosis = diagnosis_of(finding("slow_descent"), **{**NEARLY_EQUAL, **turn})
    assert "batch_too_large" not in {cause.id for cause in diagnosis.causes}


OUTLIERS = {"outlier_ratio": 9.0, "log10_update_ratio": -1.8, "grad_norm_cv": 2.5, "grad_norm_ratio": 4.0}


def test_batches_whose_inputs_stand_out_explain_the_spikes_away_from_the_rate() -> None:
    diagnosis = diagnosis_of(finding("spike"), **OUTLIERS)
    assert first_cause(diagnosis) == "outlier_batches"
    assert not {"lr_too_high", "batch_too_small"} & {cause.id for cause in diagnosis.causes}
    assert any("9 times" in text for text in diagnosis.findings[0].causes[0].supports)


@pytest.mark.parametrize("turn", [{"lr_burst": 30.0}, {"log10_update_ratio": -1.0}], ids=["burst", "violent"])
def test_a_burst_of_the_rate_and_violent_steps_are_not_explained_away(turn: dict[str, float]) -> None:
    diagnosis = diagnosis_of(finding("spike"), **{**OUTLIERS, **turn})
    assert first_cause(diagnosis) != "outlier_batches"
    assert "lr_too_high" in causes_of(diagnosis, "spike")


@pytest.mark.parametrize("tag", ["batch/std", "images/std"])
def test_a_jump_at_a_batch_far_outside_all_others_is_put_down_to_that_batch(tag: str) -> None:
    lags = {"second_moment_lag": 6.0, "log10_update_ratio": -2.5}
    assert first_cause(diagnosis_of(finding("spike"), **lags)) == "adam_second_moment_lag"
    assert first_cause(diagnosis_of(finding("spike", tag=tag), **lags)) == "outlier_batches"


def test_single_wild_batches_are_no_change_of_the_data() -> None:
    found = [finding("spike"), finding("distribution_shift", severity="info")]
    assert next(iter(causes_of(diagnosis_of(*found), "spike"))) == "data_corrupted_midway"
    assert next(iter(causes_of(diagnosis_of(*found, outlier_ratio=30.0), "spike"))) == "outlier_batches"


def test_inputs_that_are_far_too_large_stand_behind_the_units_and_the_first_answers_that_they_spoil() -> None:
    raw = {"input_mean": 1000.0, "input_std": 62.0, "input_max": 1260.0, "grad_zero_share": 0.96}
    dead = finding("dead_units", tag="grad/zero_share")
    diagnosis = diagnosis_of(finding("bad_inputs", tag="batch/mean"), dead, CONFIDENT, model=CLASSIFIER, **raw)
    assert {cause.id for cause in diagnosis.causes} == {"inputs_not_normalised"}
    assert first_cause(diagnosis_of(dead, model=CLASSIFIER, grad_zero_share=0.96)) == "dead_relu"


def test_an_even_profile_explains_steps_that_look_too_large_and_a_single_odd_layer_explains_nothing() -> None:
    profile = finding("gradient_vanishing", tag="layer/grad_norm/0.weight")
    large = {"log10_update_ratio": -1.2, "grad_first_over_last_log10": -6.0}
    even = diagnosis_of(profile, finding("collapse"), grad_depth_straightness=0.98, **large)
    assert {cause.id for cause in even.causes} == {"vanishing_gradients"}
    odd = diagnosis_of(finding("collapse"), grad_depth_straightness=0.15, **large)
    assert "vanishing_gradients" not in {cause.id for cause in odd.causes}


def test_statistics_that_became_extreme_are_named_for_evaluations_that_suffer() -> None:
    smell = finding("bad_evaluation", tag="norm/extreme_channels")
    assert first_cause(diagnosis_of(smell, finding("overfit", tag="eval/loss"))) == "batchnorm_poisoned"


def test_inputs_of_next_to_nothing_stand_behind_the_small_gradient_of_the_first_layer() -> None:
    profile = finding("gradient_vanishing", tag="layer/grad_norm/0.weight")
    steep = {"grad_first_over_last_log10": -3.8, "grad_depth_straightness": 0.87}
    nothing = {"given_std": 0.004, "given_size": 0.015}
    assert first_cause(diagnosis_of(profile, **steep)) == "vanishing_gradients"
    diagnosis = diagnosis_of(profile, finding("not_learning"), **steep, **nothing)
    assert [first_cause(diagnosis, i) for i in range(2)] == ["inputs_normalised_twice"] * 2


# --- what pulls the weights to zero -------------------------------------------------------------------------------

PULLED = finding("config_smell", tag="update/decay_share")


@pytest.mark.parametrize(
    ("decay", "penalty", "first"), [(0.05, 0.0, "weight_decay_too_strong"), (0.0, 1.0, "regularisation_too_strong")]
)
def test_decay_and_a_penalty_in_the_loss_are_told_apart_by_the_setting(
    decay: float, penalty: float, first: str
) -> None:
    """By the end the pull is in balance and no longer shows in the steps."""
    signals = {"weight_decay": decay, "loss_has_penalty": penalty, "update_decay_share": 0.05}
    assert first_cause(diagnosis_of(PULLED, **signals)) == first


def test_a_burst_of_the_learning_rate_is_not_contradicted_by_the_calm_behind_it() -> None:
    signals = {"log10_update_ratio": -3.0, "grad_agreement": 0.4}
    assert first_cause(diagnosis_of(finding("spike"), **signals)) != "lr_too_high"
    assert first_cause(diagnosis_of(finding("spike"), **signals, lr_burst=300.0)) == "lr_too_high"


def test_inputs_drowned_in_training_only_say_nothing_of_the_labels() -> None:
    stuck = {"output_spread": 0.2, "log10_update_ratio": -3.0, "first_epoch_over_guess": 1.0}
    drowned = {"eval_std_ratio": 0.24, "eval_means_apart": 0.01, "eval_loss_over_train": 1.01}
    assert first_cause(diagnosis_of(finding("not_learning"), **stuck)) == "labels_shuffled"
    assert first_cause(diagnosis_of(finding("not_learning"), **stuck, **drowned)) == "augmentation_too_strong"


def test_statistics_that_broke_with_everything_else_are_not_what_broke() -> None:
    broken = finding("non_finite", tag="norm/poisoned_channels")
    assert first_cause(diagnosis_of(broken, poisoned_channels=3.0)) == "batchnorm_poisoned"
    violent = diagnosis_of(broken, finding("update_too_large"), poisoned_channels=3.0, log10_update_ratio=-0.9)
    assert "batchnorm_poisoned" not in {cause.id for cause in violent.causes}


def test_units_that_a_long_momentum_killed_are_put_down_to_it() -> None:
    dead = finding("dead_units", tag="grad/zero_share")
    assert first_cause(diagnosis_of(dead, grad_zero_share=0.96, momentum=0.9)) == "dead_relu"
    assert first_cause(diagnosis_of(dead, grad_zero_share=0.96, momentum=0.995)) == "momentum_too_high"


def test_a_learning_rate_that_fell_away_speaks_against_shuffled_labels() -> None:
    chance = {"output_spread": 0.3, "log10_update_ratio": -3.0}
    assert first_cause(diagnosis_of(finding("not_learning"), **chance)) == "labels_shuffled"
    gone = diagnosis_of(finding("not_learning"), finding("config_smell", tag="lr/pg0"), **chance)
    assert first_cause(gone) != "labels_shuffled"
    high = diagnosis_of(finding("not_learning"), finding("config_smell", tag="lr/pg0"), lr_over_recipe=12.0, **chance)
    assert "labels_shuffled" in causes_of(high, "not_learning")
    assert "labels_shuffled" not in causes_of(gone, "not_learning")


def test_categories_that_are_numbered_in_two_ways_are_a_mismatch_of_names() -> None:
    found = diagnosis_of(finding("bad_evaluation", tag=tags.EVAL_FOREIGN))
    assert first_cause(found) == "class_names_mismatch"


def test_boxes_that_lost_their_images_are_no_empty_images() -> None:
    lost = finding("bad_targets", severity="critical", tag=tags.TARGET_EMPTY)
    found = diagnosis_of(lost, batches_with_one_image=80.0, share_empty=0.94, images_seen=1280.0)
    assert [(cause.id, cause.certain) for cause in found.causes][:1] == [("labels_shuffled", True)]
    assert first_cause(diagnosis_of(lost, share_empty=0.94, images_seen=1280.0)) == "empty_targets"


@pytest.mark.parametrize(("apart", "rough", "named"), [(1.0, 1.5, True), (0.0, 1.5, False), (1.0, 4.0, False)])
def test_inputs_of_which_one_side_alone_is_normalised_are_prepared_in_two_ways(
    apart: float, rough: float, named: bool
) -> None:
    shifted = {"eval_means_apart": 0.6, "eval_std_ratio": 0.22, "roughness_ratio": rough, "normalised_apart": apart}
    first = first_cause(diagnosis_of(finding("bad_evaluation", tag="eval_batch/mean"), **shifted))
    assert (first == "train_eval_mismatch") is named


def test_a_rate_that_fell_to_nothing_explains_that_nothing_moves() -> None:
    assert first_cause(diagnosis_of(finding("no_update"), lr_now=1e-11, lr_peak=1e-3)) == "lr_zero"
    over = {"lr_now": 1e-11, "lr_peak": 1e-3, "schedule_share_done": 0.99}
    assert first_cause(diagnosis_of(finding("no_update"), **over, lr_low_since=0.1)) == "lr_zero"
    assert first_cause(diagnosis_of(finding("no_update"), **over, lr_low_since=0.9)) != "lr_zero"


@pytest.mark.parametrize(
    ("way", "asked", "first"),
    [(0.13, -0.11, "lr_too_low"), (1.3, -0.11, "labels_shuffled"), (0.13, 0.0, "labels_shuffled")],
)
def test_weights_that_have_hardly_moved_say_nothing_of_the_labels(way: float, asked: float, first: str) -> None:
    chance = {"output_spread": 0.3, "log10_update_ratio": -3.8, "log10_update_at_peak_lr": -3.8}
    found = diagnosis_of(finding("not_learning"), way=way, update_overshoot=asked, **chance)
    assert first_cause(found) == first


def test_heavy_dropout_explains_gradients_of_zero() -> None:
    dead = finding("not_learning")
    dropped = diagnosis_of(dead, dropout=0.9, grad_zero_share=0.95)
    assert first_cause(dropped) == "regularisation_too_strong"
    assert "dead_relu" not in {cause.id for cause in dropped.causes}


def test_boxes_of_a_smaller_image_are_told_from_boxes_of_another_format() -> None:
    quarter = {"boxes_seen": 500.0, "share_top_left": 1.0, "min_image_side": 100.0, "share_legal_declared": 1.0}
    bad = finding("bad_targets", tag="targets/max_coord")
    half = diagnosis_of(bad, max_coord=50.0, share_outside=0.0, share_tiny=0.0, **quarter)
    assert first_cause(half) == "boxes_wrong_scale"
    assert "boxes_wrong_format" not in {cause.id for cause in half.causes}
    assert first_cause(diagnosis_of(bad, max_coord=90.0, **quarter)) == "boxes_wrong_format"


@pytest.mark.parametrize(("family", "box_format", "certain"), [("yolo", "xyxy", True), ("unknown", "", False)])
def test_a_format_is_proved_wrong_only_to_a_head_that_is_known(family: str, box_format: str, certain: bool) -> None:
    """One's own detector, which does not learn for whatever reason, may read centres and sizes."""
    model = ModelInfo(family, 4, box_format=box_format, box_scale="pixels" if box_format else "")
    as_centres = {"boxes_seen": 500.0, "share_degenerate": 0.9, "share_legal_declared": 0.1, "share_legal_other": 1.0}
    causes = diagnosis_of(finding("not_learning"), model=model, max_coord=60.0, **as_centres).causes
    assert any(cause.id == "boxes_wrong_format" and cause.certain for cause in causes) is certain


def test_corners_on_square_images_are_called_xyxy_and_not_yxyx() -> None:
    model = ModelInfo("yolo", 4, box_format="cxcywh", box_scale="pixels")
    legal = {"share_legal_declared": 0.2, "share_legal_other": 1.0, "share_legal_xyxy": 1.0, "share_legal_yxyx": 1.0}
    diagnosis = diagnosis_of(finding("bad_targets"), model=model, boxes_seen=500.0, max_coord=60.0, **legal)
    (cause,) = (cause for cause in diagnosis.findings[0].causes if cause.id == "boxes_wrong_format")
    assert "in_fmt='xyxy', out_fmt='cxcywh'" in cause.remedy


# --- a score that contradicts training ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apart", "std_ratio", "cause"),
    [(0.1, 1.0, "class_names_mismatch"), (4.0, 3.0, "train_eval_mismatch")],
)
def test_a_detector_that_finds_its_objects_and_scores_nothing_is_evaluated_otherwise(
    apart: float, std_ratio: float, cause: str
) -> None:
    low = finding("bad_evaluation", tag=tags.SUREST_OVERLAP)
    known = {"eval_means_apart": apart, "eval_std_ratio": std_ratio, "log10_update_ratio": -1.0}
    assert first_cause(diagnosis_of(low, **known)) == cause


def test_what_a_detector_is_surest_of_means_little_where_batchnorm_sees_single_images() -> None:
    unexplained = finding("bad_targets", tag=tags.SUREST_UNEXPLAINED)
    known = {"surest_unexplained": 0.58, "surest_overlap": 0.6, "loss_drop_share": 0.6}
    assert first_cause(diagnosis_of(unexplained, **known)) == "missing_annotations"
    named = causes_of(diagnosis_of(unexplained, **known, images_per_norm=1.0), "bad_targets")
    assert list(named)[:2] == ["batchnorm_small_batch", "missing_annotations"]


def test_classes_that_only_evaluations_ask_for_come_before_a_small_training_set() -> None:
    by_heart = {"loss_drop_share": 0.999, "num_classes": 7.0, "distinct_batches": 60.0}
    learnt, asked = diagnosis_of(finding("overfit"), model=CLASSIFIER, **by_heart), {"eval_loss_over_guess": 9.5}
    assert "dataset_too_small" in causes_of(learnt, "overfit")
    diagnosis = diagnosis_of(finding("overfit"), model=CLASSIFIER, **by_heart, **asked, classes_unseen=5.0)
    assert first_cause(diagnosis) == "class_missing"
    assert "dataset_too_small" not in causes_of(diagnosis, "overfit")


def test_terms_that_are_far_apart_explain_a_score_that_stays_near_nothing() -> None:
    low = finding("not_learning", tag="eval/mAP50")
    assert first_cause(diagnosis_of(low, term_weights_apart=100.0, schedule_share_done=1.0)) == "loss_terms_unbalanced"


def test_a_few_pictures_that_vary_less_are_no_strong_augmentation_of_a_detector_that_scores_nothing() -> None:
    known = {"eval_std_ratio": 0.8, "eval_means_apart": 0.1}
    plain = causes_of(diagnosis_of(finding("not_learning", tag=tags.LOSS_TOTAL), **known), "not_learning")
    assert "augmentation_too_strong" in plain
    low = causes_of(diagnosis_of(finding("not_learning", tag="eval/mAP50"), **known), "not_learning")
    assert "augmentation_too_strong" not in low


@pytest.mark.parametrize(("lr_over_peak", "share_done"), [(0.9, 0.4), (0.05, 0.4)], ids=["at_its_peak", "gone"])
def test_labels_are_not_accused_where_the_rate_was_gone_before_much_could_be_learnt(
    lr_over_peak: float, share_done: float
) -> None:
    guessing = {"first_epoch_over_guess": 1.0, "lr_now": 0.1 * lr_over_peak, "lr_peak": 0.1, "grad_norm_ratio": 0.9}
    found = [finding("loss_floor"), finding("config_smell", tag="loss/total")]
    named = causes_of(diagnosis_of(*found, **guessing, schedule_share_done=share_done), "loss_floor")
    assert ("labels_shuffled" in named) is (lr_over_peak > 0.5)


def test_a_filter_that_left_few_inputs_and_half_of_the_classes_is_told_by_the_classes() -> None:
    few = {"loss_drop_share": 0.999, "distinct_batches": 6.0, "distinct_inputs": 34.0, "num_classes": 4.0}
    few |= {"boxes_seen": 2085.0}
    one_missing = diagnosis_of(finding("overfit"), **few, classes_unseen=1.0)
    assert first_cause(one_missing) == "dataset_too_small"  # as chance has it
    assert first_cause(diagnosis_of(finding("overfit"), **few, classes_unseen=3.0)) == "class_missing"


# --- a network that hardly moved ------------------------------------------------------------------------------------

AT_A_GUESS = {"own_targets_at_most": 0.56, "first_epoch_over_guess": 1.02, "loss_drop_share": 0.03}


@pytest.mark.parametrize(("way", "first"), [(0.03, True), (0.6, False)])
def test_weights_that_hardly_moved_answer_like_a_guesser_whatever_the_labels(way: float, first: bool) -> None:
    """Steps of usual size near the peak of a short schedule, which together lead nowhere."""
    moved = {**AT_A_GUESS, "way": way, "way_at_peak_lr": 2 * way, "log10_update_at_peak_lr": -3.3}
    named = diagnosis_of(finding("loss_floor"), finding("not_learning"), model=CLASSIFIER, **moved).causes
    assert (named[0].id == "lr_too_low") is first


def test_a_decayed_schedule_is_no_step_that_was_always_too_short() -> None:
    decayed = {"way": 0.03, "way_at_peak_lr": 0.9, "lr_now": 1e-4, "lr_peak": 1e-2, "schedule_share_done": 0.3}
    assert "lr_too_low" not in causes_of(diagnosis_of(finding("not_learning"), **decayed), "not_learning")


# --- gradients over depth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at_first", "named"), [(-8.0, True), (-3.5, False)])
def test_three_decades_from_a_head_to_an_embedding_are_no_vanishing(at_first: float, named: bool) -> None:
    depth = {
        "grad_first_over_last_log10": min(at_first, -3.3),
        "grad_first_over_last_log10_early": at_first,
        "grad_depth_straightness": 0.7,
    }
    causes = causes_of(diagnosis_of(finding("not_learning"), model=CLASSIFIER, **depth), "not_learning")
    assert ("vanishing_gradients" in causes) is named


# --- a clip that is not what holds the steps ----------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "first"), [(40.0, "clip_too_tight"), (1.3, "lr_too_low")])
def test_a_clip_is_not_blamed_for_steps_that_would_be_tiny_without_it(ratio: float, first: str) -> None:
    tiny = {"clip_active_share": 1.0, "clip_ratio": ratio, "log10_update_ratio": -4.9, "log10_update_at_peak_lr": -4.8}
    assert first_cause(diagnosis_of(finding("not_learning"), **tiny)) == first


# --- classes of tokens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("guesses", "first"), [(1.4, "class_missing"), (0.6, "overfitting")])
def test_tags_that_never_came_are_missed_where_no_evaluation_beats_a_guess(guesses: float, first: str) -> None:
    tagger = {"parts_unseen_share": 0.3, "eval_loss_over_guess": guesses, "loss_drop_share": 0.98}
    seen = finding("overfit"), finding("class_unseen", severity="info")
    assert first_cause(diagnosis_of(*seen, model=CLASSIFIER, **tagger)) == first


# --- a floor near that of two softmaxes ---------------------------------------------------------------------------


@pytest.mark.parametrize(("in_graph", "named"), [(None, True), (0.0, False)])
def test_a_loss_near_the_floor_of_two_softmaxes_says_little_where_the_graph_holds_one(
    in_graph: float | None, named: bool
) -> None:
    floor = {"loss_last": 1.165, "loss_drop_share": 0.4, "num_classes": 7.0}
    told = floor if in_graph is None else {**floor, "softmax_twice": in_graph}
    diagnosis = diagnosis_of(finding("not_learning"), model=CLASSIFIER, **told)
    assert (first_cause(diagnosis) == "softmax_twice") is named


# --- boxes of a head that nobody knows ----------------------------------------------------------------------------

NOBODY_KNOWS = ModelInfo(family="unknown", optimizer="AdamW")
FINDS_NOTHING = {"loss_drop_share": 0.7, "read_fits": 0.9, "read_fits_at_least": 0.85, "read_legal": 1.0}
XYXY, CXCYWH, XYWH = 0.0, 1.0, 2.0


def of_a_detector(*, score: bool = True, **signals: float) -> dict[str, Cause]:
    told = finding("not_learning", tag="eval/mAP50" if score else "loss/total")
    return causes_of(diagnosis_of(told, model=NOBODY_KNOWS, **{**FINDS_NOTHING, **signals}), "not_learning")


def test_boxes_that_fit_as_few_heads_read_them_are_of_a_wrong_format_where_nothing_is_found() -> None:
    named = of_a_detector(read_as=XYWH, max_coord=1.0)
    assert next(iter(named)) == "boxes_wrong_format"
    assert "in_fmt='xywh'" in named["boxes_wrong_format"].remedy


def test_corners_in_shares_are_of_a_wrong_format_or_scale() -> None:
    assert list(of_a_detector(read_as=XYXY, max_coord=1.0))[:2] == ["boxes_wrong_format", "boxes_wrong_scale"]


@pytest.mark.parametrize(("largest", "named"), [(1.0, True), (400.0, False)])
def test_corners_in_shares_of_which_nothing_is_learnt_are_of_a_wrong_scale(largest: float, named: bool) -> None:
    stuck = finding("not_learning", tag=tags.FIT_PAIRS_OWN)
    signals = {**FINDS_NOTHING, "read_as": XYXY, "max_coord": largest}
    assert (first_cause(diagnosis_of(stuck, model=NOBODY_KNOWS, **signals)) == "boxes_wrong_scale") is named


@pytest.mark.parametrize(("read_as", "largest"), [(CXCYWH, 1.0), (XYXY, 400.0)])
def test_what_most_heads_read_is_not_accused(read_as: float, largest: float) -> None:
    assert "boxes_wrong_format" not in of_a_detector(read_as=read_as, max_coord=largest)


@pytest.mark.parametrize("changes", [{"loss_drop_share": 0.1}, {"read_fits_at_least": 0.5}, {"score": False}])
def test_a_format_is_not_accused_unless_the_loss_falls_and_boxes_fit_and_nothing_is_found(
    changes: dict[str, float],
) -> None:
    assert "boxes_wrong_format" not in of_a_detector(**{"read_as": XYWH, "max_coord": 1.0, **changes})  # type: ignore[arg-type]


def test_normalised_boxes_alone_say_nothing_of_a_head_that_nobody_knows() -> None:
    quiet = of_a_detector(read_as=CXCYWH, max_coord=1.0, min_image_side=640.0, boxes_seen=900.0)
    assert "boxes_wrong_scale" not in quiet


@pytest.mark.parametrize(
    "extent", [{"read_start": 0.0, "read_reach": 0.5}, {"read_start": 0.0, "read_reach": 2.0, "read_legal": 0.2}]
)
def test_boxes_of_another_image_leave_no_room_for_shuffled_labels(extent: dict[str, float]) -> None:
    by_chance = {"own_targets_at_most": 0.6, "own_targets_share": 0.5, "own_targets_at_least": 0.45}
    alive = {"output_spread": 0.2, "log10_update_ratio": -3.0, "boxes_seen": 900.0, "read_as": CXCYWH}
    named = of_a_detector(**by_chance, **alive, **extent)
    assert next(iter(named)) == "boxes_wrong_scale"
    assert "labels_shuffled" not in named


@pytest.mark.parametrize("raw", [False, True])
def test_a_loss_of_raw_scores_has_no_floor_with_the_right_sign_either(raw: bool) -> None:
    endless = {"falls_without_end": 1e4, "loss_first": -0.3, "loss_last": -1e3, "grad_norm_ratio": 35.0}
    smells = [finding("config_smell", tag=tags.GRAPH_RAW_SCORES)] if raw else []
    assert (first_cause(diagnosis_of(finding("divergence"), *smells, **endless)) == "loss_sign_flipped") is not raw


@pytest.mark.parametrize(("corners", "named"), [(0.1, "boxes_wrong_format"), (1.0, "loss_sign_flipped")])
def test_boxes_of_negative_size_explain_a_loss_that_falls_without_end(corners: float, named: str) -> None:
    endless = {"falls_without_end": 1e8, "loss_first": 6.0, "loss_last": -1e9, "grad_norm_cv": 2.5}
    formats = {"share_legal_xyxy": corners, "read_as": CXCYWH, "read_legal": 1.0, "boxes_seen": 900.0}
    diagnosis = diagnosis_of(finding("config_smell", tag="loss/total"), model=NOBODY_KNOWS, **endless, **formats)
    assert first_cause(diagnosis) == named


def test_blocks_as_short_as_a_batch_are_sorted_all_the_same() -> None:
    found = finding("batch_order", tag=tags.ORDER_CHI2)
    assert first_cause(diagnosis_of(found, order_carry=-0.08)) == "data_unshuffled"


@pytest.mark.parametrize(
    ("share", "named"), [(0.8, "inputs_constant"), (0.1, "labels_shuffled"), (1.0, "labels_shuffled")]
)
def test_blank_inputs_of_which_nothing_is_learnt_explain_it_also_beside_no_evaluation(share: float, named: str) -> None:
    """Of sparse inputs, such as bags of words, nearly all look blank."""
    by_chance = {"own_targets_at_most": 0.58, "own_targets_share": 0.53, "own_targets_at_least": 0.5}
    alive = {"output_spread": 0.2, "log10_update_ratio": -3.0}
    found = finding("not_learning", tag=tags.FIT_PAIRS_OWN)
    assert first_cause(diagnosis_of(found, model=CLASSIFIER, blank_rows=share, **by_chance, **alive)) == named


def test_swapped_axes_are_mended_by_an_index() -> None:
    (cause,) = (
        cause
        for cause in diagnosis_of(
            finding("bad_targets", tag="pairing/swapped_fits"),
            swap_wins=0.9,
            swap_wins_at_least=0.85,
            own_place_wins=0.5,
        )
        .findings[0]
        .causes
        if cause.id == "boxes_wrong_format"
    )
    assert "boxes[:, [1, 0, 3, 2]]" in cause.remedy


def test_boxes_that_are_as_good_beside_their_objects_are_noise() -> None:
    diagnosis = diagnosis_of(
        finding("bad_targets", tag=tags.PAIRING_ASIDE_WINS), aside_wins=0.5, aside_wins_at_most=0.55, own_place_wins=0.7
    )
    assert first_cause(diagnosis) == "label_noise"


def test_boxes_that_are_worse_where_they_are_than_beside_that_are_of_another_format() -> None:
    found = finding("bad_targets", tag=tags.PAIRING_ASIDE_WINS)
    diagnosis = diagnosis_of(found, aside_wins=0.41, aside_wins_at_most=0.45, own_place_wins=0.69)
    assert first_cause(diagnosis) == "boxes_wrong_format"
    assert "label_noise" not in {cause.id for cause in diagnosis.causes}


def test_a_score_that_is_lost_while_training_learns_speaks_for_other_classes_in_evaluations() -> None:
    lost = {"score_fallen_from": 0.17, "score_fallen_to": 0.01, "eval_means_apart": 0.1, "eval_std_ratio": 1.0}
    named = causes_of(diagnosis_of(finding("bad_evaluation", tag="eval/mAP"), **lost), "bad_evaluation")
    assert next(iter(named)) == "class_names_mismatch"


# --- inputs that were divided twice -------------------------------------------------------------------------------

SHUFFLED = {"eval_loss_over_guess": 1.01, "first_epoch_over_guess": 1.0}


@pytest.mark.parametrize(
    "given", [{"given_std": 1e-5, "given_size": 5e-5}, {"given_std": 0.003, "given_size": 1.6, "given_span": 0.02}]
)
def test_inputs_that_hardly_differ_leave_no_room_for_shuffled_labels(given: dict[str, float]) -> None:
    told = finding("overfit", tag="eval/loss")
    assert first_cause(diagnosis_of(told, model=CLASSIFIER, **SHUFFLED)) == "labels_shuffled"
    named = causes_of(diagnosis_of(told, model=CLASSIFIER, **SHUFFLED, **given), "overfit")
    assert "inputs_normalised_twice" in named
    assert "labels_shuffled" not in named
