"""The ranks of one job, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from dettui.domain.run import Liveness

SEGMENTS: Final = ("data", "forward", "backward", "sync", "optimizer")
"""Parts of a step, in order.  "backward" is a rank's own work; "sync" what follows of the pass: the exchange of
gradients and the wait for the others."""


@dataclass(frozen=True)
class Pause:
    """A stretch without a step, by the clock of the rank that paused."""

    step: int  # the last one before it
    phase: str  # data | forward | backward | optimizer | idle
    still_s: float  # from the last move of the step counter to the next one, or to the last word
    silent_s: float = 0.0  # the longest stretch of it without a word
    is_open: bool = False  # no step has come since
    evaluated: bool = False  # part of it was an evaluation
    usual_s: float | None = None  # seconds a step before it, None where no pace was known


@dataclass(frozen=True)
class RankView:
    """One rank at one tick."""

    rank: int
    liveness: Liveness
    host: str = ""
    pid: int = 0
    step: int = 0
    phase: str = ""
    segments: Mapping[str, float] = field(default_factory=dict)  # median seconds of the newest steps
    step_s: float | None = None
    loss: float | None = None
    grad_norm: float | None = None
    checksum: float | None = None  # of the parameters
    mem_bytes: float | None = None
    dropped: int = 0
    flaw: str = ""  # what a finding says of it: "slow", "hung", "differs"


@dataclass(frozen=True)
class SegmentView:
    """One part of the step over all ranks: medians of the newest steps."""

    name: str
    median_s: float
    worst_s: float
    worst_rank: int
    skew: float  # worst less median, as a share of the median step


@dataclass(frozen=True)
class RankTable:
    """All ranks of the newest start of a job, worst first."""

    world: int
    ranks: tuple[RankView, ...]
    attempt: int = 0  # how often the launcher has started the job again
    missing: tuple[int, ...] = ()  # of which nothing was heard
    segments: tuple[SegmentView, ...] = ()
    window: tuple[int, int] = (0, 0)  # steps of the medians
    differing: tuple[str, ...] = ()  # settings that differ between ranks, one line each
