"""Did a fault do harm, and was a healthy run healthy?  Decided by outcomes alone, before any rule is asked."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from bench.faults.injection import REGISTER

Row = Mapping[str, Any]  # one line of the manifest
Outcome = Mapping[str, Any]

ALPHA: Final = 0.05
LEAST_D: Final = 0.5  # Cohen's
LEAST_DROP: Final = 0.02  # of the score: what nobody would notice is no harm
FEW: Final = 2  # seeds
CLEAR_DROP: Final = 0.05
SAME_TASK: Final = frozenset(
    {
        "base", "one_cycle", "restarts", "big_drop", "plateau_schedule", "long_warmup", "other_optimizer", "lower_lr",
        "clipped", "accumulated", "small_batch", "hard_batches", "resumed", "catapult", "scaled_loss",
    }
)  # fmt: skip
"""Variants whose scores are those of the program itself: what a fault is compared with, beside its own seeds."""
OTHER_LEVEL: Final = frozenset(
    {"easy_task", "noisy_task", "long_tail", "frozen_backbone", "fine_tuned", "weighted_by_class"}
)
LEAST_SHARE: Final = 0.7  # of the usual score of a program: a run below it has not learnt


def harm_of(outcome: Outcome, harm: str) -> float:
    """What a fault is to have worsened; larger is better, and worst where the run broke off."""
    if harm == "time":
        return -math.log(max(float(outcome.get("seconds_per_step", 1e3)), 1e-6))
    if harm == "memory":
        return -float(outcome.get("grown_mib", 1e3))
    score = float(outcome.get("score", math.nan)) if not outcome.get("error") else math.nan
    if harm == "gap":
        score = float(outcome["hidden"]) - score
    return score if math.isfinite(score) else -1.0


def effective(rows: Iterable[Row]) -> dict[str, bool]:
    """Whether each fault run of *rows* belongs to an injection that did harm, by its name.

    The seeds of one injection, program and severity are compared with the healthy runs of the program: one-sided
    Mann-Whitney p < .05, Cohen's d >= .5, and a difference that somebody would notice.
    """
    rows = list(rows)
    calm: dict[str, list[Outcome]] = defaultdict(list)
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "fault":
            cells[row["what"], row["program"], row["severity"]].append(row)
        elif row["what"] in SAME_TASK:
            calm[row["program"]].append(row["outcome"])
    told: dict[str, bool] = {}
    for (what, program, _), cell in cells.items():
        harm = REGISTER[what].harm
        values = [harm_of(row["outcome"], harm) for row in cell]
        usual = [harm_of(outcome, harm) for outcome in calm[program]]
        told.update(dict.fromkeys((row["name"] for row in cell), is_worse(values, usual)))
    return told


def is_worse(values: Sequence[float], usual: Sequence[float]) -> bool:
    """Whether *values* lie below the *usual* ones beyond chance and by a difference that counts.

    One or two seeds are too few for the test where few healthy runs are there to compare with: then every one of them
    has to lie below all of those, by far.
    """
    if not usual or statistics.median(usual) - statistics.median(values) < LEAST_DROP:
        return False
    if len(values) <= FEW and max(values) < min(usual) - CLEAR_DROP:
        return True
    return mann_whitney_p(values, usual) < ALPHA and cohens_d(values, usual) >= LEAST_D


def mann_whitney_p(low: Sequence[float], high: Sequence[float]) -> float:
    """Exact one-sided p of *low* lying below *high*, ties counted against it."""
    n, m = len(low), len(high)
    u = sum(a >= b for a in low for b in high)  # pairs that speak against it
    return sum(_ways(n, m, k) for k in range(u + 1)) / math.comb(n + m, n)


def _ways(n: int, m: int, u: int, known: dict[tuple[int, int, int], int] | None = None) -> int:
    """Arrangements of *n* and *m* values with Mann-Whitney statistic *u*."""
    known = _KNOWN if known is None else known
    if u < 0:
        return 0
    if n == 0 or m == 0:
        return int(u == 0)
    if (n, m, u) not in known:
        known[n, m, u] = _ways(n - 1, m, u - m) + _ways(n, m - 1, u)
    return known[n, m, u]


_KNOWN: dict[tuple[int, int, int], int] = {}


def cohens_d(low: Sequence[float], high: Sequence[float]) -> float:
    """Difference of the means over the pooled deviation."""
    spread = [statistics.pvariance(values) * len(values) for values in (low, high)]
    pooled = math.sqrt(sum(spread) / max(len(low) + len(high) - 2, 1))
    gap = statistics.fmean(high) - statistics.fmean(low)
    return gap / pooled if pooled > 0 else math.copysign(math.inf, gap)


def unhealthy_reason(row: Row, usual: Mapping[str, float]) -> str:
    """Why a run that was to be healthy is none, "" where it is; *usual*: the median score of each program."""
    outcome: Outcome = row["outcome"]
    if outcome.get("error"):
        return f"broke off: {outcome['error']}"
    if row["what"] in OTHER_LEVEL:
        learnt = outcome["last_loss"] < 0.85 * outcome["first_loss"] or outcome["hidden"] > 0.8 * usual[row["program"]]
        return "" if learnt else "did not learn"
    if not outcome["hidden"] >= LEAST_SHARE * usual[row["program"]]:
        return f"did not learn: hidden score {outcome['hidden']:.2f} against {usual[row['program']]:.2f}"
    return ""


def usual_scores(rows: Iterable[Row]) -> dict[str, float]:
    """The median hidden score of the base runs of each program."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "healthy" and row["what"] == "base" and not row["outcome"].get("error"):
            scores[row["program"]].append(row["outcome"]["hidden"])
    return {program: statistics.median(values) for program, values in scores.items()}


def clopper_pearson(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion."""
    if count == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _bisect(lambda p: 1 - _binomial(hits - 1, count, p) < tail)
    high = 1.0 if hits == count else _bisect(lambda p: _binomial(hits, count, p) > tail)
    return low, high


def _binomial(hits: int, count: int, p: float) -> float:
    """P(X <= hits)."""
    return sum(math.comb(count, k) * p**k * (1 - p) ** (count - k) for k in range(hits + 1))


def _bisect(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2
