"""A run that is over, and whose steps together have hardly moved the weights, though each asked for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import usable_of
from dettui_probe import tags


@dataclass(frozen=True)
class HardlyMovedPolicy:
    """Two signs, each of which no healthy run shows: fine-tunes came 6 % of the way at least, with a cosine near 0."""

    of_run: float = 0.9  # share of a declared run, or of one that has ended
    way: float = 0.025  # sum of all ||dw||/||w||, in the median over tensors: what the weights have moved at most
    shorter: float = -0.12  # median cosine between a gradient and the step before it
    points: int = 200  # newest, of which it is taken
    at_least: int = 24
    left: float = 0.3  # share of the first loss, below which the task may be done


@dataclass(frozen=True)
class HardlyMoved:
    """Too short a way for anything to be learnt on it."""

    policy: HardlyMovedPolicy = HardlyMovedPolicy()
    name: str = "hardly_moved"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        ratios, curve, policy = context.series(tags.UPDATE_RATIO), context.loss, self.policy
        if ratios is None or curve is None or context.missing(tags.UPDATE_OVERSHOOT):
            return Abstention(self.name, context.missing(tags.UPDATE_RATIO, tags.UPDATE_OVERSHOOT, tags.LOSS_TOTAL))
        total, measured = context.total_steps, usable_of(ratios.values)
        if not total or context.step < policy.of_run * total or context.is_resumed or not len(measured):
            return ()
        asked = context.median(tags.UPDATE_OVERSHOOT, policy.points, policy.at_least)
        way = float(measured.mean()) * (context.step - int(ratios.steps[0]) + 1)
        if asked is None or asked > policy.shorter or way > policy.way or curve.now < policy.left * curve.start:
            return ()
        window = (int(ratios.steps[0]), context.step)
        evidence = [
            Evidence(tags.UPDATE_RATIO, window, way, policy.way, "<",
                     f"all steps together have moved the weights by {way:.1%} of their size at most"),
            Evidence(tags.UPDATE_OVERSHOOT, context.span(tags.UPDATE_OVERSHOOT, policy.points), asked, policy.shorter,
                     "<", f"each gradient asks for more of the step before: cosine {asked:.2f}"),
        ]  # fmt: skip
        title = f"The run has moved the weights by {way:.1%} only"
        return (told_by(evidence, "slow_descent", "warning", title, key="way"),)
