"""Symptoms, the evidence for them, and the causes that may explain them.  Ids are a contract: see docs in CAUSES."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["info", "warning", "critical"]
FindingState: TypeAlias = Literal["pending", "active", "resolved"]

SEVERITY_ORDER: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}

SYMPTOMS: tuple[str, ...] = (
    "plateau", "plateau_after_lr_drop", "not_learning", "slow_descent", "oscillation", "spike", "divergence",
    "non_finite", "overfit", "loss_floor", "gradient_exploding", "gradient_vanishing", "dead_units",
    "update_too_large", "update_too_small", "no_update", "imbalance", "class_unseen", "bad_targets", "bad_inputs",
    "bad_augmentation", "bad_evaluation", "collapse", "batch_order", "distribution_shift", "amp_overflow",
    "input_bound", "slow_step", "hang", "memory_growth", "rank_desync", "straggler", "config_smell",
)  # fmt: skip
"""Every kind of finding."""


@dataclass(frozen=True)
class Evidence:
    """One measured statement: *measured* stands in *relation* to *limit* over the steps of *window*."""

    tag: str
    window: tuple[int, int]
    measured: float | None
    limit: float | None
    relation: str  # "<", ">", "==", "!=", "between", ""
    text: str


@dataclass(frozen=True)
class Cause:
    """A ranked explanation of a finding."""

    id: str
    score: float  # 0..1, a weight for ranking; not a probability
    certain: bool  # proved by an exact check
    supports: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    check: str = ""  # how to check it in a minute
    remedy: str = ""  # what to change
    why: str = ""  # one sentence: what the cause is
    overturned_by: str = ""  # what would change our mind


@dataclass(frozen=True)
class Finding:
    """A symptom seen over a range of steps."""

    kind: str
    severity: Severity
    state: FindingState
    first_step: int
    last_step: int
    raised_at_step: int
    title: str
    evidence: tuple[Evidence, ...] = ()
    causes: tuple[Cause, ...] = ()
    exact: bool = False  # told by an exact check, not by statistics

    @property
    def is_proved(self) -> bool:
        """No matter of chance: critical, told by an exact check, or of a cause that is certain."""
        return self.severity == "critical" or self.exact or any(cause.certain for cause in self.causes)

    @property
    def tags(self) -> tuple[str, ...]:
        """The series on which this finding is to be marked."""
        return tuple(dict.fromkeys(e.tag for e in self.evidence if e.tag))


@dataclass(frozen=True)
class RankedCause:
    """A cause over the whole run, with the indices of the findings that it explains."""

    id: str
    score: float
    certain: bool
    findings: tuple[int, ...]


@dataclass(frozen=True)
class Abstention:
    """A rule that could not judge, and the tags that it lacked."""

    rule: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What is known about a run at one step."""

    step: int
    findings: tuple[Finding, ...] = ()  # active first, then worst first; pending ones are not shown
    causes: tuple[RankedCause, ...] = ()  # best first; "unknown" where it abstains
    abstained: tuple[Abstention, ...] = ()
    lacks: tuple[str, ...] = ("no step came",)  # what a verdict needs and did not come: "12 of 200 measured steps"

    @property
    def enough_data(self) -> bool:
        """True where silence is a verdict too."""
        return not self.lacks

    @property
    def verdict(self) -> Literal["healthy", "findings", "insufficient_data"]:
        """The one-word answer of ``dettui doctor``."""
        if any(f.severity != "info" for f in self.findings):
            return "findings"
        return "healthy" if self.enough_data else "insufficient_data"

    @property
    def worst(self) -> Finding | None:
        """The most severe active finding, else None."""
        active = [f for f in self.findings if f.state == "active"]
        return max(active, key=lambda f: SEVERITY_ORDER[f.severity], default=None)
