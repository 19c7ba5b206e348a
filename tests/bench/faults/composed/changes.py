"""The places where a mistake may change a training of the zoo; where nothing is changed it is the healthy one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from bench.faults.composed.composition import Composition, Habits, Problem
from bench.faults.plan import Sets
from torch import Tensor, nn, optim


class Gradients(NamedTuple):
    """What may be touched between backward and the optimizer step."""

    step: int
    network: nn.Module
    optimizer: optim.Optimizer


Batch = tuple[Tensor, Any]
"""Inputs and targets."""


@dataclass
class Changes:
    """Hooks, called in order, and a few switches."""

    on_sets: list[Callable[[Sets], Sets]] = field(default_factory=list)
    on_network: list[Callable[[nn.Module], None]] = field(default_factory=list)
    on_optimizer: list[Callable[[optim.Optimizer, nn.Module], None]] = field(default_factory=list)
    on_batch: list[Callable[[int, Tensor, Any], Batch]] = field(default_factory=list)  # before it is augmented
    on_loss: list[Callable[[Tensor], Tensor]] = field(default_factory=list)
    on_gradients: list[Callable[[Gradients], None]] = field(default_factory=list)
    scheduler: Callable[[optim.Optimizer, int], Any] | None = None  # instead of that of the habits; from the steps
    shuffles: bool = True
    divides: bool = True  # the loss by the passes of a step
    zeroes_at: Callable[[int], bool] = lambda step: True  # whether zero_grad is called
    to_training: Callable[[nn.Module], Any] = nn.Module.train  # at the start, and after every evaluation
    evaluates_in_training_mode: bool = False
    other_seed: int = 0  # added to the seed of everything but the data


@dataclass(kw_only=True)
class Draft(Changes):
    """A composition on its way into a script: *problem* and *habits* may be changed as well."""

    problem: Problem
    habits: Habits
    onset: int  # step at which a mistake that comes midway begins
    draw: torch.Generator  # for the draws of a mistake


def draft_of(composition: Composition) -> Draft:
    """The healthy one."""
    draw = torch.Generator().manual_seed(7919 * composition.seed + 13)
    steps = composition.problem.steps
    onset = int(torch.randint(int(0.35 * steps), int(0.6 * steps) + 1, (1,), generator=draw))
    return Draft(problem=composition.problem, habits=composition.habits, onset=onset, draw=draw)
