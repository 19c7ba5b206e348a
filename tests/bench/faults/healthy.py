"""Healthy trainings, and those that look ill and are not.  Each variant changes a healthy plan in a few lines.

A recording counts only where the network learnt (``is_healthy`` in scoring.py): a variant that does harm is no control.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from bench.faults.injection import LATER_PLAIN, NEWEST, NUMERIC, SEVENTH_PLAIN, SIXTH_PLAIN, THIRD_PLAIN
from bench.faults.plan import Examples, Gradients, Plan, Sets
from torch import Tensor, nn
from torch.nn import functional

Variant = Callable[[Plan], None]

VARIANTS: Final[dict[str, Variant]] = {}
"""All controls, by name."""
ONLY: Final[dict[str, tuple[str, ...]]] = {}
"""Programs of the variants that do not fit all of them."""

WITH_DROPOUT: Final = ("mlp", "cnn_bn", "cnn", "resnet", "vit", "chars", "gru", "mobile", "mixer", "convnext", "tcn")
VISION: Final = (
    "mlp", "cnn_bn", "segmentation", "cnn", "resnet", "vit", "regressor", *LATER_PLAIN, *THIRD_PLAIN, *NUMERIC,
)  # fmt: skip
TABLES: Final = (
    "mlp",
    "cnn_bn",
    "cnn",
    "resnet",
    "vit",
    "gru",
    "mobile",
    "mixer",
    "convnext",
    "tcn",
    "densenet",
    "tabular",
    "points",
    "arcface",
)
WITHOUT_NORM: Final = (
    "mlp", "chars", "two_stage", "cnn", "vit", "one_stage", "regressor", "gru", "mixer", "depth",
    *THIRD_PLAIN, "centre", "detr", "mask", "tagger", "retina", "grid", "seq2seq", "tabular",
    "corner", *SIXTH_PLAIN, "textlines", *SEVENTH_PLAIN,
)  # fmt: skip


def variant(*programs: str) -> Callable[[Variant], Variant]:
    """Registers the decorated function; for *programs* only, where there are any."""

    def register(change: Variant) -> Variant:
        VARIANTS[change.__name__] = change
        if programs:
            ONLY[change.__name__] = programs
        return change

    return register


def variants_of(program: str) -> list[str]:
    """Those that fit *program*."""
    return [name for name in VARIANTS if program in ONLY.get(name, (program,))]


@variant()
def base(plan: Plan) -> None:
    """The program as it is."""


@variant()
def one_cycle(plan: Plan) -> None:
    """Up and down once."""
    plan.recipe.schedule, plan.recipe.warmup = "one_cycle", 0
    plan.recipe.lr *= 1.3


@variant()
def restarts(plan: Plan) -> None:
    """Cosine with warm restarts: the loss jumps up at each."""
    plan.recipe.schedule, plan.recipe.warmup = "restarts", 10


@variant()
def big_drop(plan: Plan) -> None:
    """The LR falls to a twentieth once the loss has settled."""
    plan.recipe.schedule, plan.recipe.milestones, plan.recipe.drop = "step", (0.65,), 0.05


@variant()
def plateau_schedule(plan: Plan) -> None:
    """The LR falls whenever evaluations no longer improve."""
    plan.recipe.schedule, plan.recipe.warmup = "plateau", 0


@variant()
def long_warmup(plan: Plan) -> None:
    """A quarter of the run."""
    plan.recipe.warmup = plan.recipe.steps // 4


@variant()
def other_optimizer(plan: Plan) -> None:
    """Adam for SGD, and AdamW for Adam."""
    recipe = plan.recipe
    if recipe.optimizer == "sgd":
        recipe.optimizer, recipe.lr = "adam", 2e-3
    else:
        recipe.optimizer, recipe.weight_decay = "adamw", 0.01


@variant()
def lower_lr(plan: Plan) -> None:
    """Half the LR: slower, and fine."""
    plan.recipe.lr /= 2


@variant()
def clipped(plan: Plan) -> None:
    """Clipped at 1, as is usual: hardly ever, or in many steps."""
    plan.recipe.clip = 1.0


@variant()
def accumulated(plan: Plan) -> None:
    """Two half batches a step, divided."""
    plan.recipe.accumulate, plan.recipe.batch = 2, max(plan.recipe.batch // 2, 1)


@variant(*WITHOUT_NORM)
def small_batch(plan: Plan) -> None:
    """A quarter of the batch, with an LR to match: noisy, and learning."""
    plan.recipe.batch = max(plan.recipe.batch // 4, 1)
    plan.recipe.lr /= 3 if plan.recipe.optimizer == "sgd" else 1.7


@variant(
    "mlp",
    "cnn_bn",
    "cnn",
    "resnet",
    "vit",
    "chars",
    "gru",
    "mobile",
    "mixer",
    "convnext",
    "tcn",
    "detr",
    "densenet",
    "tagger",
    "seq2seq",
    "tabular",
    *SIXTH_PLAIN,
    *SEVENTH_PLAIN,
)
def dropout(plan: Plan) -> None:
    """Heavy, and learning."""
    plan.shape.dropout = (
        0.35
        if plan.name in ("chars", "vit", "mixer", "convnext", "densenet", "tagger", "seq2seq", "spectra", "llama")
        else 0.5
    )


def _answers(plan: Plan, model: nn.Module, x: Any, y: Any) -> tuple[Tensor, Any]:
    """What the network answers and what it should; of texts one row for each token."""
    outputs = model(x)
    return (outputs.flatten(0, 1), y.flatten()) if plan.program.kind == "language" else (outputs, y)


@variant(*TABLES, "chars", "tagger", "seq2seq", "llama")
def label_smoothing(plan: Plan) -> None:
    """The loss ends well above zero by design."""

    def smoothed(model: nn.Module, x: Any, y: Any) -> Tensor:
        return functional.cross_entropy(*_answers(plan, model, x, y), label_smoothing=0.1)

    plan.loss = smoothed


@variant(*TABLES)
def long_tail(plan: Plan) -> None:
    """Class frequencies fall to a twelfth, and the rare classes are learnt."""

    def thin(examples: Examples) -> Examples:
        share = 12.0 ** (-torch.arange(plan.program.classes) / (plan.program.classes - 1))
        keep = torch.rand(len(examples), generator=plan.generator) < share[examples.y]
        return examples.at(keep.nonzero()[:, 0])

    plan.on_sets.append(lambda sets: sets._replace(training=thin(sets.training)))


@variant(*TABLES)
def easy_task(plan: Plan) -> None:
    """Two classes that are told apart easily: the loss goes to zero."""

    def easy(sets: Sets) -> Sets:
        return Sets(*(examples.at((examples.y < 2).nonzero()[:, 0]) for examples in sets))

    plan.on_sets.append(easy)


@variant(
    "mlp",
    "cnn_bn",
    "cnn",
    "resnet",
    "regressor",
    *LATER_PLAIN,
    *THIRD_PLAIN,
    "densenet",
    "tabular",
    *SIXTH_PLAIN,
    "arcface",
)
def noisy_task(plan: Plan) -> None:
    """Inputs so noisy that the best possible loss is high, in every set alike."""

    def blur(sets: Sets) -> Sets:
        return Sets(*(Examples(e.x + 0.6 * torch.randn(e.x.shape, generator=plan.generator), e.y) for e in sets))

    plan.on_sets.append(blur)


@variant()
def hard_batches(plan: Plan) -> None:
    """Three single batches of the run are hard: drowned in noise."""
    at = set(torch.randint(plan.recipe.steps // 4, plan.recipe.steps, (3,), generator=plan.generator).tolist())

    def spoil(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        if step not in at or not x.is_floating_point():
            return x, y
        return x + 1.5 * x.std() * torch.randn(x.shape, generator=plan.generator), y

    plan.on_batch.append(spoil)


@variant()
def resumed(plan: Plan) -> None:
    """Stopped and resumed with everything restored."""
    plan.restart_at = plan.onset


@variant(*VISION)
def augmentation_switched(plan: Plan) -> None:
    """Noise as augmentation, switched off for the last 40 %; a sixth of it on pixels of 0 to 1."""
    until = int(0.6 * plan.recipe.steps)
    sigma = 0.4 / 6 if plan.program.kind == "detection" else 0.4

    def noisy(step: int, x: Any, y: Any) -> tuple[Any, Any]:
        return (x + sigma * torch.randn(x.shape, generator=plan.generator), y) if step <= until else (x, y)

    plan.on_batch.append(noisy)


@variant("mlp", "cnn_bn", "cnn", "vit", "chars", "resnet", "gru", "mobile", "mixer", "convnext", "tcn", *NEWEST)
def catapult(plan: Plan) -> None:
    """A far too high LR for three early steps: the loss jumps and recovers."""

    def kick(now: Gradients) -> None:
        for group in now.optimizer.param_groups:
            if now.step == 12:
                group["usual"] = group["lr"]
            if 12 <= now.step < 15:
                group["lr"] = group["usual"] * 10
            elif now.step == 15:
                group["lr"] = group["usual"]

    plan.on_gradients.append(kick)


@variant(
    "mlp", "cnn_bn", "cnn", "resnet", "vit", "chars", "two_stage", "gru", "mobile", "mixer", "convnext", "tcn", *NEWEST
)
def frozen_backbone(plan: Plan) -> None:
    """A pretrained network whose first layers are frozen by design."""
    plan.pretrain = 160

    def freeze(model: nn.Module) -> nn.Module:
        parameters = list(model.parameters())
        for parameter in parameters[: len(parameters) // 2]:
            parameter.requires_grad_(False)
        for module in list(model.modules())[::-1]:
            if isinstance(module, nn.Linear):
                module.reset_parameters()
                break
        return model

    plan.on_model.append(freeze)
    plan.recipe.lr /= 2


@variant("mlp", "cnn_bn", "cnn", "resnet", "vit", "regressor", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST)
def fine_tuned(plan: Plan) -> None:
    """Starts where an earlier training ended, at a tenth of its LR: flat from the first step."""
    plan.pretrain = 300
    plan.recipe.lr /= 10
    plan.recipe.warmup = 0


@variant("mlp", "cnn", "vit", "chars", "regressor", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST)
def scaled_loss(plan: Plan) -> None:
    """A GradScaler that now and then finds its limit, as mixed precision does."""
    plan.amp = {"init_scale": 2.0**16, "growth_interval": 60}


@variant(
    "mlp",
    "cnn_bn",
    "cnn",
    "resnet",
    "vit",
    "segmentation",
    "gru",
    "mobile",
    "mixer",
    *THIRD_PLAIN,
    "densenet",
    "tagger",
    "seq2seq",
    "tabular",
    "points",
    *SEVENTH_PLAIN,
)
def weighted_by_class(plan: Plan) -> None:
    """Class weights in the loss."""
    weights = torch.linspace(0.6, 1.4, plan.program.classes)
    plan.loss = lambda model, x, y: functional.cross_entropy(*_answers(plan, model, x, y), weight=weights)


@variant()
def longer(plan: Plan) -> None:
    """Half as long again: flat at the end because it is done."""
    plan.recipe.steps = int(1.5 * plan.recipe.steps)
