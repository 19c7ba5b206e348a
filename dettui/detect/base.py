"""What a rule sees and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.store.run_store import RunStore


@dataclass(frozen=True)
class Symptom:
    """A rule's statement at one evaluation.  Lifecycle (pending, active, resolved) is added by detect.lifecycle."""

    kind: str  # one of SYMPTOMS
    severity: Severity
    first_step: int
    last_step: int
    title: str
    evidence: tuple[Evidence, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)  # measured numbers that the diagnosis may weigh
    exact: bool = False  # an exact check: becomes active at once, needs no second evaluation
    key: str = ""  # tells two symptoms of one kind apart (a tag, a class id); "" where there is only one


class Rule(Protocol):
    """One symptom family.  Pure: the same store gives the same answer; no clock, no state of its own."""

    name: str

    def evaluate(self, store: RunStore, step: int) -> Sequence[Symptom] | Abstention:
        """Judge the run as *store* knows it at *step*."""
        ...
