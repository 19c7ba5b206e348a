"""Runs of a classifier with everything that the probe streams of it: one fault each, and a healthy twin beside it that
stays on the other side of the rule's limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from dettui_probe import tags, wire
from scenarios.build import Setting, Values, run_messages
from scenarios.scenario import Scenario
from scenarios.shapes import decay, detector, grid, noisy

Rng = np.random.Generator
Messages = list[wire.AnyMessage]
STEPS = 600
EVALUATIONS = (100, 200, 300, 400, 500, 600)


def watched(rng: Rng, loss: Any = None, steps: int = STEPS) -> dict[str, Values]:
    """A classifier of ten classes that learns, as the probe sees it."""
    total = noisy(decay(steps, 2.3, 0.3, 60.0), rng, 0.08) if loss is None else loss
    fresh = np.zeros(steps)
    fresh[0] = 1.0
    return {
        **{tag: values for tag, values in detector(steps, rng, total).items() if not tag.startswith(DETECTOR_ONLY)},
        tags.UPDATE_OVERSHOOT: 0.05 * rng.standard_normal(steps) - 0.05,
        tags.UPDATE_ASCENT: 0.02 * rng.standard_normal(steps) - 0.3,
        tags.UPDATE_DECAY: 0.05 * rng.standard_normal(steps) + 0.03,
        tags.UPDATE_LAG: 1.0 + 0.1 * rng.random(steps),
        tags.FRESH_STATE: fresh,
        tags.WEIGHT_COPIES: {1: 0.0, 12: 0.0, 64: 0.0},
        tags.WEIGHT_LAYERS: {1: 6.0, 12: 6.0, 64: 6.0},
        tags.GRAPH_SOFTMAX_TWICE: {1: 0.0},
        tags.GRAPH_SUMMED: {1: 0.0},
        tags.GRAPH_NEGATED: {1: 0.0},
        tags.FIT_ACCURACY: 1.0 - np.exp(-grid(steps) / 80) * 0.9,
        tags.FIT_WRONG: 0.02 + 0.01 * rng.random(steps),
        tags.FIT_TOP_SHARE: 0.25 + 0.05 * rng.random(steps),
        tags.FIT_SPREAD: 0.8 + 0.05 * rng.random(steps),
        tags.ROWS: 32.0,
        tags.ROWS_NEW: np.where(grid(steps) < 100, 32.0, 0.0),
        tags.BATCH_LAG: 0.0,
        tags.ORDER_CHI2: rng.chisquare(9, steps) / 9,
        tags.ORDER_CARRY: 0.33 * rng.standard_normal(steps),
        tags.BATCH_MEAN: 0.01 * rng.standard_normal(steps),
        tags.BATCH_STD: 1.0 + 0.01 * rng.standard_normal(steps),
        tags.BATCH_MIN: -3.0,
        tags.BATCH_MAX: 3.0,
        tags.MEM_RSS: 5e8,
    }


DETECTOR_ONLY = ("targets/", "pairing/", "inputs/", "images/", "loss/loss_")


def evaluated(mean: float = 0.0, std: float = 1.0, known: float = 0.0, in_training: float = 0.0) -> dict[str, Values]:
    """Evaluations through the watched model."""
    told = {
        tags.EVAL_PASSES: 4.0,
        tags.EVAL_PASSES_TRAINING: 4.0 * in_training,
        tags.EVAL_BATCH_MEAN: mean,
        tags.EVAL_BATCH_STD: std,
        tags.EVAL_ROWS: 128.0,
        tags.EVAL_ROWS_TRAINED: 128.0 * known,
    }
    return {tag: dict.fromkeys(EVALUATIONS, value) for tag, value in told.items()}


def classifier(series: dict[str, Values], steps: int = STEPS, **setting: Any) -> Messages:
    """The messages of such a run."""
    said = {
        "family": "classification", "num_classes": 10, "background": None, "targets": (3.2,) * 10, "total_steps": steps,
        "steps_per_epoch": 100, "class_names": tuple(f"c{k}" for k in range(10)),
    }  # fmt: skip
    return run_messages(steps, setting=Setting(**{**said, **setting}), **series)


# --- the loss and the weights -------------------------------------------------------------------------------------


def plain_classifier(rng: Rng) -> Messages:
    """Nothing wrong."""
    return classifier({**watched(rng), **evaluated()})


def softmax_before_the_loss(rng: Rng) -> Messages:
    """The graph shows it in the first step."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 1.5, 60.0), rng, 0.02))
    return classifier({**series, tags.GRAPH_SOFTMAX_TWICE: {1: 1.0}})


