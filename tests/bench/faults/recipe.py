"""How a program is trained: optimizer, learning rate, schedule, batch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

ScheduleName: TypeAlias = Literal["constant", "step", "cosine", "one_cycle", "restarts", "plateau", "linear"]
OptimizerName: TypeAlias = Literal["sgd", "adam", "adamw", "rmsprop"]


@dataclass
class Recipe:
    """Plain numbers of one training; a fault or a variant changes some of them."""

    steps: int
    batch: int
    optimizer: OptimizerName
    lr: float  # at its peak
    pretrained_lr: float = 1.0  # of parameters that are marked as ``pretrained``, over that of the others
    schedule: ScheduleName = "constant"
    warmup: int = 0  # steps of a linear rise
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay_all: bool = True  # or weights alone, without norms and biases
    milestones: tuple[float, ...] = (0.6, 0.85)  # of "step", as shares of the run
    drop: float = 0.1  # factor at each milestone
    floor: float = 0.0  # of "cosine", as a share of the peak
    clip: float | None = None  # max_norm
    accumulate: int = 1  # backward passes per step
    divide: bool = True  # the loss by *accumulate*
    shuffle: bool = True
    evaluations: int = 14
    label_smoothing: float = 0.0
    dropout: float = 0.0


def make_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimizer of *recipe* over those of *parameters* that are to be trained."""
    trained: Any = [parameter for parameter in parameters if parameter.requires_grad]
    if not recipe.decay_all:
        trained = _grouped(trained)
    elif recipe.pretrained_lr != 1.0:
        trained = _at_rates(trained, recipe)
    if recipe.optimizer == "sgd":
        decay = recipe.weight_decay
        return SGD(trained, recipe.lr, momentum=recipe.momentum, weight_decay=decay, nesterov=recipe.nesterov)
    if recipe.optimizer == "rmsprop":
        return RMSprop(trained, recipe.lr, alpha=0.9, eps=recipe.eps, weight_decay=recipe.weight_decay)
    kind = AdamW if recipe.optimizer == "adamw" else Adam
    return kind(trained, recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay)


def _grouped(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    """Weights, and apart from them what does not decay: norms and biases."""
    weights = [parameter for parameter in parameters if parameter.dim() > 1]
    others = [parameter for parameter in parameters if parameter.dim() <= 1]
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]


def _at_rates(parameters: list[nn.Parameter], recipe: Recipe) -> list[dict[str, Any]]:
    """What is new, and apart from it what was trained before and shall change less."""
    new = [parameter for parameter in parameters if not getattr(parameter, "pretrained", False)]
    known = [parameter for parameter in parameters if getattr(parameter, "pretrained", False)]
    groups = [{"params": new}, {"params": known, "lr": recipe.lr * recipe.pretrained_lr}]
    return [group for group in groups if group["params"]]


def make_scheduler(recipe: Recipe, optimizer: Optimizer) -> LambdaLR | ReduceLROnPlateau:
    """The scheduler of *recipe*, stepped after every optimizer step; one on a plateau after every evaluation."""
    if recipe.schedule == "plateau":
        return ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
    return LambdaLR(optimizer, lambda step: lr_share(recipe, step))


def lr_share(recipe: Recipe, step: int) -> float:
    """LR over its peak before step number *step* (from 0)."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    if recipe.schedule == "step":
        return recipe.drop ** sum(step / recipe.steps >= milestone for milestone in recipe.milestones)
    if recipe.schedule == "cosine":
        return recipe.floor + (1 - recipe.floor) * _cosine(done)
    if recipe.schedule == "one_cycle":
        return _one_cycle(done)
    if recipe.schedule == "restarts":
        return 0.02 + 0.98 * _cosine((3 * done) % 1)
    return 1 - min(done, 1.0) if recipe.schedule == "linear" else 1.0


def _one_cycle(done: float, rise: float = 0.3) -> float:
    return 0.04 + 0.96 * (1 - _cosine(done / rise)) if done < rise else 1e-4 + _cosine((done - rise) / (1 - rise))


def _cosine(done: float) -> float:
    """From 1 at 0 to 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
