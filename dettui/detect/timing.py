"""Where the time of a step goes (diagnosis.md E17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class TimingPolicy:
    """Medians over the newest steps; the first ones, with caches cold and workers starting, are left out."""

    settle_points: int = 20
    window: int = 100
    share: float = 0.5  # of the step spent waiting for data [E17]
    least_wait_s: float = 0.005  # below it nobody would gain by mending it
    warned_s: float = 0.02  # below it the scheduler of a busy machine makes a process wait as long, whatever it reads


@dataclass(frozen=True)
class InputBound:
    """The step waits for its data."""

    policy: TimingPolicy = TimingPolicy()
    name: str = "input_bound"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.TIME_DATA, tags.TIME_STEP)
        if missing:
            return Abstention(self.name, missing)
        series = context.series(tags.TIME_DATA)
        if series is None or len(series) < self.policy.settle_points + self.policy.window:
            return ()
        wait = context.median(tags.TIME_DATA, self.policy.window)
        step = context.median(tags.TIME_STEP, self.policy.window)
        if not wait or not step or wait < self.policy.least_wait_s or wait <= self.policy.share * step:
            return ()
        window = context.span(tags.TIME_DATA, self.policy.window)
        share = wait / step
        text = f"{wait * 1e3:.0f} ms of a step of {step * 1e3:.0f} ms are spent waiting for the next batch"
        return (
            Symptom(
                kind="input_bound",
                severity="warning" if wait >= self.policy.warned_s else "info",
                first_step=window[0],
                last_step=window[1],
                title=f"{share:.0%} of each step is spent waiting for data",
                evidence=(Evidence(tags.TIME_DATA, window, share, self.policy.share, ">", text),),
                facts={"share": share},
            ),
        )
