"""A frame: everything the screens need for one tick, immutable, replaceable by the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from dettui.domain.check import BadTarget, Check
from dettui.domain.finding import Diagnosis
from dettui.domain.given import GivenImage
from dettui.domain.link import Link
from dettui.domain.ranks import RankTable
from dettui.domain.run import Liveness, ModelInfo, RunInfo
from dettui.domain.series import ClassCounts, Series

MarkKind: TypeAlias = Literal["lr", "evaluation", "epoch", "checkpoint", "finding", "nonfinite", "event", "hole"]


@dataclass(frozen=True)
class Mark:
    """Something to be marked on the curves at one step."""

    step: int
    kind: MarkKind
    text: str


@dataclass(frozen=True)
class Vitals:
    """How a run is getting on, as of the frame."""

    step: int = 0
    rate: float | None = None  # steps per second over the last half minute
    eta_s: float | None = None  # None where the total is not known
    data_age_s: float | None = None  # since the newest datum, on this machine's clock
    overhead: float | None = None  # the probe's share of the step
    dropped: int = 0  # rows that the probe had to drop
    thinned: Mapping[str, int] = field(default_factory=dict)  # instrument -> measured every so many steps
    holes: int = 0  # unreadable places of the log
    left_out: int = 0  # rows that a slow link had no room for
    points: int = 0  # held in memory
    held_bytes: int = 0  # that they take, with their steps and times


@dataclass(frozen=True, eq=False)
class RunFrame:
    """One run at one tick."""

    info: RunInfo
    liveness: Liveness
    vitals: Vitals
    diagnosis: Diagnosis
    model: ModelInfo | None = None
    series: Mapping[str, Series] = field(default_factory=dict)
    classes: tuple[ClassCounts, ...] = ()
    marks: tuple[Mark, ...] = ()
    notices: tuple[str, ...] = ()  # one line each: truncated log, newer probe, link lost, ...
    checks: tuple[Check, ...] = ()  # of the pre-flight, the newest answer to each question
    bad_targets: tuple[BadTarget, ...] = ()  # newest first
    given: tuple[GivenImage, ...] = ()  # what the model was last given to look at, newest batch first
    ranks: RankTable | None = None  # None for a process on its own
    link: Link | None = None  # to the host that it is watched on; None where that is this machine


@dataclass(frozen=True, eq=False)
class Frame:
    """All runs at one tick, worst first."""

    tick: int
    made_at: float  # seconds since the epoch
    runs: tuple[RunFrame, ...] = ()
    notices: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()  # to every host that is watched, in the order in which they were typed
    by_chance: frozenset[str] = frozenset()  # runs whose warnings chance may bring among so many (diagnose.across_runs)
