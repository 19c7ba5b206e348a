"""Is a run alive, and if not, how did it end?  Seen from outside, through /proc and its last signs of life.

Two clocks tell a blocked interpreter from a dead process: the process is looked at from here, the step counter is
told by the beats of the probe's own thread.  A missing beat alone never means dead: one C call that holds the GIL
silenced the beats for 8.5 s while the process was well.

Clocks jump and differ between hosts.  So whoever follows a stream dates its signs of life by when they were heard;
only who looks at a recording once has nothing but the times that it tells.
"""

from __future__ import annotations

import re
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dettui.domain.run import Liveness, RunState
from dettui.feed.agent.peek import BeatSeen, ByeSeen, is_batch, newest_row, peek
from dettui.feed.agent.process import GONE, ProcessSight

_LAST_MOVES = 64
_PLACE = re.compile(r'^\s*File "(?P<file>.*)", line (?P<line>\d+)')


@dataclass(frozen=True)
class LivenessPolicy:
    """When silence means something.  Beats come once a second, and are seen within 0.1 s."""

    silent_s: float = 3.0  # without a beat: three were missed
    gone_s: float = 1.0  # a process may be gone before its goodbye was read
    settled_s: float = 2.0  # uninterruptible sleep is normal for an instant
    stall_s: float = 10.0
    stall_steps: float = 8.0  # median steps


class _Counter:
    """A step counter as one kind of message tells it: when it moved, and how fast."""

    def __init__(self) -> None:
        self.step = 0
        self.moved_at: float | None = None  # on the clock of whoever listens
        self._told_at = 0.0  # the same by the trainer's clock
        self._step_s: deque[float] = deque(maxlen=_LAST_MOVES)

    def see(self, step: int, told: float, heard: float) -> None:
        """It stood at *step* at *told*, as was *heard*.  Going back is a move too, as a loop that begins again
        makes it."""
        if self.moved_at is not None and step == self.step:
            return
        if self.moved_at is not None and step > self.step and told > self._told_at:
            self._step_s.append((told - self._told_at) / (step - self.step))
        self.step, self.moved_at, self._told_at = step, heard, told

    @property
    def step_s(self) -> float | None:
        """Median seconds a step; None where fewer than two moves were seen."""
        return statistics.median(self._step_s) if len(self._step_s) >= 2 else None


def as_told(time: float) -> float:
    """The clock of who listens is the trainer's."""
    return time


class Pulse:
    """The last signs of life in the stream.  Steps are told by the beats, which count optimizer steps, and by the
    rows, which may be numbered by hand where nothing counts."""

    def __init__(self) -> None:
        self.beat: BeatSeen | None = None
        self.beat_at: float | None = None  # when it was heard
        self.bye: ByeSeen | None = None
        self._newest_batch: tuple[bytes, Callable[[float], float]] = (b"", as_told)
        self._beats = _Counter()
        self._rows = _Counter()

    def read(self, payload: bytes, heard: Callable[[float], float] = as_told) -> None:
        """Take in one message of the stream; *heard* says when, given the time that the message itself tells."""
        if is_batch(payload):
            self._newest_batch = payload, heard
            return
        sign = peek(payload)
        if isinstance(sign, ByeSeen):
            self.bye = sign
        elif sign is not None:
            self.beat, self.beat_at = sign, heard(sign.time)
            self._beats.see(sign.step, sign.time, self.beat_at)

    def settle(self) -> None:
        """Look into the newest rows; seldom enough that wide rows cost nothing."""
        payload, heard = self._newest_batch
        row = newest_row(payload)
        if row is not None:
            self._rows.see(row.step, row.time, heard(row.time))
        self._newest_batch = b"", as_told

    @property
    def step(self) -> int:
        """The newest step."""
        return max(self._beats.step, self._rows.step)

    @property
    def progressed_at(self) -> float | None:
        """When a step counter was last heard to move."""
        return self._leading.moved_at

    @property
    def step_s(self) -> float | None:
        """Median seconds a step."""
        return self._leading.step_s

    @property
    def _leading(self) -> _Counter:
        return max(self._rows, self._beats, key=lambda counter: (counter.step > 0, counter.moved_at or 0.0))


