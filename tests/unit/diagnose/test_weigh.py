"""Which cause is named for which evidence, and when none is."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from unit.diagnose.situations import diagnosis_of, finding, first_cause

from dettui.diagnose.weigh import POLICY, tier
from dettui.domain.run import ModelInfo

HEALTHY_BOXES = {
    "boxes_seen": 2000.0,
    "images_seen": 600.0,
    "share_empty": 0.0,
    "share_degenerate": 0.0,
    "share_nonfinite_boxes": 0.0,
    "share_outside": 0.0,
    "share_top_left": 0.25,
    "share_legal_xyxy": 1.0,
    "share_legal_xywh": 0.25,
    "share_legal_cxcywh": 0.3,
    "share_legal_yxyx": 1.0,
    "max_coord": 127.0,
    "min_image_side": 128.0,
    "labels_illegal": 0.0,
    "labels_background": 0.0,
    "length_mismatches": 0.0,
}
WRONG_FORMAT = {
    **HEALTHY_BOXES,
    "share_degenerate": 0.6,
    "share_top_left": 1.0,
    "share_legal_xyxy": 0.4,
    "share_legal_xywh": 1.0,
}
USUAL_STEPS = {"log10_update_ratio": -2.7, "log10_update_ratio_early": -2.7, "grad_agreement": 0.05}

CASES = {
    "lr_too_high": (
        ("oscillation", "update_too_large"),
        {"log10_update_ratio": -1.3, "grad_agreement": -0.4, "residual_r1": -0.6, "lr_peak": 0.5},
    ),
    "lr_too_low": (
        ("not_learning",),
        {"log10_update_at_peak_lr": -5.5, "grad_agreement": 0.7, "grad_norm_ratio": 1.0, "lr_peak": 1e-6},
    ),
    "lr_zero": (("no_update",), {"lr_now": 0.0, "update_unchanged_share": 1.0, "lr_peak": 0.0}),
    "class_imbalance": (
        ("imbalance",),
        {**HEALTHY_BOXES, "imbalance_ratio": 80.0, "class_entropy": 0.3, "num_classes": 3},
    ),
    "class_missing": (("class_unseen",), {**HEALTHY_BOXES, "classes_unseen": 1, "num_classes": 3}),
    "boxes_not_transformed": (
        ("bad_augmentation",),
        {**HEALTHY_BOXES, "mirror_wins": 0.7, "mirror_wins_at_least": 0.66, "mirror_wins_at_most": 0.74},
    ),
    "labels_shuffled": (
        ("bad_augmentation",),
        {**HEALTHY_BOXES, "pairing_boxes": 2000.0, "own_place_wins": 0.5, "own_place_wins_at_most": 0.53},
    ),
    "boxes_wrong_format": (("bad_targets", "not_learning"), WRONG_FORMAT),
    "boxes_wrong_scale": (("bad_targets",), {**HEALTHY_BOXES, "max_coord": 0.98}),
    "boxes_outside_image": (("bad_targets",), {**HEALTHY_BOXES, "share_outside": 0.04}),
    "degenerate_boxes": (("bad_targets",), {**HEALTHY_BOXES, "share_degenerate": 0.001}),
    "anchors_mismatch": (("bad_targets",), {**HEALTHY_BOXES, "head_positives": 4.0, "point_size": 4.0}),
    "missing_annotations": (("bad_targets",), {**HEALTHY_BOXES, "surest_unexplained": 0.4, "surest_overlap": 0.75}),
    "label_noise": (("bad_targets",), {**HEALTHY_BOXES, "surest_unexplained": 0.2, "surest_overlap": 0.5}),
    "labels_out_of_range": (("bad_targets",), {**HEALTHY_BOXES, "labels_illegal": 7.0, "label_max": 9.0}),
    "background_label_used": (("bad_targets",), {**HEALTHY_BOXES, "labels_background": 300.0}),
    "labels_boxes_mismatch": (("bad_targets",), {**HEALTHY_BOXES, "length_mismatches": 3.0}),
    "empty_targets": (("bad_targets",), {"boxes_seen": 0.0, "images_seen": 64.0, "share_empty": 1.0}),
    "params_not_in_optimizer": (
        ("config_smell", "not_learning"),
        {**USUAL_STEPS, "missing_params": 4.0, "update_unchanged_share": 1.0, "lr_now": 0.01, "held_share": 0.7},
    ),
    "optimizer_not_stepping": (
        ("no_update", "not_learning"),
        {"update_unchanged_share": 1.0, "lr_now": 0.01, "grad_zero_share": 0.05, "missing_params": 0.0},
    ),
    "frozen_params": (("not_learning",), {**USUAL_STEPS, "frozen_share": 0.99}),
    "graph_detached": (("no_update",), {"grad_none_tensors": 12.0, "lr_now": 0.01}),
    "inputs_not_normalised": (("bad_inputs",), {"input_mean": 208.0, "input_std": 191.0, "input_max": 1100.0}),
    "inputs_normalised_twice": (("bad_inputs",), {"input_mean": -7.1, "input_std": 3.4, "input_min": -11.7}),
    "inputs_constant": (
        ("bad_inputs",),
        {"input_mean": -2.0, "input_std": 0.13, "images_constant_share": 1.0},
    ),
    "non_finite_inputs": (("non_finite", "bad_inputs"), {"images_nonfinite": 2.0}),
    "batch_too_small": (
        ("oscillation",),
        {**USUAL_STEPS, "grad_norm_cv": 2.4, "batch_size": 1.0, "residual_r1": 0.02},
    ),
    "momentum_too_high": (
        ("oscillation",),
        {**USUAL_STEPS, "oscillation_period": 48.0, "residual_r1": 0.8, "grad_norm_cv": 0.4},
    ),
    "schedule_too_fast": (
        ("plateau",),
        {"lr_now": 1e-5, "lr_peak": 0.01, "schedule_share_done": 0.2, "grad_norm_ratio": 0.9, "lr_drops": 3},
    ),
    "schedule_needs_decay": (
        ("plateau",),
        {**USUAL_STEPS, "lr_now": 0.01, "lr_peak": 0.01, "lr_drops": 0, "loss_drop_share": 0.55},
    ),
    "warmup_never_ends": (
        ("slow_descent",),
        {"lr_rising": 1, "schedule_share_done": 0.6, "lr_drops": 0, "lr_now": 0.01, "lr_peak": 0.01},
    ),
    "converged": (
        ("plateau",),
        {
            "loss_drop_share": 0.93,
            "lr_now": 1e-4,
            "lr_peak": 0.01,
            "schedule_share_done": 0.95,
            "grad_norm_ratio": 0.15,
            "log10_update_ratio": -4.2,
        },
    ),
    "overfitting": (("overfit",), {"eval_best": 0.8, "eval_last": 1.1, "loss_drop_share": 0.8}),
    "vanishing_gradients": (
        ("gradient_vanishing",),
        {"grad_first_over_last_log10": -5.0, "grad_depth_straightness": 0.9, "grad_zero_share": 0.0},
    ),
    "exploding_gradients": (
        ("gradient_exploding",),
        {**USUAL_STEPS, "grad_first_over_last_log10": 4.0, "grad_depth_straightness": 0.9},
    ),
    "gradients_not_zeroed": (
        ("gradient_exploding",),
        {"grad_agreement": 0.98, "grad_norm_ratio": 40.0, "log10_update_ratio": -1.4},
    ),
    "outlier_batches": (("spike",), {**USUAL_STEPS, "grad_norm_cv": 0.6}),
}  # fmt: skip
"""Cause -> the kinds of findings it shows as, and the signals that name it."""


@pytest.mark.parametrize("cause", CASES)
def test_the_right_cause_is_first(cause: str) -> None:
    kinds, signals = CASES[cause]
    diagnosis = diagnosis_of(*(finding(kind) for kind in kinds), **signals)
    assert [f.causes[0].id for f in diagnosis.findings] == [cause] * len(kinds)
    assert diagnosis.causes[0].id == cause


@pytest.mark.parametrize("cause", CASES)
def test_support_is_told_with_numbers(cause: str) -> None:
    kinds, signals = CASES[cause]
    first = diagnosis_of(*(finding(kind) for kind in kinds), **signals).findings[0].causes[0]
    told = (*first.supports, *first.contradicts, first.check, first.remedy)
    assert first.supports
    assert not any(re.search(r"\{[a-z_]+(:[.\d]*[%a-z])?\}", text) for text in told)


def test_softmax_floor_is_named_for_a_classifier_only() -> None:
    floor = {"num_classes": 10, "loss_last": 1.465, "loss_drop_share": 0.3}
    classifier = ModelInfo(family="classification", num_classes=10)
    assert first_cause(diagnosis_of(finding("loss_floor"), model=classifier, **floor)) == "softmax_twice"
    assert first_cause(diagnosis_of(finding("loss_floor"), **floor)) == "unknown"


def test_summed_loss_explains_the_too_large_step_away() -> None:
    signals = {"num_classes": 10, "loss_first": 74.0, "batch_size": 32.0, "log10_update_ratio": -1.2}
    classifier = ModelInfo(family="classification", num_classes=10)
    diagnosis = diagnosis_of(finding("update_too_large"), model=classifier, **signals)
    assert [cause.id for cause in diagnosis.causes] == ["loss_not_reduced"]


def test_no_findings_have_no_causes() -> None:
    diagnosis = diagnosis_of(**HEALTHY_BOXES, **USUAL_STEPS)
    assert diagnosis.causes == ()
    assert diagnosis.verdict == "healthy"


def test_few_steps_are_insufficient_for_a_healthy_verdict() -> None:
    assert diagnosis_of(steps=POLICY.steps_for_a_verdict - 1).verdict == "insufficient_data"
    assert diagnosis_of(steps=POLICY.steps_for_a_verdict).verdict == "healthy"


def test_run_without_a_loss_is_never_called_healthy() -> None:
    assert diagnosis_of(loss_last=math.nan).enough_data is True  # NaN is news, not absence
    assert diagnosis_of(loss_last=None).enough_data is False  # type: ignore[arg-type]


def test_what_a_verdict_lacks_is_told() -> None:
    assert diagnosis_of(steps=12).lacks == (f"12 of {POLICY.steps_for_a_verdict} measured steps",)
    assert diagnosis_of(loss_last=None).lacks == ("no loss recorded",)  # type: ignore[arg-type]
    assert diagnosis_of().lacks == ()


def test_findings_are_a_verdict_even_when_steps_are_few() -> None:
    assert diagnosis_of(finding("bad_targets"), steps=3, **WRONG_FORMAT).verdict == "findings"


def test_proved_format_fault_silences_the_boxes_that_follow_from_it() -> None:
    diagnosis = diagnosis_of(finding("bad_targets"), **WRONG_FORMAT)
    assert [cause.id for cause in diagnosis.findings[0].causes] == ["boxes_wrong_format"]
    assert diagnosis.findings[0].causes[0].certain


def test_learning_rate_advice_is_withheld_while_a_data_fault_is_proved() -> None:
    signals = {**WRONG_FORMAT, "log10_update_ratio": -1.2, "grad_agreement": -0.5, "residual_r1": -0.6}
    diagnosis = diagnosis_of(finding("bad_targets", "critical"), finding("oscillation"), **signals)
    assert "lr_too_high" not in {cause.id for cause in diagnosis.causes}
    oscillation = diagnosis.findings[1].causes[0]
    assert oscillation.id == "unknown"
    assert "boxes_wrong_format" in oscillation.supports[0]
    assert diagnosis.causes[0].id == "boxes_wrong_format"


def test_proved_data_fault_stands_behind_an_evaluation_that_worsens() -> None:
    """Training on wrong boxes unlearns what was right by chance: that is no overfitting."""
    diagnosis = diagnosis_of(finding("bad_targets", "critical"), finding("overfit"), **WRONG_FORMAT)
    assert [cause.id for cause in diagnosis.findings[1].causes] == ["boxes_wrong_format"]
    assert first_cause(diagnosis_of(finding("overfit"), **HEALTHY_BOXES)) == "overfitting"


def test_handful_of_bad_boxes_does_not_explain_an_evaluation_that_worsens() -> None:
    signals = {**HEALTHY_BOXES, "share_outside": 0.03}
    assert first_cause(diagnosis_of(finding("bad_targets"), finding("overfit"), **signals), 1) == "overfitting"


def test_proved_fault_names_what_may_lie_behind_it() -> None:
    signals = {
        **HEALTHY_BOXES,
        "share_outside": 0.7,
        "share_legal_xyxy": 0.3,
        "share_legal_yxyx": 0.3,
        "max_coord": 250.0,
    }
    causes = diagnosis_of(finding("bad_targets"), **signals).findings[0].causes
    assert [(cause.id, cause.certain) for cause in causes] == [
        ("boxes_outside_image", True),
        ("boxes_wrong_scale", False),
    ]


def test_small_updates_after_a_planned_decay_do_not_accuse_the_learning_rate() -> None:
    decayed = {"log10_update_ratio": -5.0, "log10_update_at_peak_lr": -2.7, "lr_now": 2e-8, "grad_norm_ratio": 1.0}
    assert first_cause(diagnosis_of(finding("not_learning"), **decayed)) != "lr_too_low"
    never = {**decayed, "log10_update_at_peak_lr": -5.0}
    assert first_cause(diagnosis_of(finding("not_learning"), **never)) == "lr_too_low"


def test_burst_of_the_learning_rate_explains_a_spike() -> None:
    assert first_cause(diagnosis_of(finding("spike"), **USUAL_STEPS, lr_burst=30.0)) == "lr_too_high"
    assert first_cause(diagnosis_of(finding("spike"), **USUAL_STEPS, lr_burst=1.2)) == "outlier_batches"


def test_handful_of_bad_boxes_withholds_nothing() -> None:
    signals = {**HEALTHY_BOXES, "share_outside": 0.03, "log10_update_ratio": -1.2, "grad_agreement": -0.5}
    diagnosis = diagnosis_of(finding("bad_targets"), finding("oscillation"), finding("plateau"), **signals)
    by_kind = {f.kind: f.causes[0].id for f in diagnosis.findings}
    assert by_kind["bad_targets"] == "boxes_outside_image"
    assert by_kind["oscillation"] == "lr_too_high"
    assert "boxes_outside_image" not in {c.id for f in diagnosis.findings if f.kind == "plateau" for c in f.causes}


def test_small_updates_contradict_a_learning_rate_that_is_too_high() -> None:
    signals = {"log10_update_ratio": -4.0, "residual_r1": -0.3, "grad_norm_ratio": 4.0}
    causes = {c.id: c for c in diagnosis_of(finding("oscillation"), **signals).findings[0].causes}
    assert causes["unknown"].score > 0.5
    assert "lr_too_high" not in causes or causes["lr_too_high"].contradicts


def test_usual_updates_contradict_a_learning_rate_that_is_too_low() -> None:
    signals = {"log10_update_at_peak_lr": -3.0, "grad_agreement": 0.4, "grad_norm_ratio": 0.9}
    assert first_cause(diagnosis_of(finding("slow_descent"), **signals)) != "lr_too_low"


def test_symptom_without_evidence_is_unknown_and_names_a_test() -> None:
    unknown = diagnosis_of(finding("plateau")).findings[0].causes[0]
    assert unknown.id == "unknown"
    assert "one batch" in unknown.check.lower()


def test_plateau_that_survives_lr_drops_asks_for_the_data() -> None:
    signals = {**USUAL_STEPS, "lr_now": 1e-3, "lr_peak": 0.01, "lr_drops": 1, "loss_drop_share": 0.5}
    diagnosis = diagnosis_of(finding("plateau_after_lr_drop"), **signals)
    causes = diagnosis.findings[0].causes
    assert causes[0].id == "unknown"
    assert {"label_noise", "missing_annotations"} <= {cause.id for cause in causes}
    assert not {"lr_too_high", "schedule_needs_decay", "lr_too_low"} & {cause.id for cause in causes}


def test_two_equal_causes_are_not_decided_by_a_coin() -> None:
    signals = {"log10_update_ratio": -3.0, "loss_drop_share": 0.5}
    unknown, *others = diagnosis_of(finding("plateau_after_lr_drop"), **signals).findings[0].causes
    assert unknown.id == "unknown"
    assert unknown.check == others[0].check
    assert others[0].id in unknown.remedy
    assert unknown.score > others[0].score


def test_absent_signals_count_for_nothing() -> None:
    lean = diagnosis_of(finding("oscillation"), log10_update_ratio=-1.3, grad_agreement=-0.4)
    assert first_cause(lean) == "lr_too_high"
    assert lean.findings[0].causes[0].contradicts == ()


def test_background_label_is_proved_only_where_the_head_is_known() -> None:
    signals = {**HEALTHY_BOXES, "labels_background": 300.0}
    retina = ModelInfo(family="torchvision.RetinaNet", num_classes=4, background=None)
    assert first_cause(diagnosis_of(finding("bad_targets"), model=retina, **signals)) == "unknown"


def test_objects_that_the_class_names_call_background_are_proved_for_any_head() -> None:
    signals = {**HEALTHY_BOXES, "labels_named_background": 300.0, "classes_unseen": 1.0}
    retina = ModelInfo(family="torchvision.RetinaNet", num_classes=4, background=None)
    found = diagnosis_of(
        finding("bad_targets", tag="targets/label_min"), finding("class_unseen"), model=retina, **signals
    )
    assert [first_cause(found, i) for i in (0, 1)] == ["background_label_used"] * 2


def test_frozen_weights_that_nothing_trained_come_before_the_learning_rate() -> None:
    violent = {"weight_growth_early": 4.0, "log10_update_ratio": -1.3, "log10_update_ratio_early": -1.3, "lr_peak": 0.5}
    frozen = {"frozen_share": 0.9, "frozen_untrained": 2.0}
    ours = diagnosis_of(finding("not_learning"), **violent, **frozen, frozen_untrained_share=0.4)
    pretrained = diagnosis_of(finding("not_learning"), **violent, **frozen, frozen_untrained_share=0.02)
    assert (first_cause(ours), first_cause(pretrained)) == ("frozen_params", "lr_too_high")


@pytest.mark.parametrize("overlap", [0.5, 0.7])
def test_a_detector_that_is_kept_from_learning_accuses_no_annotation(overlap: float) -> None:
    surest = {"surest_unexplained": 0.4, "surest_overlap": overlap}
    found = finding("bad_targets", tag="surest/unexplained")
    points = diagnosis_of(found, finding("bad_targets", tag="assign/point_size"), point_size=4.0, **surest)
    frozen = {"frozen_share": 0.9, "frozen_untrained": 2.0, "frozen_untrained_share": 0.4}
    weak = diagnosis_of(found, finding("not_learning"), **frozen, **surest)
    accused = {"missing_annotations", "label_noise"}
    assert not accused & {cause.id for cause in (*points.causes, *weak.causes)}


def test_anchors_of_another_size_are_named_where_the_head_is_not_known() -> None:
    found = finding("bad_targets", tag="assign/own_unlike")
    first = diagnosis_of(found, unlike_anchors=0.95, anchor_times=2.6).causes[0]
    assert first.id == "anchors_mismatch" and not first.certain


def test_corners_that_were_made_wrongly_are_named_with_what_they_were() -> None:
    found = finding("bad_targets", tag="targets/undone_xywh_as_cxcywh")
    outside = {"read_reach": 1.31, "read_start": -0.23, "read_legal": 0.2, "boxes_seen": 3000.0}
    first, *others = diagnosis_of(found, misread_as=1.0, misread_legal=1.0, **outside).findings[0].causes
    assert first.id == "boxes_wrong_format" and not first.certain
    assert "in_fmt='xywh'" in first.remedy and "left, top, width and height" in " ".join(first.supports)
    assert "boxes_wrong_scale" not in {cause.id for cause in others}


def test_objects_with_class_ids_below_0_are_named_where_the_head_is_not_known() -> None:
    found = finding("bad_targets", tag="targets/label_below_zero")
    first = diagnosis_of(found, share_below_zero=0.09).causes[0]
    assert first.id == "labels_out_of_range" and not first.certain


def test_few_boxes_explain_what_is_not_labelled_before_single_ones_that_are_missing() -> None:
    signals = {"surest_unexplained": 0.7, "surest_overlap": 0.7, "images_seen": 400.0}
    found = finding("bad_targets", tag="surest/unexplained")
    assert first_cause(diagnosis_of(found, **signals, share_empty=0.9)) == "empty_targets"
    assert first_cause(diagnosis_of(found, **signals, share_empty=0.4)) == "missing_annotations"


def test_normalised_boxes_are_not_held_against_an_unknown_model() -> None:
    """Every other head that is written reads shares of the image."""
    signals = {**HEALTHY_BOXES, "max_coord": 0.98}
    causes = diagnosis_of(finding("bad_targets"), model=None, **signals).findings[0].causes
    assert "boxes_wrong_scale" not in {cause.id for cause in causes}


def test_centred_objects_alone_do_not_accuse_the_augmentation() -> None:
    """Where no mirror can be told from the original, nothing is known about flips."""
    signals = {"mirror_wins": 0.51, "mirror_wins_at_least": 0.44, "mirror_wins_at_most": 0.57}
    assert first_cause(diagnosis_of(finding("plateau"), **signals)) != "boxes_not_transformed"


def test_cause_of_one_bad_target_is_not_blamed_for_another() -> None:
    signals = {**HEALTHY_BOXES, "length_mismatches": 3.0, "share_duplicates": 0.1}
    diagnosis = diagnosis_of(
        finding("bad_targets", tag="targets/length_mismatch"),
        finding("bad_targets", "info", tag="targets/duplicates"),
        **signals,
    )
    assert [first_cause(diagnosis, 0), first_cause(diagnosis, 1)] == ["labels_boxes_mismatch", "boxes_duplicated"]


def test_resolved_findings_weigh_less_than_active_ones() -> None:
    signals = {"log10_update_ratio": -1.3, "grad_agreement": -0.4}
    active = diagnosis_of(finding("oscillation"), **signals).causes[0].score
    resolved = diagnosis_of(finding("oscillation", state="resolved"), **signals).causes[0].score
    assert resolved < active


def test_pending_findings_are_not_shown() -> None:
    assert diagnosis_of(finding("oscillation", state="pending")).findings == ()


def test_findings_come_active_first_then_worst_first() -> None:
    diagnosis = diagnosis_of(
        finding("imbalance", "info"), finding("spike", "critical", "resolved"), finding("plateau", "warning")
    )
    assert [f.kind for f in diagnosis.findings] == ["plateau", "imbalance", "spike"]


def test_what_makes_the_run_slow_comes_after_what_ruins_it() -> None:
    waits, lost = finding("input_bound", first_step=10), finding("divergence", first_step=90)
    assert [f.kind for f in diagnosis_of(waits, lost).findings] == ["divergence", "input_bound"]


def test_cause_that_explains_more_findings_weighs_more() -> None:
    signals = {"log10_update_ratio": -1.8, "grad_agreement": -0.25}
    one = diagnosis_of(finding("oscillation"), **signals).causes[0]
    two = diagnosis_of(finding("oscillation"), finding("update_too_large"), **signals).causes[0]
    assert (one.id, two.id) == ("lr_too_high", "lr_too_high")
    assert two.score > one.score
    assert two.findings == (0, 1)


def test_scores_rank_and_stay_within_one() -> None:
    for kinds, signals in CASES.values():
        diagnosis = diagnosis_of(*(finding(kind) for kind in kinds), **signals)
        for ranked in (diagnosis.causes, *(f.causes for f in diagnosis.findings)):
            scores = [cause.score for cause in ranked if not cause.certain]
            assert scores == sorted(scores, reverse=True)
            assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("score", "certain", "word"),
    [(0.2, False, "weak"), (0.5, False, "likely"), (0.8, False, "strong"), (0.99, True, "certain")],
)
def test_tiers_have_words(score: float, certain: bool, word: str) -> None:
    assert tier(score, certain) == word


def test_resolved_finding_keeps_the_causes_it_had() -> None:
    old = diagnosis_of(finding("spike"), **USUAL_STEPS).findings[0]
    gone = replace(old, state="resolved")
    assert diagnosis_of(gone, log10_update_ratio=-1.0).findings[0].causes == old.causes


def test_what_comes_to_light_later_and_was_at_work_before_is_named_for_what_is_over() -> None:
    blamed = diagnosis_of(finding("spike"), log10_update_ratio=-1.4, grad_agreement=-0.3).findings[0]
    assert blamed.causes[0].id == "lr_too_high"
    gone, outliers = replace(blamed, state="resolved"), {"outlier_ratio": 30.0}
    inputs = finding("bad_inputs", tag="batch/std", first_step=1)
    later = diagnosis_of(inputs, gone, **outliers)
    spike = next(f for f in later.findings if f.kind == "spike")
    assert [cause.id for cause in spike.causes] == ["outlier_batches", "lr_too_high"]
    assert spike.causes[1].score < blamed.causes[0].score

    began_later = replace(inputs, first_step=400, evidence=(replace(inputs.evidence[0], window=(400, 500)),))
    kept = diagnosis_of(began_later, gone, **outliers)
    assert next(f for f in kept.findings if f.kind == "spike").causes == blamed.causes


def test_units_that_die_after_a_trouble_are_put_down_to_it() -> None:
    """By then the gradient is nothing, and does not tell that it was a running sum."""
    piled_up = diagnosis_of(finding("gradient_exploding", first_step=40), grad_agreement=0.98, grad_norm_ratio=40.0)
    before, dead = piled_up.findings[0], {"grad_zero_share": 0.99, "grad_zero_share_first": 0.1, "grad_agreement": 0.1}
    over = replace(before, state="resolved")
    after = diagnosis_of(over, finding("dead_units", first_step=200), **dead)
    assert next(f for f in after.findings if f.kind == "dead_units").causes[0].id == "gradients_not_zeroed"
    first = diagnosis_of(over, finding("dead_units", first_step=20), **dead)
    assert next(f for f in first.findings if f.kind == "dead_units").causes[0].id != "gradients_not_zeroed"


def test_a_cause_that_leads_no_finding_does_not_hide_that_the_run_is_not_explained() -> None:
    weak = {"grad_zero_share": 0.97, "grad_zero_share_first": 0.3, "log10_update_ratio": -3.8}
    found = [finding(kind) for kind in ("dead_units", "collapse", "loss_floor", "not_learning", "gradient_vanishing")]
    diagnosis = diagnosis_of(*found, **weak)
    assert [first_cause(diagnosis, at) for at in range(len(found))] == ["unknown"] * len(found)
    assert diagnosis.causes[0].id == "unknown"
    assert diagnosis.causes[1].score > 0.5


DONE = {
    **USUAL_STEPS,
    "loss_drop_share": 0.8,
    "lr_now": 1e-4,
    "lr_peak": 0.01,
    "schedule_share_done": 0.95,
    "grad_norm_ratio": 0.2,
    "eval_standing": 1.0,
}


def test_plateau_at_the_best_score_is_done() -> None:
    assert first_cause(diagnosis_of(finding("plateau", "info"), **DONE)) == "converged"


@pytest.mark.parametrize("kind", ["collapse", "dead_units", "update_too_large", "divergence"])
def test_nothing_is_called_converged_while_a_collapse_is_open(kind: str) -> None:
    diagnosis = diagnosis_of(finding("plateau", "info"), finding(kind), **DONE)
    assert "converged" not in {cause.id for cause in diagnosis.causes}


def test_nothing_is_called_converged_while_the_score_is_near_its_worst() -> None:
    diagnosis = diagnosis_of(finding("plateau", "info"), **{**DONE, "eval_standing": 0.2})
    assert "converged" not in {cause.id for cause in diagnosis.causes}


def test_violent_first_steps_explain_a_plateau_that_survives_lr_drops() -> None:
    """Units that a large step has killed do not come back when the LR falls."""
    drops = {"lr_now": 1e-3, "lr_peak": 0.01, "lr_drops": 1, "loss_drop_share": 0.5, "log10_update_at_peak_lr": -3.2}
    violent = {**drops, "log10_update_ratio_early": -1.0, "weight_growth_early": 4.0}
    assert first_cause(diagnosis_of(finding("plateau_after_lr_drop"), **violent)) == "lr_too_high"
    own_size = {**violent, "weight_growth_early": 1.02}  # tensors that began at zero
    named = {c.id for c in diagnosis_of(finding("plateau_after_lr_drop"), **own_size).causes}
    assert "lr_too_high" not in named


def test_units_that_a_violent_step_killed_are_blamed_on_the_step() -> None:
    violent = {"log10_update_ratio_early": -1.0, "weight_growth_early": 4.0, "grad_zero_share": 0.97}
    assert first_cause(diagnosis_of(finding("dead_units"), **violent)) == "lr_too_high"
    assert first_cause(diagnosis_of(finding("dead_units"), **USUAL_STEPS, grad_zero_share=0.97)) == "dead_relu"


def test_proved_degenerate_boxes_do_not_explain_labels_kept_for_background() -> None:
    found = diagnosis_of(
        finding("bad_targets", tag="targets/label_background"),
        share_degenerate=0.01,
        boxes_seen=500,
        labels_background=40,
    )
    assert [c.id for c in found.findings[0].causes] == ["background_label_used"]


def test_a_starving_loader_comes_behind_what_keeps_the_run_from_learning() -> None:
    broken = finding("non_finite", "critical")
    both_ = diagnosis_of(finding("input_bound"), broken, calm_before_non_finite=1.0)
    assert [cause.id for cause in both_.causes][-1] == "loader_starves_gpu"
    assert diagnosis_of(finding("input_bound")).causes[0].id == "loader_starves_gpu"


def test_sorted_batches_explain_the_units_that_they_kill() -> None:
    known = diagnosis_of(finding("batch_order"), finding("dead_units"), order_carry=0.9, grad_zero_share=0.99)
    assert known.causes[0].id == "data_unshuffled"


def test_what_one_finding_leaves_open_does_not_hide_what_another_shows() -> None:
    """Two findings without a cause add up to more doubt than one cause weighs."""
    open_ = (finding("collapse"), finding("dead_layers"))
    known = diagnosis_of(finding("batch_order"), *open_, order_carry=0.9)
    assert known.causes[0].id == "data_unshuffled"
