"""What the catalogue says about one cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from dettui.diagnose.conditions import Condition

Group: TypeAlias = Literal[
    "annotations",
    "data",
    "inputs",
    "learning_rate",
    "optimizer",
    "batch",
    "model",
    "precision",
    "evaluation",
    "verdict",
]

STUCK: Final = ("plateau", "plateau_after_lr_drop", "not_learning", "slow_descent", "loss_floor")
"""The loss does not fall as it should."""

UNSTEADY: Final = ("oscillation", "spike", "divergence", "non_finite", "update_too_large", "gradient_exploding")
"""The loss, or the path of the weights, swings or blows up."""

FAR_REACHING: Final = frozenset((*STUCK, *UNSTEADY)) - {"non_finite", "update_too_large"}
"""Symptoms far from a fault in the data: a handful of bad boxes does not explain them, a fifth of all boxes does."""

OF_THE_MACHINE: Final = frozenset(("input_bound", "slow_step", "memory_growth"))
"""Symptoms of how fast a run goes or what it takes: they explain nothing of what it learns."""

DOWNSTREAM: Final = frozenset(("overfit", "collapse", "dead_units"))
"""What any fault that rules the data may bring about, besides the symptoms that its record names."""


CONSEQUENCES: Final = frozenset(("collapse", "dead_units", "gradient_vanishing", "loss_floor", "not_learning"))
"""The state that a trouble leaves behind: it may show no trace of what brought it about."""


@dataclass(frozen=True)
class Clue:
    """An observation that speaks for a cause (weight > 0) or against it (weight < 0).

    *weight* is a bin of log10 of the likelihood ratio, -2..+2: how much likelier the observation is with this cause
    at work than with another cause of the same symptom.  Expert values until they are counted on a fault bench.
    Clues of one *group* are correlated: only the strongest counts.
    """

    group: str
    weight: float
    when: Condition
    text: str


@dataclass(frozen=True)
class Proof:
    """An exact check.  Where it holds, the cause is certain."""

    when: Condition
    text: str


@dataclass(frozen=True)
class CauseRecord:
    """One row of the catalogue.  Texts in braces are filled with the numbers of the run.

    A cause without proofs and without a clue that speaks for it is never named: the stream carries no signal of it
    yet.  It stands here for ``dettui explain``.
    """

    id: str
    group: Group
    meaning: str
    symptoms: tuple[str, ...]  # kinds of findings that it may explain
    check: str  # how to check it in a minute
    remedy: str  # what to change: a line of code or a value
    overturned_by: str  # what would change our mind: an observation that speaks against it for good
    prior: float = 0.02  # share of runs with a symptom; 109 public threads where they name the cause (detection.md)
    proofs: tuple[Proof, ...] = ()
    clues: tuple[Clue, ...] = ()
    dominant: Condition | None = None  # where given, far-reaching symptoms are explained only while it holds
    tags: tuple[str, ...] = ()  # prefixes of the series in which it shows; () where any
    explains_away: tuple[str, ...] = ()  # causes that are mere consequences of this one
    ruled_out: Condition | None = None  # where it holds, the cause is not named, whatever speaks for it

    @property
    def is_measured(self) -> bool:
        """False where the stream carries no signal that could name this cause."""
        return bool(self.proofs) or any(clue.weight > 0 for clue in self.clues)
