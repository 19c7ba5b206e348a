"""What a rule sees and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity


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


def told_by(
    evidence: Sequence[Evidence], kind: str, severity: Severity, title: str, *, exact: bool = False, key: str = ""
) -> Symptom:
    """The symptom that *evidence* (not empty) shows, over the steps that it covers."""
    first, last = min(e.window[0] for e in evidence), max(e.window[1] for e in evidence)
    return Symptom(kind, severity, first, last, title, tuple(evidence), exact=exact, key=key)


def first_told(
    rule: str, context: Context, watched: Sequence[str], judge: Callable[[Context, str], Symptom | None]
) -> Sequence[Symptom] | Abstention:
    """What *judge* says of the first of the *watched* tags in which it sees something; the *rule* abstains where none
    of them came."""
    if len(context.missing(*watched)) == len(watched):
        return Abstention(rule, tuple(watched))
    found = (judge(context, tag) for tag in watched)
    return tuple(symptom for symptom in found if symptom is not None)[:1]


class Rule(Protocol):
    """One symptom family.  Pure: the same context gives the same answer; no clock, no state of its own."""

    @property
    def name(self) -> str:
        """Of the rule, as abstentions give it."""
        ...

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """Judge the run as *context* reads it."""
        ...
