"""One rank holds up the others: by which part of its step?

All ranks of a job that averages gradients take equally long over a step, because the fast ones wait.  The slow one is
known by its own work: it takes longest over a part of the step and waits least in a later one.  Whoever is slow before
a meeting point makes the others wait at it, never before it; that tells the two apart even where there are two ranks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.ranks.reading import Ranks, rank_fact
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.ranks import SEGMENTS
from dettui.domain.series import Floats, Steps
from dettui.numerics.robust import mad_sigma
from dettui_probe import tags

_TIMES: Final = (tags.TIME_STEP, tags.TIME_DATA, tags.TIME_FORWARD, tags.TIME_BACKWARD, tags.TIME_OPTIMIZER)
TAG_OF: Final[Mapping[str, str]] = {
    "data": tags.TIME_DATA,
    "forward": tags.TIME_FORWARD,
    "backward": tags.TIME_BACKWARD,
    "sync": tags.TIME_SYNC,
    "optimizer": tags.TIME_OPTIMIZER,
}
_WAITS: Final[Mapping[str, tuple[str, ...]]] = {
    "optimizer": ("data", "forward", "sync"),
    "data": ("forward", "sync", "optimizer"),
    "forward": ("sync", "optimizer"),
    "backward": ("sync", "optimizer"),
}
"""Where the others may wait for a rank that is slow in a part of the step: at the next meeting points.  In "forward"
stand the broadcast of buffers and the reduction of logged losses, in "optimizer" gradients averaged by hand."""
_WAITS_UNSEEN: Final[Mapping[str, tuple[str, ...]]] = {
    "optimizer": ("data", "forward", "backward"),
    "data": ("forward", "backward", "optimizer"),
    "forward": ("backward", "optimizer"),
}
"""The same where the exchange was not told apart from the backward pass."""


@dataclass(frozen=True)
class StragglerPolicy:
    """When a rank is slow enough, and steadily enough, to be named."""

    settle_steps: int = 20  # the first ones, with caches cold and workers starting
    window: int = 50  # steps of the medians, at least
    windows: int = 3  # in a row that must name the same rank: a busy host slows one rank now and another then
    lasts_s: float = 20.0  # together
    most_steps: int = 3000
    least_share: float = 0.05  # of the step
    least_s: float = 0.002  # below it nobody would gain by mending it
    mads: float = 3.0  # of the other ranks, where there are enough of them
    ranks_for_mads: int = 4
    waited_share: float = 0.5  # of the delay, that the others must be seen to wait
    steady_share: float = 0.6  # of the steps, in which the rank is slow and waited for


@dataclass(frozen=True)
class Delay:
    """By how much one rank is later than the others."""

    rank: int
    segment: str
    waited_in: str
    seconds: float
    limit_s: float
    steady_share: float


@dataclass(frozen=True)
class Straggler:
    """One rank is late, step after step."""

    policy: StragglerPolicy = StragglerPolicy()
    name: str = "straggler"

    def evaluate(self, ranks: Ranks) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        policy = self.policy
        if ranks.step < policy.settle_steps + policy.window:
            return ()
        newest = times_of(ranks, policy.window)
        if newest is None:
            return Abstention(self.name, _TIMES)
        suspect = self._worst(ranks.ids, newest[1]) if len(newest[0]) == policy.window else None
        if suspect is None:
            return ()
        usual_s = max(float(np.median(newest[1]["step"])), 1e-6)
        wanted = min(max(policy.windows * policy.window, math.ceil(policy.lasts_s / usual_s)), policy.most_steps)
        times = times_of(ranks, wanted)
        if times is None or len(times[0]) < wanted or times[0][0] <= policy.settle_steps:
            return ()
        steps, segments = times
        delay = self._worst(ranks.ids, segments)
        if delay is None or not self._lasts(delay, ranks.ids, segments):
            return ()
        return (_symptom(delay, segments, (int(steps[0]), int(steps[-1])), ranks.ids),)

    def _lasts(self, delay: Delay, ids: Sequence[int], segments: Mapping[str, Floats]) -> bool:
        """Whether each part of the time names the same rank and the same part of the step."""
        for part in np.array_split(np.arange(segments["step"].shape[1]), self.policy.windows):
            worst = self._worst(ids, {name: values[:, part] for name, values in segments.items()})
            if worst is None or (worst.rank, worst.segment) != (delay.rank, delay.segment):
                return False
        return True

    def _worst(self, ids: Sequence[int], segments: Mapping[str, Floats]) -> Delay | None:
        """The longest delay that is steady, None where there is none."""
        steady = (delay for delay in self._delays(ids, segments) if delay.steady_share >= self.policy.steady_share)
        return max(steady, key=lambda delay: delay.seconds, default=None)

    def _delays(self, ids: Sequence[int], segments: Mapping[str, Floats]) -> Iterator[Delay]:
        medians = {name: np.median(values, axis=1) for name, values in segments.items()}
        waits = _WAITS if "sync" in segments else _WAITS_UNSEEN
        for segment, places in waits.items():
            slow = int(np.argmax(medians[segment]))
            excess, others = float(_beyond(medians[segment], slow)), np.delete(medians[segment], slow)
            limit = self._limit(float(np.median(medians["step"])), others)
            if excess <= limit:
                continue
            for place in places:
                gap = -float(_beyond(medians[place], slow))
                if np.argmin(medians[place]) == slow and gap >= self.policy.waited_share * excess:
                    steady = self._steadiness(segments[segment], segments[place], slow, limit)
                    yield Delay(ids[slow], segment, place, excess, limit, steady)

    def _limit(self, step_s: float, others: Floats) -> float:
        limit = max(self.policy.least_share * step_s, self.policy.least_s)
        if len(others) + 1 >= self.policy.ranks_for_mads:
            limit = max(limit, self.policy.mads * mad_sigma(others))
        return limit

    def _steadiness(self, work: Floats, wait: Floats, slow: int, limit: float) -> float:
        """Share of the steps in which the rank is late and the others wait."""
        later = _beyond(work, slow) > 0.5 * limit
        waited_for = -_beyond(wait, slow) > 0.25 * limit
        return float((later & waited_for).mean())


def _beyond(values: Floats, one: int) -> Floats:
    """By how much the row *one* of *values* lies above the median of the other rows."""
    return np.asarray(values[one] - np.median(np.delete(values, one, axis=0), axis=0))


def times_of(ranks: Ranks, points: int) -> tuple[Steps, dict[str, Floats]] | None:
    """The newest *points* common steps and, by part of the step and as "step", the seconds of each rank, shape
    (ranks, steps); without "sync" where not every rank tells it."""
    aligned = ranks.aligned((*_TIMES, tags.TIME_SYNC), points)
    if aligned is not None and len(aligned[0]) >= points:
        steps, values = aligned
        values[tags.TIME_BACKWARD] = np.maximum(values[tags.TIME_BACKWARD] - values[tags.TIME_SYNC], 0.0)
    else:
        aligned = ranks.aligned(_TIMES, points)
        if aligned is None:
            return None
        steps, values = aligned
    by_name = {name: values[TAG_OF[name]] for name in SEGMENTS if TAG_OF[name] in values}
    return steps, {**by_name, "step": values[tags.TIME_STEP]}


def _symptom(delay: Delay, segments: Mapping[str, Floats], window: tuple[int, int], ids: Sequence[int]) -> Symptom:
    row = ids.index(delay.rank)
    own = float(np.median(segments[delay.segment][row]))
    others = float(np.median(np.delete(segments[delay.segment], row, axis=0)))
    text = (
        f"{delay.segment} takes rank {delay.rank} {own * 1e3:.1f} ms and the others {others * 1e3:.1f} ms, who wait "
        f"for it in {delay.waited_in}; so in {delay.steady_share:.0%} of the steps"
    )
    return Symptom(
        kind="straggler",
        severity="warning",
        first_step=window[0],
        last_step=window[1],
        title=f"Rank {delay.rank} holds up the others by {delay.seconds * 1e3:.0f} ms a step, in: {delay.segment}",
        evidence=(Evidence(TAG_OF[delay.segment], window, delay.seconds, delay.limit_s, ">", text),),
        facts={rank_fact(delay.rank): delay.seconds},
        key=f"{delay.rank} {delay.segment}",
    )
