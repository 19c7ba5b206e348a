"""What runs there are on this host, without asking an agent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dettui.domain.run import Liveness
from dettui.feed.agent.discovery import Member, Registry
from dettui.feed.agent.liveness import LivenessPolicy, Pulse, judge
from dettui.feed.agent.process import ProcessWatch
from dettui.feed.agent.strand import near_the_end
from dettui.feed.agent.tail import LogTail
from dettui.feed.logs import is_log, member_of_hello, strands_at
from dettui.feed.reading import safe
from dettui.feed.recorded import NO_GOODBYE
from dettui.store.text import clean
from dettui_probe.framing import Frame
from dettui_probe.places import runs_dir, runtime_dir

_TAIL_BYTES = 64 << 10
"""Enough for some seconds of any run, and so for a beat."""
_READS = 4


@dataclass(frozen=True)
class RunSummary:
    """One run in one line.  Strings are safe to print."""

    id: str
    name: str
    host: str
    liveness: Liveness
    step: int | None  # None where no beat was found
    started: float  # seconds since the epoch
    updated: float | None  # of the newest beat or goodbye
    ranks: int
    path: Path  # the directory of its logs


def list_runs() -> tuple[RunSummary, ...]:
    """Runs that are registered on this host or recorded under the runs directory, newest first."""
    by_run: dict[str, dict[tuple[int, str], Member]] = {}
    for member in (*recorded_members(runs_dir()), *Registry(runtime_dir()).members()):
        by_run.setdefault(member.run, {})[(member.rank, member.boot)] = member
    runs = [_summary(list(members.values())) for members in by_run.values()]
    return tuple(sorted(runs, key=lambda run: run.started, reverse=True))


def recorded_members(directory: Path) -> Iterable[Member]:
    """The strands whose logs lie in the run directories under *directory*."""
    if not directory.is_dir():
        return
    for run in sorted(directory.iterdir()):
        if run.is_dir() and any(is_log(log) for log in run.glob("*.dlog")):
            for strand in strands_at(run):
                if strand.hello is not None:
                    yield member_of_hello(strand.hello, str(strand.path))


def _summary(members: list[Member]) -> RunSummary:
    """The run of *members*, judged by the newest start of its first rank."""
    first_rank = min(member.rank for member in members)
    newest = max((m for m in members if m.rank == first_rank), key=lambda member: member.started)
    pulse = _pulse(Path(newest.log)) if newest.log else Pulse()
    last = pulse.bye or pulse.beat
    return RunSummary(
        id=clean(newest.run),
        name=clean(newest.name) or clean(newest.run),
        host=clean(newest.host),
        liveness=_liveness(newest, pulse),
        step=max(pulse.step, last.step) if last else None,
        started=newest.started,
        updated=last.time if last else None,
        ranks=len({member.rank for member in members}),
        path=Path(newest.log).parent if newest.log else Path(),
    )


def _liveness(member: Member, pulse: Pulse) -> Liveness:
    """As far as one look tells: a process that is gone has not just gone."""
    sight = ProcessWatch(member).look(0.0)
    if not sight.ours and pulse.bye is None:
        return NO_GOODBYE
    if not sight.state:
        sight = replace(sight, since_s=LivenessPolicy().gone_s)
    return safe(judge(sight, pulse, time.time()))


def _pulse(log: Path) -> Pulse:
    """The signs of life at the end of *log*."""
    pulse = Pulse()
    tail = LogTail(log, near_the_end(log, _TAIL_BYTES), zero_looks=1)
    for _ in range(_READS):
        for item in tail.poll(_TAIL_BYTES):
            if isinstance(item, Frame):
                pulse.read(item.payload)
    pulse.settle()
    tail.close()
    return pulse
