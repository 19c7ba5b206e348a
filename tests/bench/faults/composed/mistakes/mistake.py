"""What a mistake is: its true cause, the compositions that it can be made in, and how strong it may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias

from bench.faults.composed.changes import Draft
from bench.faults.composed.composition import DETECTORS, Composition, Problem
from bench.faults.composed.networks import BATCH_NORMED

Harm: TypeAlias = Literal["score", "gap", "evaluation"]
"""What it has to worsen to be effective: the score on hidden data; or that, or the distance from the training data; or
the score that the script is told."""
Fits: TypeAlias = Callable[[Composition], bool]


@dataclass(frozen=True)
class Mistake:
    """One that can be made in many trainings."""

    name: str
    cause: str
    accepted: tuple[str, ...]  # causes that say the same of it, or that it brings about by itself
    fits: Fits
    strength: tuple[float, float]  # medium, severe: drawn between them, on a scale of logarithms
    apply: Callable[[Draft, float], None]
    harm: Harm = "score"
    from_onset: bool = False

    @property
    def family(self) -> str:
        """The module that it stands in."""
        return self.apply.__module__.rpartition(".")[2]

    @property
    def right(self) -> frozenset[str]:
        """Causes that are right."""
        return frozenset((self.cause, *self.accepted))

    def drawn(self, draw: Random) -> float:
        """A strength."""
        medium, severe = map(math.log, self.strength)
        return math.exp(draw.uniform(medium, severe))


REGISTER: Final[dict[str, Mistake]] = {}
"""All mistakes, by name."""


def mistake(
    cause: str,
    *also: str,
    fits: Fits,
    strength: tuple[float, float] = (1.0, 1.0),
    harm: Harm = "score",
    from_onset: bool = False,
) -> Callable[[Callable[[Draft, float], None]], Callable[[Draft, float], None]]:
    """Registers the decorated function under its own name."""

    def register(apply: Callable[[Draft, float], None]) -> Callable[[Draft, float], None]:
        name = apply.__name__
        REGISTER[name] = Mistake(name, cause, also, fits, strength, apply, harm, from_onset)
        return apply

    return register


# --- what compositions have in common -----------------------------------------------------------------------------

WITH_BOXES: Final = (*DETECTORS, "grid")
WITH_NUMBERS: Final = ("images", "multi_label", "table_classes", "table_values", "segmentation", "denoising", "box")
"""Tasks whose inputs are neither words nor pictures for detectors."""
WITH_SINGLE_CLASSES: Final = ("images", "table_classes")
WITH_DROPOUT: Final = ("images", "multi_label", "table_classes", "table_values", "tagging", "next_token")
UNNORMED: Final = ("mlp", "cnn", "conv1d")


def anything(composition: Composition) -> bool:
    """Every composition."""
    return True


def from_scratch(composition: Composition) -> bool:
    """None of its weights are from an earlier training."""
    return not composition.habits.frozen


def uses(*optimizers: str) -> Fits:
    """One of *optimizers*."""
    return lambda composition: composition.habits.optimizer in optimizers


def in_task(*tasks: str) -> Fits:
    """One of *tasks*."""
    return lambda composition: composition.problem.task in tasks


def with_net(*nets: str) -> Fits:
    """One of *nets*."""
    return lambda composition: composition.problem.net in nets


def all_of(*conditions: Fits) -> Fits:
    """Every one of *conditions* holds."""
    return lambda composition: all(fits(composition) for fits in conditions)


def lacks(condition: Fits) -> Fits:
    """It does not hold."""
    return lambda composition: not condition(composition)


def has_batchnorm(composition: Composition) -> bool:
    """Some of its layers are BatchNorm."""
    return is_batch_normed(composition.problem)


def is_batch_normed(problem: Problem) -> bool:
    """As the networks are built."""
    if problem.task in DETECTORS:
        return bool(problem.seed % 2) or problem.net == "ssd"
    return problem.net in BATCH_NORMED or (problem.net == "unet" and problem.depth % 3 == 1)


def may_drop_out(composition: Composition) -> bool:
    """Its network has a layer of dropout."""
    return composition.problem.task in WITH_DROPOUT


def tells_its_evaluations(composition: Composition) -> bool:
    """The script evaluates, and logs what it finds."""
    return composition.habits.evaluates and composition.telling == "logged"


def holds_at_least(examples: int) -> Fits:
    """So many *examples*, and some batches."""
    return lambda composition: composition.problem.examples >= max(examples, 10 * composition.habits.batch)