def loss_is_negated(rng: Rng) -> Messages:
    """The optimizer climbs."""
    series = watched(rng, -2.3 - 0.05 * grid(STEPS) + 0.01 * rng.standard_normal(STEPS))
    return classifier({**series, tags.GRAPH_NEGATED: {1: 1.0}, tags.GRAD_NORM: 1.0 + 0.01 * grid(STEPS)})


def loss_is_a_sum_and_its_lr_fits(rng: Rng) -> Messages:
    """Summed over the batch, with an LR to match: news, no warning."""
    return classifier(
        {**watched(rng, 32 * noisy(decay(STEPS, 2.3, 0.3, 60.0), rng, 0.08)), tags.GRAPH_SUMMED: {1: 1.0}}
    )


def units_are_copies(rng: Rng) -> Messages:
    """Constant weights at the start."""
    series = watched(rng, noisy(np.full(STEPS, 2.3), rng, 0.02))
    return classifier({**series, tags.WEIGHT_COPIES: {1: 6.0, 12: 5.0, 64: 5.0}})


def last_layer_begins_at_zero(rng: Rng) -> Messages:
    """On purpose, and left with the first step."""
    return classifier({**watched(rng), tags.WEIGHT_COPIES: {1: 2.0, 12: 0.0, 64: 0.0}})


def decay_rules_the_steps(rng: Rng) -> Messages:
    """The weights shrink and nothing is learnt."""
    series = watched(rng, noisy(np.full(STEPS, 2.3), rng, 0.02))
    shrinking = {
        tags.UPDATE_DECAY: 0.9 + 0.02 * rng.standard_normal(STEPS),
        tags.WEIGHT_NORM: 40 * np.exp(-grid(STEPS) / 200),
    }
    return classifier({**series, **shrinking, tags.WEIGHT_DECAY + "0": 5.0})


def decay_shrinks_the_weights_a_little(rng: Rng) -> Messages:
    """As it does in many a healthy run."""
    shrinking = {
        tags.UPDATE_DECAY: 0.3 + 0.05 * rng.standard_normal(STEPS),
        tags.WEIGHT_NORM: 40 * np.exp(-grid(STEPS) / 3000),
    }
    return classifier({**watched(rng), **shrinking})