def judge(process: ProcessSight, pulse: Pulse, now: float, policy: LivenessPolicy | None = None) -> Liveness:
    """What the run is doing at *now*, on the clock by which *pulse* was heard."""
    policy = policy or LivenessPolicy()
    if pulse.bye is not None:
        return _farewell(pulse.bye)
    silent_s = now - pulse.beat_at if pulse.beat_at is not None else None
    if not process.ours:
        return _unseen(process, pulse, now, silent_s, policy)
    if process.state in GONE:
        return _gone(process, pulse, silent_s, policy)
    return _held(process, policy) or _silent(silent_s, policy) or _alive(pulse, now, policy)


def _unseen(
    process: ProcessSight, pulse: Pulse, now: float, silent_s: float | None, policy: LivenessPolicy
) -> Liveness:
    """Of a process that cannot be seen, only its words tell; its silence tells nothing."""
    if silent_s is None:
        return Liveness(RunState.UNKNOWN, process.why_unseen)
    if silent_s > policy.silent_s:
        return Liveness(RunState.UNKNOWN, f"{process.why_unseen}, silent for {silent_s:.0f} s")
    return _alive(pulse, now, policy)


def _held(process: ProcessSight, policy: LivenessPolicy) -> Liveness | None:
    if process.state in ("T", "t"):
        return Liveness(RunState.STOPPED, "suspended by a signal" if process.state == "T" else "held by a debugger")
    if process.state == "D" and process.since_s >= policy.settled_s:
        return Liveness(RunState.DISK_WAIT, f"waiting for a disk or a driver for {process.since_s:.0f} s")
    return None


def _silent(silent_s: float | None, policy: LivenessPolicy) -> Liveness | None:
    if silent_s is None or silent_s <= policy.silent_s:
        return None
    return Liveness(
        RunState.GIL_BLOCKED, "alive, but its probe is silent: something holds the GIL, or the disk of its log hangs"
    )


def _farewell(bye: ByeSeen) -> Liveness:
    if bye.reason == "exception":
        return Liveness(RunState.CRASHED, last_words(bye.text) or "an exception", bye.exit_code)
    if bye.text == "KeyboardInterrupt":
        return Liveness(RunState.CRASHED, "interrupted (Ctrl-C)", bye.exit_code)
    if bye.exit_code:
        return Liveness(RunState.CRASHED, f"left with exit code {bye.exit_code}", bye.exit_code)
    return Liveness(RunState.FINISHED, "", bye.exit_code)


def last_words(traceback: str) -> str:
    """The error with which *traceback* ends, and the line that raised it; "" where it is empty."""
    lines = [line.strip() for line in traceback.splitlines() if line.strip()]
    if not lines:
        return ""
    places = [found for line in lines if (found := _PLACE.match(line)) is not None]
    where = f", at {places[-1]['file'].rpartition('/')[2]}:{places[-1]['line']}" if places else ""
    return f"{lines[-1][:400]}{where}"


def _gone(process: ProcessSight, pulse: Pulse, silent_s: float | None, policy: LivenessPolicy) -> Liveness:
    if process.restarted:
        return Liveness(RunState.KILLED, "its host was restarted")
    # A process that was never seen may be hidden from here; its beats are not.
    speaks_within_s = policy.gone_s if process.was_seen else policy.silent_s
    still_speaks = silent_s is not None and silent_s < speaks_within_s
    if still_speaks or process.since_s < policy.gone_s:
        return _alive_state(pulse)
    unexplained = "gone without a goodbye: killed, or crashed in native code"
    return Liveness(RunState.KILLED, process.out_of_memory or process.ending or unexplained)


def _alive_state(pulse: Pulse) -> Liveness:
    return Liveness(RunState.RUNNING if pulse.step > 0 else RunState.STARTING)


def _alive(pulse: Pulse, now: float, policy: LivenessPolicy) -> Liveness:
    state = _alive_state(pulse)
    if state.state is RunState.STARTING or pulse.beat is None or pulse.progressed_at is None:
        return state
    usual_s = pulse.step_s
    if usual_s is None:
        return state
    still_s = now - pulse.progressed_at
    if still_s <= max(policy.stall_s, policy.stall_steps * usual_s):
        return state
    return Liveness(RunState.STALLED, f"no step for {still_s:.0f} s, usually {usual_s:.2g} s; in: {pulse.beat.phase}")
