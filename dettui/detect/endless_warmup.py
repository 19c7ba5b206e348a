"""The learning rate is still on its way up when the run is well past its middle (CAUSES.md: warmup_never_ends)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class EndlessWarmupPolicy:
    """One-cycle schedules peak at 30 % of the run, triangular ones at half of it."""

    share: float = 0.6  # of the run
    points: int = 50
    apart: float = 0.05  # of the run, between the newest two points, at most: a peak may lie between them


@dataclass(frozen=True)
class EndlessWarmup:
    """The LR has never fallen and still rises, with most of the run done."""

    policy: EndlessWarmupPolicy = EndlessWarmupPolicy()
    name: str = "endless_warmup"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on a resumed run, whose steps may count another way."""
        schedule, total, tag = context.schedule, context.total_steps, tags.LR + "0"
        rates = context.series(tag)
        if schedule is None or rates is None or not total:
            return Abstention(self.name, (tag, "run/total_steps"))
        done = int(rates.steps[-1]) / total
        if not schedule.rising or context.is_resumed or done < self.policy.share:
            return ()
        if int(rates.steps[-1] - rates.steps[-2]) > self.policy.apart * total:
            return ()
        window = context.span(tag, self.policy.points)
        text = f"from {schedule.first:.1e} to {schedule.now:.1e}, and rising, with {done:.0%} of the run done"
        proof = Evidence(tag, window, done, self.policy.share, ">", text)
        title = f"The learning rate still warms up at {done:.0%} of the run"
        return (told_by([proof], "config_smell", "warning", title, key="warmup"),)
