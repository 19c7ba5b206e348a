"""Mistakes in the data set: its labels, their frequencies, its order, its size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from bench.faults.injection import (
    CLASSIFIERS,
    IMAGES,
    LATER,
    LATER_PLAIN,
    NEWER,
    NEWER_PLAIN,
    NEWEST,
    NEWEST_PLAIN,
    NUMERIC,
    THIRD,
    THIRD_PLAIN,
    all_but,
    injection,
)
from bench.faults.plan import Examples, Plan, Sets
from torch import Tensor


def on_training(plan: Plan, change: Callable[[Examples], Examples]) -> None:
    """Changes the training set alone."""
    plan.on_sets.append(lambda sets: sets._replace(training=change(sets.training)))


def _relabelled(plan: Plan, examples: Examples, share: float) -> Examples:
    """With the targets of a *share* of the examples dealt anew among them."""
    chosen = torch.randperm(len(examples), generator=plan.generator)[: round(share * len(examples))]
    dealt = chosen[torch.randperm(len(chosen), generator=plan.generator)]
    if isinstance(examples.y, Tensor):
        y = examples.y.clone()
        y[chosen] = examples.y[dealt]
        return Examples(examples.x, y)
    targets = list(examples.y)
    for to, source in zip(chosen.tolist(), dealt.tolist(), strict=True):
        targets[to] = examples.y[source]
    return Examples(examples.x, targets)


@injection(
    "labels_shuffled",
    also=("label_noise",),
    on=("mlp", "cnn_bn", "two_stage", "segmentation", "cnn", "resnet", "one_stage", "vit", "regressor", *NEWER),
    levels=(0.85, 0.95, 1.0),
)
def labels_shuffled(plan: Plan, share: float) -> None:
    """Two files were joined by the wrong key."""
    on_training(plan, lambda examples: _relabelled(plan, examples, share))


@injection("label_noise", also=("labels_shuffled",), on=(*CLASSIFIERS, "seq2seq", "llama"), levels=(0.2, 0.4, 0.6))
def label_noise(plan: Plan, share: float) -> None:
    """A share of the labels is random."""

    def spoil(examples: Examples) -> Examples:
        y = examples.y.clone()
        wrong = (torch.rand(y.shape, generator=plan.generator) < share) & (y >= 0)
        y[wrong] = torch.randint(plan.program.classes, (int(wrong.sum()),), generator=plan.generator)
        return Examples(examples.x, y)

    on_training(plan, spoil)


def _kept(plan: Plan, examples: Examples, odds: dict[int, float]) -> Examples:
    """Without examples of the classes in *odds*, but for the share that it gives."""
    keep = torch.ones(len(examples), dtype=torch.bool)
    for k, share in odds.items():
        holds = (examples.y == k).view(len(examples), -1).any(1)
        keep &= ~holds | (torch.rand(len(examples), generator=plan.generator) < share)
    return examples.at(keep.nonzero()[:, 0])


def _first(plan: Plan) -> int:
    """The first class that an example may lack: no sentence is without a word that names nothing."""
    return int(plan.program.kind == "language")


@injection("class_imbalance", also=("class_missing",), on=CLASSIFIERS, levels=(20, 100, 1000))
def imbalance(plan: Plan, ratio: float) -> None:
    """Two classes are common, and so rare are the others."""
    odds = dict.fromkeys(range(2 + _first(plan), plan.program.classes), 1 / ratio)
    on_training(plan, lambda examples: _kept(plan, examples, odds))


@injection("class_missing", also=("class_imbalance",), on=CLASSIFIERS, levels=(1, 2, 3))
def class_missing(plan: Plan, count: int) -> None:
    """A filter lost some classes."""
    lost = range(_first(plan), _first(plan) + count)
    on_training(plan, lambda examples: _kept(plan, examples, dict.fromkeys(lost, 0.0)))


@injection("data_unshuffled", on=CLASSIFIERS, levels=(8, 3, 1))
def sorted_by_class(plan: Plan, chunks: int) -> None:
    """``shuffle=False`` on files that are sorted by class (sentences by the last one in them), within each
    of so many chunks."""
    plan.recipe.shuffle = False

    def order(examples: Examples) -> Examples:
        size = -(-len(examples) // chunks)
        key = examples.y.view(len(examples), -1).amax(1)
        rows = [part[key[part].argsort(stable=True)] for part in torch.arange(len(examples)).split(size)]
        return examples.at(torch.cat(rows))

    on_training(plan, order)


@injection(
    "batch_repeated",
    also=("dataset_too_small", "overfitting"),
    on=("mlp", "cnn_bn", "chars", "two_stage", "cnn", "vit", "resnet", "one_stage", *NEWER),
    levels=(8, 3, 1),
)
def batch_repeated(plan: Plan, count: int) -> None:
    """``next(iter(loader))`` inside the loop: the first batches again and again."""

    def first(examples: Examples) -> Examples:
        return examples.at(torch.arange(count * plan.recipe.batch))

    plan.recipe.shuffle = False
    on_training(plan, first)


@injection(
    "data_corrupted_midway",
    also=("label_noise", "labels_shuffled"),
    on=("mlp", "cnn_bn", "chars", "segmentation", "cnn", "vit", "regressor", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST),
    levels=(0.4, 0.7, 1.0),
    from_onset=True,
)
def labels_break(plan: Plan, share: float) -> None:
    """From a file on, labels are those of other examples."""

    def spoil(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        if step < plan.onset:
            return x, y
        wrong = torch.rand(len(y), generator=plan.generator) < share
        mixed = torch.randperm(len(y), generator=plan.generator)
        rows = torch.where(wrong, mixed, torch.arange(len(y)))
        return x, y[rows] if isinstance(y, Tensor) else [y[row] for row in rows.tolist()]

    plan.on_batch.append(spoil)


@injection(
    "data_corrupted_midway",
    also=("inputs_constant", "inputs_not_normalised"),
    on=("mlp", "cnn_bn", "segmentation", "two_stage", "cnn", "resnet", "one_stage", *LATER, *THIRD, *NUMERIC),
    levels=(1.5, 3.0, 8.0),
    from_onset=True,
)
def inputs_break(plan: Plan, sigma: float) -> None:
    """From a shard on, inputs are mostly noise."""

    def spoil(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        if step < plan.onset:
            return x, y
        return x + sigma * torch.randn(x.shape, generator=plan.generator), y

    plan.on_batch.append(spoil)


@injection(
    "outlier_batches",
    also=("inputs_not_normalised",),
    on=("mlp", "cnn_bn", "segmentation", "cnn", "regressor", "vit", *LATER_PLAIN, *THIRD_PLAIN, *NUMERIC),
    levels=(10, 30, 100),
)
def outliers(plan: Plan, scale: float) -> None:
    """Forty examples, next to each other in every epoch, were not scaled."""

    def spoil(examples: Examples) -> Examples:
        x = examples.x.clone()
        x[:40] *= scale
        return Examples(x, examples.y)

    def together(rows: Tensor, examples: Examples) -> Tensor:
        return torch.cat([rows[rows >= 40], torch.arange(40)])

    on_training(plan, spoil)
    plan.on_order.append(together)


@injection(
    "dataset_too_small",
    also=("overfitting", "batch_repeated"),
    on=("mlp", "cnn_bn", "chars", "two_stage", "cnn", "resnet", "vit", "one_stage", *NEWER),
    levels=(160, 80, 40),
)
def few_examples(plan: Plan, count: int) -> None:
    """A few dozens of examples."""
    keep = count // 8 if plan.program.kind == "detection" else count
    on_training(plan, lambda examples: examples.at(torch.arange(keep)))


@injection(
    "overfitting",
    also=("dataset_too_small", "label_noise"),
    on=("mlp", "cnn_bn", "chars", "cnn", "resnet", "regressor", *NEWER_PLAIN),
    levels=(500, 300, 200),
)
def overfit(plan: Plan, count: int) -> None:
    """A few hundred examples, a fifth of them mislabelled, a wide network, a long run."""
    plan.shape.width, plan.shape.dropout = 2.0, 0.0
    plan.recipe.weight_decay = 0.0
    plan.recipe.schedule = "constant"

    def few(examples: Examples) -> Examples:
        some = examples.at(torch.arange(min(count, len(examples))))
        return _relabelled(plan, some, 0.2)

    on_training(plan, few)


@injection(
    "train_eval_leak",
    also=("unknown",),
    on=("mlp", "cnn_bn", "chars", "cnn", "resnet", "gru", "mobile", "mixer", "convnext", "tcn", *NEWEST_PLAIN),
    levels=(0.3, 0.7, 1.0),
    harm="gap",
)
def leak(plan: Plan, share: float) -> None:
    """The evaluation set was drawn from the training set, which is small."""

    def mix(sets: Sets) -> Sets:
        training = sets.training.at(torch.arange(300))
        count = len(sets.evaluation)
        seen = training.at(torch.arange(round(share * count)) % len(training))
        rest = sets.evaluation.at(torch.arange(count - len(seen)))
        evaluation = Examples(torch.cat([seen.x, rest.x]), torch.cat([seen.y, rest.y]))
        return sets._replace(training=training, evaluation=evaluation)

    plan.on_sets.append(mix)


@injection(
    "train_eval_mismatch",
    also=("model_in_eval_mode",),
    on=(
        "mlp",
        "cnn_bn",
        "segmentation",
        "two_stage",
        "cnn",
        "resnet",
        "vit",
        "one_stage",
        *LATER,
        *THIRD,
        *NUMERIC,
    ),
    levels=(3.0, 10.0, 255.0),
)
def evaluated_unnormalised(plan: Plan, factor: float) -> None:
    """Training data are normalised, evaluation data are not."""

    def spoil(sets: Sets) -> Sets:
        x = sets.evaluation.x * factor + (0.0 if factor < 100 else 50.0)
        return sets._replace(evaluation=Examples(x, sets.evaluation.y))

    plan.on_sets.append(spoil)


@injection(
    "train_eval_mismatch",
    also=("class_names_mismatch",),
    on=all_but("chars", "segmentation", "resnet", "regressor", "depth", "unet", "seq2seq", "llama"),
    levels=(2, 3, 99),
)
def evaluated_by_other_names(plan: Plan, count: int) -> None:
    """The first classes (all of them: 99) stand in another order in the evaluation files; of targets with a
    column for each class these change places."""

    def spoil(sets: Sets) -> Sets:
        first = int(min(int(target["labels"].min()) for target in sets.evaluation.y)) if _is_list(sets) else 0
        turned = min(count, plan.program.classes)

        def turn(labels: Tensor) -> Tensor:
            shifted = first + (labels - first + 1) % turned
            return torch.where((labels >= first) & (labels - first < turned), shifted, labels)

        y = sets.evaluation.y
        if _is_list(sets):
            new: Any = [{**t, "labels": turn(t["labels"])} for t in y]
        else:
            new = y[:, turn(torch.arange(y.shape[1]))] if y.is_floating_point() else turn(y)
        return sets._replace(evaluation=Examples(sets.evaluation.x, new))

    plan.on_sets.append(spoil)


def _is_list(sets: Sets) -> bool:
    return not isinstance(sets.evaluation.y, Tensor)


__all__ = ["IMAGES", "on_training"]
