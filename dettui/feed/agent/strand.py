"""One strand (one boot of one rank of one run) as the agent follows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dettui.domain.run import Liveness, RunState
from dettui.feed.agent.discovery import Member
from dettui.feed.agent.liveness import Pulse, judge
from dettui.feed.agent.memory_kills import Counters
from dettui.feed.agent.merge import Merge
from dettui.feed.agent.process import ProcessWatch
from dettui.feed.agent.tail import LogTail, Position, segment_path
from dettui.feed.agent.window import Window
from dettui_probe.framing import Frame, Hole

READ_BYTES = 1 << 20
"""Of the log, at one look."""
WINDOW_BYTES = 256 << 10
"""How far back a log that is already long is read at first: enough beats to tell the pace of a run."""
LOG_BEHIND_LIVE_S = 0.25
"""Half of what a frame that the live stream lacks is waited for (``merge``): the log brings it in time."""
INDEX_BYTES = 256 << 10
"""Between two remembered places of the log, where a viewer that comes back may resume."""


class Strand:
    """Merges the log and the live stream of one probe, and watches its process."""

    def __init__(self, member: Member, now: float = 0.0, wall: float = 0.0, counters: Counters | None = None) -> None:
        """Follow *member* from *now* on (monotonic); *wall*: the same in seconds since the epoch.  *counters* are
        shared with the strands that are looked at together."""
        self.member = member
        self.window = Window(keep_greetings=not member.log)
        self.pulse = Pulse()
        self.liveness = Liveness(RunState.STARTING)
        self._watch = ProcessWatch(member, counters=counters)
        self._places: list[tuple[int, Position]] = []
        self._read_since_place = 0
        self._live_at = self._log_at = -math.inf  # when the live stream brought something, and the log was looked at
        start = near_the_end(Path(member.log), WINDOW_BYTES) if member.log else None
        self._tail = LogTail(Path(member.log), start) if member.log else None
        self._from_the_beginning = self._tail is not None and start is None
        self._merge = Merge(expected=0 if self._from_the_beginning else None)
        # What stands in the log already was heard when it was written, as far as the clocks tell.
        self._heard: Callable[[float], float] = lambda told: now - max(0.0, wall - told)
        self._read_log(now)

    @property
    def is_over(self) -> bool:
        """True where nothing will be added any more."""
        return self.liveness.state.is_over

    def log_is_due(self, now: float) -> bool:
        """False while the live stream brings everything: then the log says nothing new, and may wait for a look."""
        flows = now - self._live_at < LOG_BEHIND_LIVE_S and not self._merge.is_waiting
        return not flows or now - self._log_at >= LOG_BEHIND_LIVE_S

    def pump_log(self, now: float) -> bool:
        """Read what was appended to the log; True where frames came.  *now* is monotonic."""
        self._heard = lambda told: now
        self._log_at = now
        return self._read_log(now)

    def offer_live(self, frame: Frame, now: float) -> bool:
        """Take in a frame that came over the socket; True where it could be let go.

        Nothing is taken before the log has shown where the window begins: a greeting, which repeats the first
        frames of all, would make everything after it a gap.
        """
        if self._tail is not None and self.window.first is None and not self._from_the_beginning:
            return self.pump_log(now)
        self._heard = lambda told: now
        self._live_at = now
        return self._keep(self._merge.offer(frame, now))

    def look(self, now: float) -> None:
        """Judge anew whether the run is alive; *now* is monotonic."""
        self.pulse.settle()
        judged = judge(self._watch.look(now), self.pulse, now)
        if judged.state is RunState.GIL_BLOCKED and self._watch.thread_waits():
            judged = replace(judged, state=RunState.DISK_WAIT, reason="a thread of it waits for a disk or a driver")
        self.liveness = judged

    def place_of(self, seq: int) -> Position:
        """A place in the log at or before the frame *seq*."""
        found = Position(0, 0)
        for first, place in self._places:
            if first > seq:
                break
            found = place
        return found

    def close(self) -> None:
        """Let go of the log."""
        if self._tail is not None:
            self._tail.close()

    def _read_log(self, now: float) -> bool:
        grew = self._keep(self._merge.overdue(now)) if self._merge.is_waiting else False
        if self._tail is None:
            return grew
        for item in self._tail.poll(READ_BYTES):
            if not isinstance(item, Hole):
                self._remember_place(item)
                grew = self._keep(self._merge.offer(item, now)) or grew
        return grew

    def _keep(self, frames: list[Frame]) -> bool:
        for frame in frames:
            self.window.append(frame)
            self.pulse.read(frame.payload, self._heard)
        return bool(frames)

    def _remember_place(self, frame: Frame) -> None:
        self._read_since_place += len(frame.payload)
        if self._tail is not None and self._read_since_place >= INDEX_BYTES:
            self._places.append((frame.seq + 1, self._tail.position))
            self._read_since_place = 0


def near_the_end(log: Path, reach: int) -> Position | None:
    """The place *reach* bytes before the end of *log*; None: its beginning."""
    last = 0
    while segment_path(log, last + 1).exists():
        last += 1
    try:
        size = segment_path(log, last).stat().st_size
    except OSError:
        return None
    start = Position(last, max(0, size - reach))
    return None if start == Position(0, 0) else start


def bytes_behind(log: Path, place: Position) -> int:
    """Bytes of *log* from *place* to its end, as of now."""
    size, segment = -place.offset, place.segment
    while (path := segment_path(log, segment)).exists():
        size += path.stat().st_size
        segment += 1
    return max(size, 0)
