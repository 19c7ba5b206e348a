"""Which mistake is made in which composition, drawn from a seed; and which of the seeds rules may be tuned on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias

from bench.faults.composed.changes import Draft, draft_of
from bench.faults.composed.composition import DETECTORS, NETS, Composition, compose
from bench.faults.composed.mistakes import REGISTER, Mistake

Side: TypeAlias = Literal["tune", "unseen"]
SEEDS: Final[Mapping[Side, range]] = {"tune": range(400), "unseen": range(400, 800)}
"""Fixed before any rule was tuned on these trainings: nobody looks at single runs of the second side."""
NEW_TASKS: Final = ("two_stage", "denoising", "next_token")
"""Tasks that the first side lacks."""

FIRST_COMPOSITION: Final = 10_000  # the healthy zoo has those below
APART: Final = 1009  # compositions that a seed may choose from
LIGHT: Final = ("table_classes", "table_values", "tagging", "next_token")
"""Tasks whose networks may be wider than usual."""
QUICK_PASSES: Final = 450  # of a run, backward
QUICK_EXAMPLES: Final[Mapping[str, int]] = {
    **dict.fromkeys(LIGHT, 25_000), **dict.fromkeys(DETECTORS, 1200), "grid": 4000,
}  # fmt: skip
"""That a run of a task may go through: some seconds."""
QUICK_PICTURES: Final = 8000  # the same of the other tasks


@dataclass(frozen=True)
class Faulty:
    """A composition with one mistake in it."""

    seed: int
    composition: Composition
    mistake: Mistake
    strength: float

    def draft(self) -> Draft:
        """Of its script."""
        draft = draft_of(self.composition)
        self.mistake.apply(draft, self.strength)
        return draft

    def twin(self) -> Draft:
        """Of the script without the mistake."""
        return draft_of(self.composition)


def side_of(seed: int) -> Side:
    """Where *seed* belongs."""
    return next(side for side, seeds in SEEDS.items() if seed in seeds)


def compose_faulty(seed: int) -> Faulty:
    """The faulty training number *seed*: the first quick composition of its own that its mistake can be made in."""
    mistake = mistake_of(seed)
    tasks = [task for task in NETS if side_of(seed) == "unseen" or task not in NEW_TASKS]
    first = FIRST_COMPOSITION + APART * seed
    composition = next(
        found
        for found in map(compose, range(first, first + APART))
        if found.problem.task in tasks and is_quick(found) and mistake.fits(found)
    )
    return Faulty(seed, composition, mistake, mistake.drawn(Random(f"zoo strength {seed}")))


def mistake_of(seed: int) -> Mistake:
    """Every mistake comes once in as many seeds as there are mistakes, in an order that is drawn anew each time."""
    turn, place = divmod(seed, len(REGISTER))
    names = Random(f"zoo mistakes {turn}").sample(sorted(REGISTER), len(REGISTER))
    return REGISTER[names[place]]


def is_quick(composition: Composition) -> bool:
    """True where it trains in some seconds."""
    problem, habits = composition.problem, composition.habits
    passes = problem.steps * habits.accumulate
    most = QUICK_EXAMPLES.get(problem.task, QUICK_PICTURES)
    return passes <= QUICK_PASSES and passes * habits.batch <= most and (problem.width <= 1.0 or problem.task in LIGHT)
