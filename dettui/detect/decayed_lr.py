"""The learning rate is gone long before the run is (diagnosis.md E6, S4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.schedule import Schedule
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class DecayedLrPolicy:
    """No schedule in use is down to a hundredth before half of the run, with the loss still high.

    An LR that falls smoothly follows a horizon that somebody got wrong.  One that falls in drops was lowered for a
    reason, mostly since the loss stood still: it is held against the run only where much is left to learn.
    """

    share: float = 0.0105  # of the peak: a hundredth, however it is rounded
    before: float = 0.5  # share of the run
    gone: float = 1e-3  # of the peak
    gone_before: float = 0.8
    level: float = 0.3  # share of the first loss that is still to lose
    level_gone: float = 0.1  # of an LR that fell smoothly


@dataclass(frozen=True)
class DecayedLr:
    """Nothing is left of the LR with much of the run to come."""

    policy: DecayedLrPolicy = DecayedLrPolicy()
    name: str = "decayed_lr"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on a resumed run, whose steps may count another way."""
        schedule, curve, total = context.schedule, context.loss, context.total_steps
        if schedule is None or curve is None or not total:
            return Abstention(self.name, (tags.LR + "0", "run/total_steps"))
        if (
            context.is_resumed
            or schedule.peak <= 0
            or schedule.now <= 0
            or (schedule.drops and len(schedule.drops) > 3)
        ):
            return ()
        policy, left = self.policy, schedule.decayed_share
        level = curve.now / curve.start if curve.start > 0 else 0.0
        to_lose = policy.level if schedule.drops else policy.level_gone
        for limit, before, still in (
            (policy.share, policy.before, policy.level),
            (policy.gone, policy.gone_before, to_lose),
        ):
            done = self._fell_at(context, limit * schedule.held_peak) / total
            if left < limit and done < before and level > still:
                return (self._symptom(context, limit, done, level, schedule),)
        return ()

    def _symptom(self, context: Context, limit: float, done: float, level: float, schedule: Schedule) -> Symptom:
        tag, left = tags.LR + "0", schedule.decayed_share
        text = (
            f"lr is {schedule.now:.1e}, {left:.1e} of its peak, and came so low with {done:.0%} of the run done; "
            f"the loss is at {level:.0%} of its start"
        )
        proof = Evidence(tag, context.span(tag, 1), left, limit, "<", text)
        title = f"The learning rate came down to {left:.1e} of its peak at {done:.0%} of the run"
        return told_by([proof], "config_smell", "warning", title, key="decayed")

    def _fell_at(self, context: Context, limit: float) -> int:
        """The step at which the LR fell below *limit*, for good; the newest where it has not."""
        rates = context.series(tags.LR + "0")
        if rates is None:
            return context.step
        high = np.flatnonzero(rates.values >= limit)
        after = int(high[-1]) + 1 if len(high) else 0
        return int(rates.steps[after]) if after < len(rates) else context.step
