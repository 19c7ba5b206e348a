"""What measuring may cost: every instrument is timed, and thinned until all of them fit the budget."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from time import perf_counter
from typing import Final, ParamSpec, TypeVar

from dettui_probe.capture.torchlib import torch
from dettui_probe.fence import Fence

P = ParamSpec("P")
T = TypeVar("T")

MAX_INTERVAL: Final = 128
VITAL: Final = 1024.0  # importance from which on nothing is left out because the writer thread is behind
CROWDED: Final = 16  # records that wait for the writer thread: it does not keep up
PROTECTED_STEPS: Final = 64  # steps in which an exact check is never skipped
COSTS_KEPT: Final = 5  # the median of so many: one descheduled measurement says nothing
GIL_SHARE: Final = 0.5
"""Part of a writer-thread second that the training thread feels: a small tensor operation holds the interpreter
lock for about half of its time."""


class Instrument:
    """One thing that is measured: its fences, its price, and every how many steps it is due.

    *fence* stands around what runs on the training thread and closes with the run; *decoding* around what the writer
    thread does with it, also while the run ends.  *importance* 1 is thinned first; an instrument of importance 8 has
    to cost 8 times as much to be thinned before.
    """

    def __init__(
        self,
        name: str,
        fence: Fence,
        decoding: Fence,
        importance: float = 1.0,
        *,
        exact: bool = False,
        at_most_every: int = 1,
    ) -> None:
        self.name = name
        self.fence = fence
        self.decoding = decoding
        self.importance = importance
        self.exact = exact
        self.at_most_every = at_most_every  # steps: what it measures by its own choice, without being thinned
        self.interval = 1
        self.spent_s = 0.0  # in the current step, on the training thread
        self._costs: deque[float] = deque(maxlen=COSTS_KEPT)
        self._decoding_costs: deque[float] = deque(maxlen=COSTS_KEPT)

    @property
    def works(self) -> bool:
        """False once a fault switched it off."""
        return self.fence.open and self.decoding.open

    @property
    def vital(self) -> bool:
        """True for what every rule and every eye needs: the loss, the schedule and the row itself."""
        return self.importance >= VITAL

    def due(self, step: int) -> bool:
        """Whether to measure in *step*."""
        return self.works and (step % self.interval == 0 or (self.exact and step <= PROTECTED_STEPS))

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """*function* behind the fence, on the clock."""
        started = perf_counter()
        with torch.no_grad():
            result = self.fence.run(function, *args, **kwargs)
        self.spent_s += perf_counter() - started
        return result

    def close_step(self, *, remember: bool) -> float:
        """Seconds spent in the step that ends; *remember* says to plan with them."""
        spent, self.spent_s = self.spent_s, 0.0
        if remember:
            self._costs.append(spent)
        return spent

    def decoded(self, cpu_s: float) -> None:
        """The writer thread worked *cpu_s* seconds on one measurement."""
        self._decoding_costs.append(cpu_s)

    @property
    def cost_s(self) -> float:
        """Price of one measurement as the training thread feels it, in seconds; 0 before the first."""
        return _median(self._costs) + GIL_SHARE * _median(self._decoding_costs)


def _median(seconds: deque[float]) -> float:
    return statistics.median(tuple(seconds)) if seconds else 0.0  # a copy: the other thread appends


def planned_intervals(instruments: Sequence[Instrument], allowed_s: float) -> list[int]:
    """The interval of each instrument (a power of two) with which all of them cost at most *allowed_s* a step.

    Doubles, again and again, the interval of the one that is dearest for its importance.
    """
    intervals = [1] * len(instruments)
    prices = [i.cost_s / i.at_most_every for i in instruments]  # of a step, on average
    dearest = [(-price / instruments[i].importance, i) for i, price in enumerate(prices)]
    heapify(dearest)
    excess_s = sum(prices) - allowed_s
    while excess_s > 0 and dearest:
        weight, i = heappop(dearest)
        prices[i] /= 2
        intervals[i] *= 2
        excess_s -= prices[i]
        if intervals[i] < MAX_INTERVAL:
            heappush(dearest, (weight / 2, i))
    return intervals


class Strain:
    """By how much more than the budget asks everything but the vital is thinned, for the writer thread to keep up.

    Its time costs the training thread little, but where steps are short and Python keeps the interpreter lock it gets
    so few turns that records pile up, whatever they cost.
    """

    CALM_REVIEWS: Final = 8  # before it is tried with less

    def __init__(self) -> None:
        self.factor = 1
        self._calm = 0

    def review(self, unread: int) -> bool:
        """Look at how many records wait; True where the factor changed."""
        before = self.factor
        self._calm = self._calm + 1 if unread <= CROWDED // 4 else 0
        if unread > CROWDED:
            self.factor = min(2 * self.factor, MAX_INTERVAL)
        elif self._calm >= self.CALM_REVIEWS:
            self.factor, self._calm = max(self.factor // 2, 1), 0
        return self.factor != before

    def interval(self, instrument: Instrument, planned: int) -> int:
        """What becomes of the interval that the budget *planned*."""
        return planned if instrument.vital else min(planned * self.factor, max(planned, MAX_INTERVAL))


class Budget:
    """Keeps the probe's time on the training thread at or under *share* of the step.

    A run begins with an allowance, so that its first steps, which decide the most, are measured in full.
    """

    ALLOWANCE_S: Final = 0.5  # once a run: pays for some two hundred steps in full, enough boxes for a proof of format
    REVIEW_EVERY: Final = 16
    SMOOTHING: Final = 0.1  # of the reported overhead

    def __init__(self, share: float) -> None:
        self.share = share
        self.overhead = 0.0
        self._instruments: list[Instrument] = []
        self._steps_s: deque[float] = deque(maxlen=31)
        self._base_s: deque[float] = deque(maxlen=31)  # of a step's own price: what no instrument accounts for
        self._overdrawn_s = -self.ALLOWANCE_S
        self._settled = 0
        self._planned: list[int] = []  # intervals of the instruments that work, as the share of the step allows
        self._strain = Strain()
        self._told: set[str] = set()
        self.thinned: Mapping[str, int] = {}  # instruments that are not measured in every step, with their intervals

    def add(self, instrument: Instrument) -> Instrument:
        """Put *instrument* under this budget."""
        self._instruments.append(instrument)
        return instrument

    def settle(self, step_s: float, probe_s: float, unread: int = 0) -> dict[str, int]:
        """Close a step that took *step_s*, *probe_s* of it ours, while *unread* records wait for the writer thread.
        Returns what is thinned for the first time."""
        first = self._settled == 0  # it also pays for buffers that are made once: no price to plan with
        spent_s = sum(i.close_step(remember=not first) for i in self._instruments if i.spent_s)
        self._settled += 1
        if first:
            return {}
        self._steps_s.append(max(step_s - probe_s, 1e-9))
        self._base_s.append(max(probe_s - spent_s, 0.0))
        self._overdrawn_s += probe_s - self.share * self._steps_s[-1]
        self.overhead += self.SMOOTHING * (min(probe_s / self._steps_s[-1], 1.0) - self.overhead)
        return self._review(unread) if self._is_time_for_review() else {}

    def _is_time_for_review(self) -> bool:
        return self._settled <= self.REVIEW_EVERY or self._settled % self.REVIEW_EVERY == 0

    def _review(self, unread: int) -> dict[str, int]:
        is_overdrawn = self._overdrawn_s >= 0
        if not self._strain.review(unread) and not is_overdrawn:
            return {}
        measured = [instrument for instrument in self._instruments if instrument.works]
        if is_overdrawn or len(self._planned) != len(measured):
            allowed_s = self.share * statistics.median(self._steps_s) - statistics.median(self._base_s)
            self._planned = planned_intervals(measured, max(allowed_s, 0.0) if is_overdrawn else math.inf)
        for instrument, planned in zip(measured, self._planned, strict=True):
            instrument.interval = self._strain.interval(instrument, planned)
        self.thinned = {i.name: i.interval for i in measured if i.interval > i.at_most_every}
        news = {name: every for name, every in self.thinned.items() if name not in self._told}
        self._told.update(news)
        return news
