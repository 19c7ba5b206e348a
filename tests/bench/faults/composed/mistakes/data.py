"""Mistakes in the data set: its labels, their frequencies, its order, its size, and in how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from bench.faults.composed.changes import Batch, Draft
from bench.faults.composed.composition import DETECTORS, WITH_CLASSES
from bench.faults.composed.drawing import tags_of
from bench.faults.composed.mistakes.mistake import (
    WITH_BOXES,
    WITH_NUMBERS,
    WITH_SINGLE_CLASSES,
    all_of,
    anything,
    has_batchnorm,
    holds_at_least,
    in_task,
    lacks,
    may_drop_out,
    mistake,
    tells_its_evaluations,
)
from bench.faults.plan import Examples, Sets
from torch import Tensor, nn

MOST_DROPOUT: Final = 0.3  # that compositions have


def on_training(draft: Draft, change: Callable[[Examples], Examples]) -> None:
    """Changes the training set alone."""
    draft.on_sets.append(lambda sets: sets._replace(training=change(sets.training)))


def chosen(y: Any, rows: Tensor) -> Any:
    """Targets at *rows*."""
    return y[rows] if isinstance(y, Tensor) else [y[row] for row in rows.tolist()]


@mistake("labels_shuffled", "label_noise", fits=anything, strength=(0.95, 1.0))
def labels_shuffled(draft: Draft, share: float) -> None:
    """Two files were joined by the wrong key."""

    def deal(examples: Examples) -> Examples:
        some = torch.randperm(len(examples), generator=draft.draw)[: round(share * len(examples))]
        rows = torch.arange(len(examples))
        rows[some] = some[torch.randperm(len(some), generator=draft.draw)]
        return Examples(examples.x, chosen(examples.y, rows))

    on_training(draft, deal)


@mistake("label_noise", "labels_shuffled", fits=in_task(*WITH_CLASSES), strength=(0.4, 0.6))
def label_noise(draft: Draft, share: float) -> None:
    """A share of the labels is random."""

    def spoil(examples: Examples) -> Examples:
        y = examples.y.clone()
        wrong = torch.rand(y.shape, generator=draft.draw) < share
        first = int(draft.problem.task == "next_token")  # whose 0 stands for an unknown word
        y[wrong] = torch.randint(first, tags_of(draft.problem), (int(wrong.sum()),), generator=draft.draw)
        return Examples(examples.x, y)

    on_training(draft, spoil)


def _kept(draft: Draft, examples: Examples, odds: dict[int, float]) -> Examples:
    """Without examples of the classes in *odds*, but for the share that it gives."""
    keep = torch.ones(len(examples), dtype=torch.bool)
    for k, share in odds.items():
        keep &= (examples.y != k) | (torch.rand(len(examples), generator=draft.draw) < share)
    return examples.at(keep.nonzero()[:, 0])


@mistake(
    "class_imbalance",
    "class_missing",
    fits=all_of(in_task(*WITH_SINGLE_CLASSES), holds_at_least(500)),
    strength=(100, 1000),
)
def imbalance(draft: Draft, ratio: float) -> None:
    """Two classes are common, and so rare are the others."""
    odds = dict.fromkeys(range(2, draft.problem.classes), 1 / ratio)
    on_training(draft, lambda examples: _kept(draft, examples, odds))


@mistake(
    "class_missing",
    "class_imbalance",
    fits=all_of(in_task(*WITH_SINGLE_CLASSES), holds_at_least(300), lambda c: c.problem.classes > 3),
    strength=(1.6, 3.4),
)
def class_missing(draft: Draft, count: float) -> None:
    """A filter lost some classes."""
    lost = range(min(round(count), draft.problem.classes - 2))
    on_training(draft, lambda examples: _kept(draft, examples, dict.fromkeys(lost, 0.0)))


@mistake("data_unshuffled", fits=in_task(*WITH_SINGLE_CLASSES), strength=(3.4, 0.6))
def sorted_by_class(draft: Draft, chunks: float) -> None:
    """``shuffle=False`` on files that are sorted by class, within each of so many chunks."""
    draft.shuffles = False

    def order(examples: Examples) -> Examples:
        size = -(-len(examples) // max(round(chunks), 1))
        parts = torch.arange(len(examples)).split(size)
        return examples.at(torch.cat([part[examples.y[part].argsort(stable=True)] for part in parts]))

    on_training(draft, order)


@mistake("batch_repeated", "dataset_too_small", "overfitting", fits=anything, strength=(3.4, 0.6), harm="gap")
def batch_repeated(draft: Draft, count: float) -> None:
    """``next(iter(loader))`` inside the loop: the first batches again and again."""
    draft.shuffles = False
    some = max(round(count), 1) * draft.habits.batch
    on_training(draft, lambda examples: examples.at(torch.arange(min(some, len(examples)))))


@mistake("data_corrupted_midway", "label_noise", "labels_shuffled", fits=anything, strength=(0.7, 1.0), from_onset=True)
def labels_break(draft: Draft, share: float) -> None:
    """From a file on, labels are those of other examples."""

    def spoil(step: int, x: Tensor, y: Any) -> Batch:
        if step < draft.onset:
            return x, y
        wrong = torch.rand(len(x), generator=draft.draw) < share
        rows = torch.where(wrong, torch.randperm(len(x), generator=draft.draw), torch.arange(len(x)))
        return x, chosen(y, rows)

    draft.on_batch.append(spoil)


@mistake("dataset_too_small", "overfitting", "batch_repeated", fits=holds_at_least(320), strength=(80, 40), harm="gap")
def few_examples(draft: Draft, count: float) -> None:
    """A few dozens of examples; of a detector's scenes an eighth of that."""
    wanted = count / 8 if draft.problem.task in WITH_BOXES else count
    keep = max(round(wanted), draft.habits.batch)
    on_training(draft, lambda examples: examples.at(torch.arange(min(keep, len(examples)))))


