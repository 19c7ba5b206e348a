"""The runs that the agent follows: found in the registry, or heard of over the socket."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path

from dettui.feed.agent.discovery import Member, Registry, StrandKey
from dettui.feed.agent.memory_kills import Counters
from dettui.feed.agent.process import GONE, ProcessWatch
from dettui.feed.agent.session import wanted_runs
from dettui.feed.agent.strand import Strand
from dettui_probe.framing import HEAD_BYTES, Frame, frames_in

RECENT_RUNS = 20
"""Runs that are over and still followed, newest first; older ones where a viewer asks for them by name."""
MANY = 8
RESCAN_S = 0.5
READ_S = 0.025
"""Between two looks at the logs: the socket is faster, the log is what nothing is lost from."""
LOOK_AT_ENDED_S = 1.0
"""The same for runs that are over."""


class Runs:
    """All strands of this host.  *now* is monotonic, *wall* seconds since the epoch."""

    def __init__(self, home: Path) -> None:
        self._registry = Registry(home)
        self._strands: dict[StrandKey, Strand] = {}
        self._strangers: set[StrandKey] = set()  # looked for in vain since the last scan
        self._dead: set[StrandKey] = set()
        self._watches: dict[StrandKey, ProcessWatch] = {}  # of those that are not dead
        self._counters = Counters()
        self._rescan_at = 0.0
        self._read_at = 0.0
        self._look_at_ended = 0.0
        self._ahead_s = time.time() - time.monotonic()

    @property
    def are_many(self) -> bool:
        """True where more is sent than is worth waking for piece by piece."""
        return len(self._strands) > MANY

    def strands(self) -> Iterable[Strand]:
        """Every strand that is followed."""
        return self._strands.values()

    def pump(self, now: float, wall: float, asked_for: Collection[str]) -> bool:
        """Look at logs and processes; True where there are news.  *asked_for*: runs to follow however old."""
        self._ahead_s = wall - now
        looked = now >= self._rescan_at
        if looked:
            self._rescan_at = now + RESCAN_S
            self._discover(asked_for, now)
        grew = self._read_logs(now)
        return (looked and self._judge(now)) or grew

    def take(self, parts: list[bytes], now: float) -> bool:
        """Take in what a probe sent; True where it is news.  Anything that is no frame of a probe is ignored."""
        if len(parts) != 4:
            return False
        key, frame = _key_of(parts), _frame_of(parts[3])
        if key is None or frame is None:
            return False
        if key not in self._strands and key not in self._strangers:
            self._discover((), now)  # the socket was faster than the next scan of the registry
            self._strangers.add(key)
        strand = self._strands.get(key)
        return strand is not None and strand.offer_live(frame, now)

    def close(self) -> None:
        """Let go of all logs."""
        for strand in self._strands.values():
            strand.close()

    def _read_logs(self, now: float) -> bool:
        if now < self._read_at:
            return False
        self._read_at = now + READ_S
        with_ended = now >= self._look_at_ended
        if with_ended:
            self._look_at_ended = now + LOOK_AT_ENDED_S
        due = [s for s in self._strands.values() if (with_ended if s.is_over else s.log_is_due(now))]
        news = [strand.pump_log(now) for strand in due]
        return any(news)

    def _judge(self, now: float) -> bool:
        before = [strand.liveness for strand in self._strands.values()]
        for strand in self._strands.values():
            strand.look(now)
        return before != [strand.liveness for strand in self._strands.values()]

    def _discover(self, asked_for: Collection[str], now: float) -> None:
        members = self._registry.members()
        followed = self._worth_following(members, asked_for)
        for member in members:
            if member.run in followed and member.key not in self._strands:
                self._strands[member.key] = Strand(member, now, now + self._ahead_s, self._counters)
        self._strangers.clear()
        self._forget({member.key for member in members})

    def _worth_following(self, members: Iterable[Member], asked_for: Collection[str]) -> set[str]:
        """Ids of the runs that live, are asked for, or ended lately and still have their log."""
        members = list(members)
        followed = wanted_runs(members, asked_for)
        ended: dict[str, float] = {}
        for member in members:
            if self._lives(member):
                followed.add(member.run)
            elif member.log and Path(member.log).exists():
                ended[member.run] = max(member.started, ended.get(member.run, 0.0))
        newest = sorted(ended, key=lambda run: ended[run], reverse=True)[:RECENT_RUNS]
        return followed.union(newest)

    def _lives(self, member: Member) -> bool:
        """True while its process does; one that is gone never comes back, and is not looked for again."""
        if member.key in self._dead:
            return False
        strand = self._strands.get(member.key)
        if strand is not None and not strand.is_over:
            return True  # it is looked at anyway
        watch = self._watches.get(member.key)
        if watch is None:
            watch = self._watches[member.key] = ProcessWatch(member)
        sight = watch.look(0.0)
        if sight.ours and sight.state in GONE:
            self._dead.add(member.key)
            del self._watches[member.key]
        return sight.state not in GONE

    def _forget(self, announced: set[StrandKey]) -> None:
        """Drop strands that are over and whose entry was removed."""
        gone = [key for key, strand in self._strands.items() if strand.is_over and key not in announced]
        for key in gone:
            self._strands.pop(key).close()


def _key_of(parts: list[bytes]) -> StrandKey | None:
    try:
        run, boot, rank = parts[0].decode(), parts[1].decode("ascii"), parts[2].decode("ascii")
    except UnicodeDecodeError:
        return None
    return (run, boot, int(rank)) if rank.isdecimal() and len(rank) < 8 else None


def _frame_of(data: bytes) -> Frame | None:
    """The one whole frame in *data*."""
    found = frames_in(data)
    return found[0] if len(found) == 1 and len(found[0].payload) + HEAD_BYTES == len(data) else None
