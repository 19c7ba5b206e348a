"""Did a mistake do harm?  Decided by what the faulty training and its healthy twins left, before any rule is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.faults.composed.health import Outcome, has_turned, unhealthy_reason
from bench.faults.composed.mistakes.mistake import Harm
from bench.faults.effect import CLEAR_DROP


def harm_of(outcome: Outcome, twins: Sequence[Outcome], harm: Harm) -> str:
    """What everybody would notice in a faulty training beside its *twins*, "" where there is nothing.

    It broke off or a loss was not finite; or its score on hidden data (of a mistake in the evaluation: the score that
    the script was told) lies clearly below that of the worst twin; or, of a mistake that lets it overfit, its held-out
    loss has turned round.
    """
    if outcome.error or not outcome.finite:
        return f"broke off: {outcome.error}" if outcome.error else "not finite"
    score, usual = _score(outcome, harm), min(_score(twin, harm) for twin in twins)
    if not score >= usual - CLEAR_DROP:
        return f"score: {score:.3f}, its twins at least {usual:.3f}"
    if harm == "gap" and has_turned(outcome):
        return f"overfitted: {outcome.held_out[-1]:.3g} from {min(outcome.held_out):.3g}"
    return ""


def _score(outcome: Outcome, harm: Harm) -> float:
    if harm != "evaluation":
        return outcome.score
    return math.nan if outcome.told_score is None else outcome.told_score


def unhealthy_twin(twins: Sequence[Outcome]) -> str:
    """Why nothing can be learnt from a mistake beside *twins*, "" where all of them are healthy."""
    return next(filter(None, map(unhealthy_reason, twins)), "")