@mistake("labels_out_of_range", fits=in_task(*WITH_CLASSES), strength=(0.02, 0.2))
def beyond_the_head(draft: Draft, share: float) -> None:
    """Some labels lie beyond the head: counted from 1."""

    def change(examples: Examples) -> Examples:
        y = examples.y.clone()
        wrong = torch.rand(y.shape, generator=draft.draw) < share
        wrong[int(0.3 * len(y))] = True
        y[wrong] = tags_of(draft.problem)
        return Examples(examples.x, y)

    on_training(draft, change)


@mistake(
    "train_eval_mismatch",
    "model_in_eval_mode",
    fits=all_of(tells_its_evaluations, in_task(*WITH_NUMBERS, *WITH_BOXES)),
    strength=(10, 255),
    harm="evaluation",
)
def evaluated_unnormalised(draft: Draft, factor: float) -> None:
    """Training data are normalised, evaluation data are not."""

    def spoil(sets: Sets) -> Sets:
        x = sets.evaluation.x * factor + (0.0 if factor < 100 else 50.0)
        return sets._replace(evaluation=Examples(x, sets.evaluation.y))

    draft.on_sets.append(spoil)


@mistake("model_in_eval_mode", "train_eval_mismatch", fits=all_of(has_batchnorm, lacks(in_task(*DETECTORS))))
def trained_in_eval_mode(draft: Draft, strength: float) -> None:
    """``.eval()`` is called before the loop, and ``.train()`` never."""
    draft.to_training = nn.Module.eval


@mistake(
    "model_in_eval_mode",
    "train_eval_mismatch",
    fits=all_of(tells_its_evaluations, may_drop_out, lambda c: c.habits.dropout == MOST_DROPOUT),
    harm="evaluation",
)
def evaluated_in_training_mode(draft: Draft, strength: float) -> None:
    """``.eval()`` is not called: dropout is on, and BatchNorm takes the statistics of what it is evaluated on."""
    draft.evaluates_in_training_mode = True
