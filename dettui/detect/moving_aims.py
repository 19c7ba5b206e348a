"""Trainings whose loss says nothing of progress, because what it is measured by moves with the network itself.

An adversary learns in turn with it (GANs, actors and critics of their own), or it acts in between and learns from what
came of that (reinforcement learning).  A loss that stands, climbs or swings is then as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui_probe import tags

OF_THE_LEVEL: Final = frozenset(
    ("not_learning", "plateau", "plateau_after_lr_drop", "slow_descent", "divergence", "oscillation", "spike",
     "distribution_shift")
)  # fmt: skip
"""Symptoms that are told by where the loss stands, and whither it goes."""


@dataclass(frozen=True)
class MovingAimsPolicy:
    """How often a network has to meet its rival, or to act."""

    rows: int = 200  # newest measured steps
    least: int = 20
    rivals: float = 0.1  # share of them between which a rival stepped: five steps of a critic to one of its generator
    acts: float = 0.1  # share of them between which the network was asked: an agent that explores acts by chance, too
    played: float = 5.0  # passes to one step, where no classes and no boxes are learnt: rollouts, several steps on each
    asked: float = 0.5  # inputs that it is then asked about, as a share of those of a batch
    new: float = 0.98  # share of its inputs that were never met before, of one that plays on and on


def aims_move(context: Context, policy: MovingAimsPolicy = MovingAimsPolicy()) -> bool:
    """Whether the level of the loss depends on an adversary, or on what the network does."""
    return _has_rival(context, policy) or acts(context, policy)


def _plays(context: Context, policy: MovingAimsPolicy) -> bool:
    """Whether it is asked far more often than it is trained, as an agent is in its rollouts."""
    passes, steps = context.series(tags.EVAL_PASSES), context.series(tags.PROBE_OVERHEAD)
    if passes is None or steps is None or len(steps) < policy.least:
        return False
    newest = steps.steps[-policy.rows :]
    return float(passes.values[passes.steps >= newest[0]].sum()) >= policy.played * int(newest[-1] - newest[0] + 1)


def _has_rival(context: Context, policy: MovingAimsPolicy) -> bool:
    return _share_with(context, tags.RIVAL_STEPS, policy) >= policy.rivals


def acts(context: Context, policy: MovingAimsPolicy = MovingAimsPolicy()) -> bool:
    """Whether the network is asked about a few inputs between many of its steps, which no evaluation would do.  Never
    of one that learns classes or boxes: some scripts look at two of their pictures every few steps."""
    if context.counts("targets") is not None or context.series(tags.TARGET_BOXES) is not None:
        return False
    if _plays(context, policy):
        return True
    if _share_with(context, tags.EVAL_PASSES, policy) < policy.acts:
        return False
    asked, rows = context.median(tags.EVAL_ROWS, policy.rows), context.median(tags.ROWS, policy.rows)
    if asked is None or rows is None:
        return False
    return asked <= policy.asked * rows or (asked <= rows and _never_meets_the_same(context, policy))


def _never_meets_the_same(context: Context, policy: MovingAimsPolicy) -> bool:
    """Whether nearly all inputs are new: an actor's critic is asked about one more state of each of its worlds."""
    new, rows = context.series(tags.ROWS_NEW), context.series(tags.ROWS)
    if new is None or rows is None or len(rows) < policy.least:
        return False
    return float(new.values.sum()) >= policy.new * float(rows.values.sum())


def _share_with(context: Context, tag: str, policy: MovingAimsPolicy) -> float:
    """Share of the newest measured steps that carry *tag*."""
    series, steps = context.series(tag), context.series(tags.PROBE_OVERHEAD)
    if series is None or steps is None or len(steps) < policy.least:
        return 0.0
    newest = steps.steps[-policy.rows :]
    return float((series.steps >= newest[0]).sum()) / len(newest)


def tempered(context: Context, symptoms: Iterable[Symptom]) -> list[Symptom]:
    """*symptoms*, those of the level of the loss as news only where it says nothing."""
    told = list(symptoms)
    if not any(symptom.kind in OF_THE_LEVEL and symptom.severity != "info" for symptom in told):
        return told
    if not aims_move(context):
        return told
    return [replace(one, severity="info") if one.kind in OF_THE_LEVEL else one for one in told]
