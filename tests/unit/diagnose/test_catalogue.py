"""The catalogue is complete, and each row says something of its own."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from difflib import SequenceMatcher
from itertools import combinations

import pytest

from dettui.detect.preflight import proof_tag
from dettui.detect.signals import Signals
from dettui.diagnose.catalogue import CATALOGUE, explain
from dettui.diagnose.cause import CauseRecord
from dettui.diagnose.conditions import Compare, Family, Seen
from dettui.diagnose.reading import DERIVED, FROM_MODEL
from dettui.diagnose.symptoms import SYMPTOM_TEXTS
from dettui.domain.finding import SYMPTOMS
from dettui_probe import tags

VOCABULARY = [
    "degenerate_boxes", "boxes_wrong_format", "boxes_wrong_scale", "boxes_outside_image", "boxes_duplicated",
    "labels_out_of_range", "background_label_used", "labels_boxes_mismatch", "empty_targets",
    "missing_annotations", "label_noise", "labels_shuffled", "class_imbalance", "class_missing",
    "data_unshuffled", "batch_repeated", "dataset_too_small", "data_corrupted_midway", "outlier_batches",
    "train_eval_leak", "train_eval_mismatch", "inputs_not_normalised", "inputs_normalised_twice",
    "inputs_constant", "non_finite_inputs", "boxes_not_transformed", "augmentation_drops_boxes",
    "augmentation_too_strong", "augmentation_arguments_ignored", "lr_too_high", "lr_too_low", "lr_zero",
    "warmup_missing", "warmup_never_ends", "schedule_too_fast", "schedule_needs_decay",
    "lr_not_scaled_to_batch", "resume_state_lost", "optimizer_not_stepping", "params_not_in_optimizer",
    "frozen_params", "graph_detached", "gradients_not_zeroed", "loss_sign_flipped", "clip_too_tight",
    "momentum_too_high", "weight_decay_too_strong", "adam_second_moment_lag", "batch_too_small",
    "batch_too_large", "batchnorm_small_batch", "batchnorm_poisoned", "init_too_large", "init_degenerate",
    "vanishing_gradients", "exploding_gradients", "dead_relu", "saturated_activations", "softmax_twice",
    "loss_terms_unbalanced", "loss_not_reduced", "anchors_mismatch", "model_in_eval_mode", "capacity_too_small",
    "regularisation_too_strong", "fp16_overflow", "fp16_underflow", "loader_starves_gpu", "training_hung",
    "memory_leak", "rank_diverged", "rank_slow", "evaluator_broken", "overfitting", "class_names_mismatch",
    "converged", "unknown",
]  # fmt: skip
"""Ids are a contract: the order and spelling of the vocabulary."""

RECORDS = pytest.mark.parametrize("record", CATALOGUE.values(), ids=CATALOGUE.keys())

NUMBERS = {entry.name for entry in fields(Signals)} | set(DERIVED) | set(FROM_MODEL)
WORDS = {"conversion", "family", "optimizer", "missing_names", "likely_format", "declared_format", "misread"}


def conditions_in(node: object) -> Iterator[object]:
    """Every condition inside *node*, however deep."""
    if isinstance(node, tuple):
        for part in node:
            yield from conditions_in(part)
    elif is_dataclass(node):
        yield node
        for entry in fields(node):
            yield from conditions_in(getattr(node, entry.name))


def texts_of(record: CauseRecord) -> list[str]:
    return [
        record.check,
        record.remedy,
        record.overturned_by,
        *(c.text for c in record.clues),
        *(p.text for p in record.proofs),
    ]


def test_catalogue_holds_exactly_the_vocabulary() -> None:
    assert list(CATALOGUE) == VOCABULARY


def test_every_symptom_is_explained() -> None:
    assert set(SYMPTOM_TEXTS) == set(SYMPTOMS)


def test_every_symptom_has_a_cause_that_can_be_named() -> None:
    nameable = {kind for record in CATALOGUE.values() if record.is_measured for kind in record.symptoms}
    assert set(SYMPTOMS) - nameable == {"slow_step", "bad_evaluation"} - nameable


@RECORDS
def test_symptoms_are_known_kinds(record: CauseRecord) -> None:
    assert record.symptoms and set(record.symptoms) <= set(SYMPTOMS)


@RECORDS
def test_conditions_ask_for_signals_that_exist(record: CauseRecord) -> None:
    asked = {node.signal for node in conditions_in(record) if isinstance(node, Compare)}
    assert asked <= NUMBERS


@RECORDS
def test_conditions_ask_for_symptoms_and_families_that_exist(record: CauseRecord) -> None:
    for node in conditions_in(record):
        if isinstance(node, Seen):
            assert node.kind in SYMPTOMS
        if isinstance(node, Family):
            assert node.prefix in ("torchvision", "classification")


@RECORDS
def test_texts_quote_only_what_can_be_known(record: CauseRecord) -> None:
    quoted = {name for text in texts_of(record) for _, name, _, _ in string.Formatter().parse(text) if name}
    assert quoted <= NUMBERS | WORDS


@RECORDS
def test_weights_are_bins_and_priors_are_shares(record: CauseRecord) -> None:
    assert all(-2 <= clue.weight <= 2 and clue.weight != 0 for clue in record.clues)
    assert 0 < record.prior <= 0.1


@RECORDS
def test_explained_away_causes_exist_and_do_not_explain_back(record: CauseRecord) -> None:
    for other in record.explains_away:
        assert record.id not in CATALOGUE[other].explains_away


@RECORDS
def test_tags_of_a_cause_begin_series_of_the_vocabulary(record: CauseRecord) -> None:
    known = tuple(tag.name for tag in tags.VOCABULARY)
    for prefix in record.tags:
        other = prefix.startswith("event/") or prefix in ("counts/targets", "eval/", proof_tag(record.id))
        assert other or any(name.startswith(prefix) for name in known)


@RECORDS
def test_remedy_is_specific(record: CauseRecord) -> None:
    """A remedy names a value, a call, an argument or another object that one can type or open."""
    concrete = re.search(r"[A-Za-z_]\w*\(|\w+=|\d|`|\[", record.remedy)
    assert concrete or record.id in ("unknown", "train_eval_leak"), record.remedy


@RECORDS
def test_texts_are_calm_sentences(record: CauseRecord) -> None:
    for text in (record.meaning, record.check, record.remedy, record.overturned_by):
        assert text[-1] in ".?", text
        assert "!" not in text.replace("!=", "")
        assert not re.search(r"\b(maybe|perhaps|probably|possibly|please|simply)\b", text)


def test_no_remedy_or_check_is_copied_from_another_cause() -> None:
    for a, b in combinations(CATALOGUE.values(), 2):
        for mine, other in (
            (a.remedy, b.remedy),
            (a.check, b.check),
            (a.meaning, b.meaning),
            (a.overturned_by, b.overturned_by),
        ):
            match = SequenceMatcher(None, mine, other)
            assert match.quick_ratio() < 0.75 or match.ratio() < 0.75, (a.id, b.id)


@pytest.mark.parametrize("id", [*CATALOGUE, *SYMPTOMS])
def test_explain_has_a_paragraph_and_no_braces(id: str) -> None:
    text = explain(id)
    assert text.startswith(id)
    assert len(text) > 80
    assert not re.search(r"\{[a-z_]+(:[.\d]*[%a-z])?\}", text)


def test_explain_says_which_causes_are_never_named() -> None:
    assert "carries no signal" in explain("unknown")
    assert "exact check" in explain("degenerate_boxes")


def test_explain_refuses_an_unknown_id() -> None:
    with pytest.raises(KeyError):
        explain("lr_too_loud")