def gradients_pile_up(rng: Rng) -> Messages:
    """No zero_grad: each gradient holds all before it."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 1.9, 60.0), rng, 0.1))
    piled = {tags.GRAD_AGREEMENT: 1.0 - 1.0 / (grid(STEPS) + 2), tags.GRAD_NORM: 1.0 + 0.2 * grid(STEPS)}
    return classifier({**series, **piled})


def full_batch(rng: Rng) -> Messages:
    """Successive gradients agree because the batch is the whole set; they shrink as the loss falls."""
    agreeing = {
        tags.GRAD_AGREEMENT: 0.98 + 0.005 * rng.standard_normal(STEPS),
        tags.GRAD_NORM: decay(STEPS, 1.0, 0.2, 60.0),
        tags.BATCH_LAG: np.minimum(grid(STEPS) - 1, 1),
    }
    return classifier({**watched(rng, decay(STEPS, 2.3, 0.3, 60.0)), **agreeing}, steps_per_epoch=1)


# --- batches ------------------------------------------------------------------------------------------------------


def one_batch_for_ever(rng: Rng) -> Messages:
    """``next(iter(loader))`` inside the loop."""
    return classifier({**watched(rng), tags.BATCH_LAG: np.minimum(grid(STEPS) - 1, 1.0)})


def epochs_in_one_order(rng: Rng) -> Messages:
    """Not shuffled, and otherwise well mixed: the same batch every 100 steps."""
    return classifier({**watched(rng), tags.BATCH_LAG: np.where(grid(STEPS) > 100, 100.0, 0.0)})


def sorted_by_class(rng: Rng) -> Messages:
    """Each batch holds one class."""
    sorted_ = {
        tags.ORDER_CARRY: 0.9 + 0.05 * rng.standard_normal(STEPS),
        tags.ORDER_CHI2: noisy(np.full(STEPS, 30.0), rng, 0.2),
    }
    return classifier({**watched(rng), **sorted_})


def somewhat_grouped(rng: Rng) -> Messages:
    """A buffer shuffles well enough."""
    return classifier({**watched(rng), tags.ORDER_CARRY: 0.15 + 0.3 * rng.standard_normal(STEPS)})


def inputs_break_midway(rng: Rng) -> Messages:
    """A broken shard from step 300 on."""
    late = grid(STEPS) > 300
    series = watched(rng, noisy(decay(STEPS, 2.3, 0.3, 60.0) + 0.9 * late, rng, 0.05))
    return classifier({**series, tags.BATCH_STD: 1.0 + 2.0 * late + 0.01 * rng.standard_normal(STEPS)})


def augmentation_is_switched_off(rng: Rng) -> Messages:
    """The inputs change, and the loss falls."""
    late = grid(STEPS) > 300
    series = watched(rng, noisy(decay(STEPS, 2.3, 0.5, 60.0) - 0.15 * late, rng, 0.05))
    return classifier({**series, tags.BATCH_STD: 1.5 - 0.5 * late + 0.01 * rng.standard_normal(STEPS)})


# --- answers and evaluations --------------------------------------------------------------------------------------


def same_output_for_every_input(rng: Rng) -> Messages:
    """The inputs never reach the head."""
    series = watched(rng, noisy(np.full(STEPS, 2.3), rng, 0.02))
    return classifier({**series, tags.FIT_SPREAD: 1e-5, tags.FIT_ACCURACY: 0.1})


def one_class_for_everything(rng: Rng) -> Messages:
    """Every answer names class 0."""
    series = watched(rng, noisy(decay(STEPS, 2.6, 2.3, 60.0), rng, 0.02))
    return classifier({**series, tags.FIT_TOP_SHARE: 1.0, tags.FIT_ACCURACY: 0.1})


def answers_are_alike_at_first(rng: Rng) -> Messages:
    """A young network answers alike, and stops."""
    return classifier({**watched(rng), tags.FIT_TOP_SHARE: np.where(grid(STEPS) < 100, 1.0, 0.3),
                       tags.FIT_SPREAD: np.where(grid(STEPS) < 100, 1e-4, 0.7)})  # fmt: skip


def evaluated_without_normalising(rng: Rng) -> Messages:
    """Pixels of 0-255 in evaluations alone."""
    return classifier({**watched(rng), **evaluated(mean=118.0, std=64.0)})


def evaluated_without_augmentation(rng: Rng) -> Messages:
    """Training inputs vary somewhat more, as under augmentation."""
    return classifier({**watched(rng), **evaluated(mean=0.2, std=0.6)})


def evaluated_on_training_data(rng: Rng) -> Messages:
    """The split was forgotten."""
    return classifier({**watched(rng), **evaluated(known=1.0)})


def scores_its_training_set_too(rng: Rng) -> Messages:
    """Half of what is evaluated is the training set, as many scripts do."""
    return classifier({**watched(rng), **evaluated(known=0.5)})


def evaluated_in_training_mode(rng: Rng) -> Messages:
    """``model.eval()`` was forgotten."""
    return classifier({**watched(rng), **evaluated(in_training=1.0)})


def learns_nothing_that_helps(rng: Rng) -> Messages:
    """The labels were joined by the wrong key: learnt by heart, no better than guessing elsewhere."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 1.2, 200.0), rng, 0.03))
    return classifier({**series, **evaluated(), "eval/loss": {s: 2.33 + s / 2000 for s in EVALUATIONS}})


def optimizer_state_lost(rng: Rng) -> Messages:
    """Resumed without the optimizer's state."""
    fresh = np.zeros(STEPS)
    fresh[[0, 300]] = 1.0
    return classifier({**watched(rng), tags.FRESH_STATE: fresh})


def restarted_from_scratch(rng: Rng) -> Messages:
    """It crashed without having saved a checkpoint, and was started again: fresh weights, a fresh optimizer."""
    crashed = [message for message in classifier(watched(rng)) if not isinstance(message, wire.Bye)]
    return crashed + classifier(watched(rng), boot="00000000000000bb")


# --- the machine and the schedule ---------------------------------------------------------------------------------


def memory_leaks(rng: Rng) -> Messages:
    """A megabyte a step."""
    return classifier({**watched(rng), tags.MEM_RSS: 5e8 + 2.0**20 * grid(STEPS) + 1e5 * rng.standard_normal(STEPS)})


def caches_fill_up(rng: Rng) -> Messages:
    """Memory grows through the first epochs and then stands still."""
    return classifier({**watched(rng), tags.MEM_RSS: 5e8 + 2e8 * np.minimum(grid(STEPS) / 200, 1.0)})


def lr_gone_at_a_fifth(rng: Rng) -> Messages:
    """An exponential decay for epochs, stepped per batch."""
    lr = 0.1 * np.maximum(0.95 ** grid(STEPS), 0.004)
    series = watched(rng, noisy(decay(STEPS, 2.3, 1.7, 30.0), rng, 0.03))
    return classifier({**series, tags.LR + "0": lr, tags.UPDATE_RATIO: np.maximum(2e-3 * lr / 0.1, 2e-6)})


