"""Memory that grows and steps that take longer (diagnosis.md S40)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import block_medians, median, quantile, thin
from dettui.numerics.trend import theil_sen
from dettui_probe import tags


@dataclass(frozen=True)
class ResourcePolicy:
    """Allocators grow in jumps and then stand still; a leak grows all the time."""

    blocks: int = 16
    settle: float = 0.5  # share of the run that is left out: caches fill up in the first epochs
    wait_points: int = 200  # steps: those of the first epochs are left out with the first half
    growth_mib: float = 64.0  # over what is looked at
    growth_share: float = 0.05  # of the memory at its start
    rising: float = 0.8  # share of the blocks that stand above the one before
    newest: int = 64  # steps
    slower: float = 2.0  # times the usual duration
    slower_s: float = 0.01  # and at least so much longer


@dataclass(frozen=True)
class MemoryGrowth:
    """Memory grows steadily, block after block."""

    policy: ResourcePolicy = ResourcePolicy()
    name: str = "memory_growth"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, of device memory where there is any."""
        held = [tag for tag in (tags.MEM_DEVICE, tags.MEM_RSS) if context.series(tag) is not None]
        if not held:
            return Abstention(self.name, (tags.MEM_RSS,))
        found = (self._judge(context, tag) for tag in held)
        return tuple(symptom for symptom in found if symptom is not None)[:1]

    def _judge(self, context: Context, tag: str) -> Symptom | None:
        series, policy = context.series(tag), self.policy
        if series is None or len(series) < policy.blocks or series.steps[-1] - series.steps[0] < policy.wait_points:
            return None
        first = int(policy.settle * len(series))
        values = thin(series.values[first:].astype(np.float64), 4096)
        if len(values) < 2 * policy.blocks or not np.isfinite(values).all():
            return None
        levels = block_medians(values, policy.blocks)
        low, _ = theil_sen(levels).change_bounds(3.0)
        rising = float(np.mean(np.diff(levels) > 0))
        mib = low / 2**20
        if mib < policy.growth_mib or low < policy.growth_share * levels[0] or rising < policy.rising:
            return None
        window = (int(series.steps[first]), int(series.steps[-1]))
        steps = max(window[1] - window[0], 1)
        text = f"at least {mib:.0f} MiB in {steps} steps ({1024 * mib / steps:.0f} KiB a step), steadily"
        proof = Evidence(tag, window, low, policy.growth_mib * 2**20, ">", text)
        return told_by([proof], "memory_growth", "warning", "Memory grows from step to step")


@dataclass(frozen=True)
class SlowStep:
    """Steps take much longer than they did, and go on to."""

    policy: ResourcePolicy = ResourcePolicy()
    name: str = "slow_step"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; information, since other work on the machine does it too."""
        series, policy = context.series(tags.TIME_STEP), self.policy
        if series is None:
            return Abstention(self.name, (tags.TIME_STEP,))
        if len(series) < policy.wait_points + 2 * policy.newest:
            return ()
        earlier = thin(series.values[20 : len(series) // 2], 1024).astype(np.float64)
        usual, newest = median(earlier), series.values[-policy.newest :]
        if not usual or not np.isfinite(newest).all():
            return ()
        low = quantile(newest, 0.25)
        if low <= policy.slower * usual or low - usual <= policy.slower_s:
            return ()
        window = (int(series.steps[-policy.newest]), int(series.steps[-1]))
        text = (
            f"three in four of the newest {policy.newest} steps take over {1e3 * low:.0f} ms, not {1e3 * usual:.0f} ms"
        )
        proof = Evidence(tags.TIME_STEP, window, low / usual, policy.slower, ">", text)
        return (told_by([proof], "slow_step", "info", f"Steps take {low / usual:.1f} times as long as before"),)
