"""Warnings that chance may bring among many runs: e-values and e-BH (diagnosis.md 3.6; Wang and Ramdas, 2022).

A warning that comes on one healthy run in three hundred comes on one in five lists of 64 healthy runs.  What a run says
is left as it is, so that it is the same live, replayed and beside whatever else is watched; only the list says which
warnings are no more than chance may bring.

Runs fall into those that never raised a warning of statistics, and those of each kind that was raised first.  Divided
by its share of healthy runs, the weight of a kind is an e-value, where the weights are fixed and sum to 1: on the
average of healthy runs it is 1 at most, whenever one looks.  With (counted + 1) / (healthy runs + 1) for the share,
this holds for a run that might as well have been one of those that were counted.  Two e-values are taken and their
mean, which is one again: with each kind's share of what faults raise first as its weight; and one that asks only
whether anything was raised, for kinds that are rare with faults too.

The table is data, written by ``tests/bench/faults/count_chances.py`` from the programs for tuning alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from dettui.domain.finding import Diagnosis, Finding

CHANCES_FILE: Final = Path(__file__).with_name("chances.json")
ALPHA: Final = 0.1
"""Of the runs whose warnings stand, the share that may be healthy, on the average of many lists."""


@dataclass(frozen=True)
class Chances:
    """How many runs there were, and how many raised each kind as their first warning of statistics."""

    healthy_runs: int
    healthy: Mapping[str, int]
    faults: Mapping[str, int]  # of the runs with an effective fault that nothing proved

    @cached_property
    def of_any(self) -> float:
        """The e-value that asks only whether anything was raised."""
        return (self.healthy_runs + 1) / (sum(self.healthy.values()) + 1)

    @cached_property
    def _fault_runs(self) -> int:
        return max(sum(self.faults.values()), 1)

    def e_value(self, kind: str) -> float:
        """Of a run whose first warning of statistics is of *kind*."""
        weight = self.faults.get(kind, 0) / self._fault_runs
        of_kind = weight * (self.healthy_runs + 1) / (self.healthy.get(kind, 0) + 1)
        return (self.of_any + of_kind) / 2

    def as_json(self) -> dict[str, Any]:
        """The table as the file holds it."""
        kinds = sorted({*self.healthy, *self.faults})
        counts = {kind: [self.healthy.get(kind, 0), self.faults.get(kind, 0)] for kind in kinds}
        return {"healthy_runs": self.healthy_runs, "kinds": counts}


@cache
def chances() -> Chances:
    """The table in force."""
    raw = json.loads(CHANCES_FILE.read_text(encoding="utf-8"))
    kinds: dict[str, list[int]] = raw["kinds"]
    healthy = {kind: healthy for kind, (healthy, _) in kinds.items()}
    return Chances(raw["healthy_runs"], healthy, {kind: faults for kind, (_, faults) in kinds.items()})


def first_warning(findings: Iterable[Finding]) -> str:
    """The kind of the first of *findings* that warns and is not proved; "" where there is none."""
    warnings = ((f.raised_at_step, f.kind) for f in findings if f.severity == "warning" and not f.is_proved)
    return min(warnings, default=(0, ""))[1]


def e_value_of(diagnosis: Diagnosis, table: Chances) -> float | None:
    """How much what was found speaks against a healthy run: 0 without a warning, infinite with a proof; None for a run
    that has not been judged."""
    if diagnosis.step <= 0 and not diagnosis.findings:
        return None
    if any(finding.is_proved and finding.severity != "info" for finding in diagnosis.findings):
        return math.inf
    kind = first_warning(diagnosis.findings)
    return table.e_value(kind) if kind else 0.0


def by_chance(e_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """For each run, whether its warning does not stand out from what chance brings among so many (e-BH).

    The k runs with the greatest e-values stand for the greatest k at which the least of them is R / (alpha k) or more.
    Proved runs stand, and are none of the R runs nor of the k: they say nothing of other runs, and as no healthy run
    is proved, R is never less than the healthy runs.
    """
    open_to_chance = sorted((e for e in e_values if math.isfinite(e)), reverse=True)
    runs = len(open_to_chance)
    standing = (e for k, e in enumerate(open_to_chance, start=1) if e * alpha * k >= runs)
    least = min(standing, default=math.inf)
    return [e < least for e in e_values]