# --- what evaluations and inputs tell ----------------------------------------------------------------------------


def learnt_by_heart(rng: Rng) -> Messages:
    """Eighty inputs: the training loss is gone, evaluations stay."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 0.005, 10.0, 3.0), rng, 0.1))
    few = {tags.ROWS_NEW: np.where(grid(STEPS) < 4, 32.0, 0.0)}
    return classifier({**series, **few, **evaluated(), "eval/loss": dict.fromkeys(EVALUATIONS, 0.8)}, steps_per_epoch=3)


def easy_task(rng: Rng) -> Messages:
    """The training loss is gone, and so is that of evaluations."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 0.005, 10.0, 3.0), rng, 0.1))
    return classifier({**series, **evaluated(), "eval/loss": dict.fromkeys(EVALUATIONS, 0.12)})


def labels_are_noisy(rng: Rng) -> Messages:
    """Two labels in five are wrong: evaluations, on clean ones, are right more often."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 1.4, 40.0), rng, 0.05))
    wrong = {
        tags.FIT_ACCURACY: 0.5 + 0.05 * rng.standard_normal(STEPS),
        "eval/accuracy": dict.fromkeys(EVALUATIONS, 0.8),
    }
    return classifier({**series, **evaluated(), **wrong, "eval/loss": dict.fromkeys(EVALUATIONS, 0.9)})


def dropout_makes_training_harder(rng: Rng) -> Messages:
    """Half of the units are dropped in training: evaluations are right somewhat more often."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 0.8, 40.0), rng, 0.05))
    harder = {
        tags.FIT_ACCURACY: 0.7 + 0.05 * rng.standard_normal(STEPS),
        "eval/accuracy": dict.fromkeys(EVALUATIONS, 0.85),
    }
    return classifier({**series, **evaluated(), **harder, tags.DROPOUT: {1: 0.5}})


def nearly_everything_is_dropped(rng: Rng) -> Messages:
    """A rate that was meant as what is kept."""
    series = watched(rng, noisy(decay(STEPS, 2.3, 1.9, 40.0), rng, 0.05))
    return classifier({**series, tags.DROPOUT: {1: 0.9}})


def wild_batches(rng: Rng) -> Messages:
    """One batch in a hundred was not scaled."""
    deviation = 1.0 + 0.01 * rng.standard_normal(STEPS)
    deviation[99::100] = 20.0
    return classifier({**watched(rng), tags.BATCH_STD: deviation})


def hard_batches(rng: Rng) -> Messages:
    """Three batches drowned in noise."""
    deviation = 1.0 + 0.01 * rng.standard_normal(STEPS)
    deviation[[99, 250, 400]] = 3.0
    return classifier({**watched(rng), tags.BATCH_STD: deviation})


def inputs_next_to_nothing(rng: Rng) -> Messages:
    """Divided by 255 once too often."""
    tiny = {tags.BATCH_STD: 0.004, tags.BATCH_MIN: -0.012, tags.BATCH_MAX: 0.012}
    return classifier({**watched(rng, noisy(2.3 - 2e-5 * grid(STEPS), rng, 0.01)), **tiny})


def inputs_small_and_learnt(rng: Rng) -> Messages:
    """As small, behind a BatchNorm that does not mind."""
    return classifier({**watched(rng), tags.BATCH_STD: 0.004, tags.BATCH_MIN: -0.012, tags.BATCH_MAX: 0.012})


def never_a_score(rng: Rng) -> Messages:
    """A detector whose mAP stays at nothing."""
    series = detector(STEPS, rng, noisy(decay(STEPS, 2.4, 1.0, 60.0), rng, 0.1))
    score = {"eval/mAP50": dict.fromkeys(EVALUATIONS, 0.001)}
    return run_messages(STEPS, setting=Setting(targets=(0.0, 2.7, 2.7, 2.7), total_steps=STEPS), **{**series, **score})


def a_score_that_takes_its_time(rng: Rng) -> Messages:
    """The same, above nothing from the third evaluation on."""
    series = detector(STEPS, rng)
    score = {"eval/mAP50": {s: max(0.0, (s - 200) / 1000) for s in EVALUATIONS}}
    return run_messages(STEPS, setting=Setting(targets=(0.0, 2.7, 2.7, 2.7), total_steps=STEPS), **{**series, **score})


def a_guesser_for_good(rng: Rng) -> Messages:
    """The loss comes down to what a guesser loses, and stays there."""
    return classifier(watched(rng, noisy(decay(STEPS, 4.0, 2.3026, 4.0, 4.0), rng, 0.02)))


