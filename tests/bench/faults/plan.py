"""One training as it is planned: a program, its recipe, and the places where a fault or a variant may change it.

A plan without changes is the healthy program.  Each hook is a list of functions, called in order; an injection adds
to one of them or changes the recipe, in a few lines, as a mistake in a script would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.optim import Optimizer

Kind: TypeAlias = Literal["classification", "language", "segmentation", "detection", "regression"]


@dataclass
class Examples:
    """A data set in memory."""

    x: Tensor  # (n, ...) inputs
    y: Any  # (n, ...) targets; of a detector a list of n dicts with "boxes" (m, 4) as xyxy and "labels" (m,)

    def __len__(self) -> int:
        return len(self.x)

    def at(self, rows: Sequence[int] | Tensor) -> Examples:
        """Those at *rows*, copied."""
        chosen = torch.as_tensor(rows, dtype=torch.long)
        return Examples(self.x[chosen].clone(), self._targets(chosen))

    def _targets(self, chosen: Tensor) -> Any:
        if isinstance(self.y, Tensor):
            return self.y[chosen].clone()
        return [{key: value.clone() for key, value in self.y[row].items()} for row in chosen.tolist()]


class Sets(NamedTuple):
    """What a program trains on, what its script evaluates on, and what only the bench looks at, at the end."""

    training: Examples
    evaluation: Examples
    hidden: Examples


@dataclass
class Shape:
    """What a program's network looks like."""

    width: float = 1.0  # of the hidden layers, as a share of the program's own
    depth: int = 0  # hidden layers more than the program's own
    activation: Callable[[], nn.Module] = nn.ReLU
    dropout: float | None = None  # None: as the program has it


@dataclass(frozen=True)
class Program:
    """A small, real training task."""

    name: str
    kind: Kind
    classes: int  # 0 where there are none
    recipe: Recipe
    data: Callable[[int], Sets]  # from a seed
    model: Callable[[Shape], nn.Module]
    loss: Callable[[nn.Module, Any, Any], Tensor]
    scores: Callable[[nn.Module, Examples], dict[str, float]]  # the first one is what the user wants to be high
    class_names: tuple[str, ...] = ()
    side: int = 0  # of a detector's pictures, in pixels
    normalised: bool = False  # by the network itself
    has_batchnorm: bool = False
    good: float = 0.0  # a healthy run ends at this score or above it
    terms: Callable[[nn.Module, Any, Any], dict[str, Tensor]] | None = None  # of a detector's loss that is not its own


class Gradients(NamedTuple):
    """What a hook between backward and the optimizer step may touch."""

    step: int
    model: nn.Module
    optimizer: Optimizer


@dataclass
class Plan:
    """A program with its recipe and hooks."""

    program: Program
    recipe: Recipe
    seed: int
    generator: torch.Generator  # for the draws of a fault
    shape: Shape = field(default_factory=Shape)
    onset: int = 0  # step at which a fault that comes midway begins
    budget: float = 0.25
    on_sets: list[Callable[[Sets], Sets]] = field(default_factory=list)
    on_model: list[Callable[[nn.Module], nn.Module]] = field(default_factory=list)
    on_optimizer: list[Callable[[Optimizer, nn.Module], Optimizer]] = field(default_factory=list)
    on_order: list[Callable[[Tensor, Examples], Tensor]] = field(default_factory=list)  # rows of one epoch
    on_batch: list[Callable[[int, Any, Any], tuple[Any, Any]]] = field(default_factory=list)
    on_loss: list[Callable[[int, Tensor, nn.Module], Tensor]] = field(default_factory=list)
    on_gradients: list[Callable[[Gradients], None]] = field(default_factory=list)
    loss: Callable[[nn.Module, Any, Any], Tensor] | None = None  # instead of the program's
    steps_at: Callable[[int], bool] = lambda step: True  # whether optimizer.step is called
    zeroes_at: Callable[[int], bool] = lambda step: True  # whether zero_grad is called
    schedules_at: Callable[[int], bool] = lambda step: True  # whether scheduler.step is called
    prepare_evaluation: Callable[[nn.Module], None] = lambda model: None  # after .eval(), before the scores
    training_mode: Callable[[nn.Module, int], None] = lambda model, step: None  # before each step
    after_evaluation: Callable[[nn.Module], None] = lambda model: model.train() and None
    pretrain: int = 0  # steps before the recorded run
    restart_at: int = 0  # the process ends after this step and is started again
    on_restart: list[Callable[[Optimizer, Any], None]] = field(default_factory=list)
    amp: dict[str, Any] | None = None  # arguments of a GradScaler

    @property
    def name(self) -> str:
        """The program's."""
        return self.program.name


def plan_of(program: Program, seed: int) -> Plan:
    """The healthy plan of *program*."""
    draw = torch.Generator().manual_seed(7919 * seed + 13)
    steps = program.recipe.steps
    onset = int(torch.randint(int(0.35 * steps), int(0.6 * steps), (1,), generator=draw))
    return Plan(program, replace(program.recipe), seed, draw, onset=onset)
