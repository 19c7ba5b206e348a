"""A feed that reads a recording: one log, or all logs of a run directory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dettui.domain.run import Liveness, RunState
from dettui.feed.agent.liveness import Pulse, judge
from dettui.feed.agent.process import ProcessSight, ProcessWatch
from dettui.feed.base import Arrival
from dettui.feed.logs import RecordedStrand, member_of_hello, strands_at
from dettui.feed.overview import looks_at
from dettui.feed.reading import StrandReader, safe
from dettui_probe.framing import Frame, Hole, Scanner

READ_BYTES = 256 << 10
"""Of the log in one poll: some 2 ms of reading, 20,000 values."""
NO_GOODBYE = Liveness(RunState.UNKNOWN, "the recording ends without a goodbye")


class RecordedFeed:
    """Reads strand after strand, rank 0 first, a bounded piece a poll.  What is unreadable is passed over and told."""

    def __init__(self, path: Path | str, read_bytes: int = READ_BYTES, *, has_overview: bool = False) -> None:
        """With *has_overview*, a long strand is first told at a glance, then at once, to be shown before it is read.

        Raises RunNotFound where *path* does not exist, NotARun where it holds no log.
        """
        self._read_bytes = read_bytes
        self._has_overview = has_overview
        self._waiting = deque(strands_at(Path(path)))
        self._playing: _Playback | None = None
        self._looks: Iterator[Arrival] = iter(())  # at the strand that is playing, before it does

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """The next piece of the recording.  *wait_s* is ignored: what is on the disk need not be waited for."""
        if self._playing is None:
            if not self._waiting:
                return ()
            strand = self._waiting.popleft()
            self._playing = _Playback(strand)
            if self._has_overview and strand.rank == 0:
                self._looks = (
                    Arrival(strand.run, strand.boot, strand.rank, overview=look) for look in looks_at(strand)
                )
        look = next(self._looks, None)
        if look is not None:
            return (look,)
        arrival = self._playing.next(self._read_bytes)
        if self._playing.is_over:
            self._playing = None
        return (arrival,)

    def exhausted(self) -> bool:
        """True once every strand was read to its end."""
        return self._playing is None and not self._waiting

    def close(self) -> None:
        """Forget what was not read yet."""
        self._waiting.clear()
        self._looks = iter(())
        self._playing = None


class _Playback:
    """Reads one strand, segment after segment."""

    def __init__(self, strand: RecordedStrand) -> None:
        self._strand = strand
        self._segments = deque(strand.segments())
        self._scanner = Scanner()
        self._read_at = 0
        self._reader = StrandReader(strand.run, strand.boot, strand.rank)
        self._pulse = Pulse()
        self.is_over = False

    def next(self, limit: int) -> Arrival:
        """The next *limit* bytes; at the end, how the run ended."""
        data = self._read(limit)
        if data:
            return self._arrival(list(self._scanner.feed(data)))
        torn = self._read_at - self._scanner.offset
        notice = f"the last {_size(torn)} of {self._segments[0].name} are no whole record" if torn > 0 else ""
        self._segments.popleft()
        self._scanner, self._read_at = Scanner(), 0
        self.is_over = not self._segments
        ending = _ending(self._strand, self._pulse) if self.is_over else None
        strand = self._strand
        return Arrival(strand.run, strand.boot, strand.rank, liveness=ending, holes=int(torn > 0), notice=notice)

    def _read(self, limit: int) -> bytes:
        try:
            with self._segments[0].open("rb") as log:
                log.seek(self._read_at)
                data = log.read(limit)
        except OSError:
            return b""
        self._read_at += len(data)
        return data

    def _arrival(self, items: list[Frame | Hole]) -> Arrival:
        holes = [item for item in items if isinstance(item, Hole)]
        frames = [item for item in items if isinstance(item, Frame)]
        before = self._reader.seq
        for frame in frames:
            self._pulse.read(frame.payload)
        arrival = self._reader.read(frames, holes=len(holes))
        if not holes:
            return arrival
        lost = frames[-1].seq - before - len(frames) if frames else 0
        return replace(arrival, notice=_hole_notice(holes, lost))


def _ending(strand: RecordedStrand, pulse: Pulse) -> Liveness:
    """How the run ended; whether it still runs, where its process may be looked at from here."""
    if pulse.bye is not None:
        return safe(judge(ProcessSight(), pulse, pulse.bye.time))
    if strand.hello is None:
        return NO_GOODBYE
    pulse.settle()
    sight = ProcessWatch(member_of_hello(strand.hello)).look(0.0)
    if not sight.ours or not sight.state:
        return NO_GOODBYE  # gone; but whether the goodbye was never said or is cut off, the log does not tell
    return safe(judge(sight, pulse, time.time()))


def _hole_notice(holes: Sequence[Hole], lost: int) -> str:
    size = sum(hole.size for hole in holes)
    place = f"at offset {holes[0].offset}" if len(holes) == 1 else f"in {len(holes)} places"
    missing = f", {lost} records may be missing" if lost > 0 else ""
    return f"{_size(size)} of the log {place} are unreadable{missing}"


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1024 else f"{count / 1024:.0f} KiB"