def rests_at_a_guessers_loss(rng: Rng) -> Messages:
    """As a transformer does for a while."""
    early, late = np.exp(-grid(STEPS) / 30), np.maximum(grid(STEPS) - 280, 0)
    return classifier(watched(rng, noisy((2.3026 + 1.7 * early) * np.exp(-late / 150), rng, 0.02)))


FAULTY_STREAMS: tuple[Scenario, ...] = (
    Scenario("softmax_before_the_loss", softmax_before_the_loss, ("config_smell",), "softmax_twice", 20,
             ("plateau", "loss_floor")),
    Scenario("loss_is_negated", loss_is_negated, ("config_smell",), "loss_sign_flipped", 20, ("gradient_exploding",)),
    Scenario("units_are_copies", units_are_copies, ("dead_units",), "init_degenerate", 60,
             ("not_learning", "loss_floor")),
    Scenario("decay_rules_the_steps", decay_rules_the_steps, ("config_smell",), "weight_decay_too_strong", 200,
             ("not_learning", "loss_floor")),
    Scenario("gradients_pile_up", gradients_pile_up, ("gradient_exploding",), "gradients_not_zeroed", 100,
             ("plateau",)),
    Scenario("one_batch_for_ever", one_batch_for_ever, ("batch_order",), "batch_repeated", 60),
    Scenario("sorted_by_class", sorted_by_class, ("batch_order",), "data_unshuffled", 100),
    Scenario("inputs_break_midway", inputs_break_midway, ("distribution_shift",), "data_corrupted_midway", 400,
             ("spike", "plateau")),
    Scenario("same_output_for_every_input", same_output_for_every_input, ("collapse",), None, 240,
             ("not_learning", "loss_floor")),
    Scenario("one_class_for_everything", one_class_for_everything, ("collapse",), None, 240,
             ("not_learning", "loss_floor", "plateau")),
    Scenario("evaluated_without_normalising", evaluated_without_normalising, ("bad_evaluation",),
             "train_eval_mismatch", 240),
    Scenario("evaluated_on_training_data", evaluated_on_training_data, ("bad_evaluation",), "train_eval_leak", 240),
    Scenario("evaluated_in_training_mode", evaluated_in_training_mode, ("bad_evaluation",), "model_in_eval_mode", 240),
    Scenario("learns_nothing_that_helps", learns_nothing_that_helps, ("overfit",), "labels_shuffled", 540),
    Scenario("optimizer_state_lost", optimizer_state_lost, ("config_smell",), "resume_state_lost", 320),
    Scenario("learnt_by_heart", learnt_by_heart, ("overfit",), "dataset_too_small", 540),
    Scenario("labels_are_noisy", labels_are_noisy, ("bad_targets",), "label_noise", 540, ("plateau",)),
    Scenario("nearly_everything_is_dropped", nearly_everything_is_dropped, ("config_smell",),
             "regularisation_too_strong", 200, ("plateau",)),
    Scenario("wild_batches", wild_batches, ("bad_inputs",), "outlier_batches", 400),
    Scenario("inputs_next_to_nothing", inputs_next_to_nothing, ("bad_inputs",), "inputs_normalised_twice", 200,
             ("not_learning", "loss_floor")),
    Scenario("never_a_score", never_a_score, ("not_learning",), None, 560, ("plateau",)),
    Scenario("a_guesser_for_good", a_guesser_for_good, ("loss_floor",), None, 400, ("plateau", "not_learning")),
    Scenario("memory_leaks", memory_leaks, ("memory_growth",), "memory_leak", 400),
    Scenario("lr_gone_at_a_fifth", lr_gone_at_a_fifth, ("config_smell",), "schedule_too_fast", 140,
             ("plateau", "update_too_small", "no_update")),
)  # fmt: skip

HEALTHY_STREAMS: tuple[Scenario, ...] = tuple(
    Scenario(build.__name__, build)
    for build in (
        plain_classifier, loss_is_a_sum_and_its_lr_fits, last_layer_begins_at_zero, decay_shrinks_the_weights_a_little,
        full_batch, epochs_in_one_order, somewhat_grouped, augmentation_is_switched_off, answers_are_alike_at_first,
        easy_task, dropout_makes_training_harder, hard_batches, inputs_small_and_learnt, a_score_that_takes_its_time,
        rests_at_a_guessers_loss, evaluated_without_augmentation, scores_its_training_set_too, caches_fill_up,
        restarted_from_scratch,
    )
)  # fmt: skip
