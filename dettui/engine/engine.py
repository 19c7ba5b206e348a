"""The engine: one feed in, frames out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from dettui.domain.finding import SEVERITY_ORDER, Diagnosis
from dettui.domain.frame import Frame, RunFrame
from dettui.domain.link import Link
from dettui.domain.run import RunState
from dettui.engine.chance import ChanceBook
from dettui.engine.grid import GRID, EvaluationGrid
from dettui.engine.tracker import RunTracker
from dettui.errors import BadUsage, NotARun, RunNotFound
from dettui.feed.base import Arrival, Feed
from dettui_probe import wire

_MOST_NOTICES: Final = 8
_POLL_S: Final = 0.04
"""What is left for the feed of the time that it may wait."""
_MANY_RUNS: Final = 32
"""Beyond so many, a frame renews every other run in turn: nobody reads so many numbers ten times a second."""
MOVED: Final = "moved"
"""The goodbye of a process that turned out to be another rank (probe/WIRE.md)."""

_STATE_ORDER: Final = {
    state: rank
    for rank, state in enumerate(
        (
            RunState.CRASHED,
            RunState.KILLED,
            RunState.STALLED,
            RunState.GIL_BLOCKED,
            RunState.DISK_WAIT,
            RunState.STOPPED,
            RunState.LOST,
            RunState.UNKNOWN,
            RunState.RUNNING,
            RunState.STARTING,
            RunState.FINISHED,
        )
    )
}
"""Who needs a look first."""


class Engine:
    """Reads one feed and makes frames.  Used by one thread.

    Evaluation happens while messages are taken in, at steps that depend on nothing but the step number, so that a
    live run and its recording give the same findings, and stepping back to step t shows what was known at t.
    """

    def __init__(
        self,
        feed: Feed,
        clock: Callable[[], float] = time.time,
        grid: EvaluationGrid = GRID,
        until: int | None = None,
        judges_later: bool = False,
    ) -> None:
        """Look at nothing behind the step *until*.  With *judges_later*, runs are judged while the next data are waited
        for, as of the steps at which they were due: where many are due at once, no frame is held up by it."""
        self._feed = feed
        self._judges_later = judges_later
        self._unjudged: dict[str, RunTracker] = {}  # runs that are due to be judged, the longest first
        self._clock = clock
        self._grid = grid
        self._until = until
        self._runs: dict[str, RunTracker] = {}
        self._links: dict[str, Link] = {}
        self._moved: set[tuple[str, str]] = set()  # runs and boots that became other ranks
        self._notices: list[str] = []
        self._ended = False
        self._ticks = 0
        self._shown: dict[str, RunFrame] = {}  # by the newest frame
        self._chances = ChanceBook()

    def pump(self, wait_s: float = 0.0) -> bool:
        """Take in what the feed has; True where anything came, or was judged meanwhile."""
        deadline = time.monotonic() + wait_s
        has_judged = self._judge_until(deadline - _POLL_S)
        arrivals = self._feed.poll(max(0.0, deadline - time.monotonic()) if has_judged else wait_s)
        for arrival in arrivals:
            self._take(arrival)
        if self._feed.exhausted() and not self._ended:
            self._end()
        return bool(arrivals) or has_judged

    def _judge_until(self, deadline: float) -> bool:
        """Judge runs that are due, at least one and as many as can be before *deadline*; True where there were any."""
        has_judged = bool(self._unjudged)
        while self._unjudged:
            self._unjudged.pop(next(iter(self._unjudged))).judge_what_is_due()
            if time.monotonic() > deadline:
                break
        return has_judged

    def frame(self) -> Frame:
        """The picture as of now: runs worst first, by their worst active finding, what may be chance among so many
        behind what stands, then by state, then by name."""
        now = self._clock()
        self._ticks += 1
        self._shown = {run: self._frame_of(turn, run, now) for turn, run in enumerate(self._runs)}
        by_chance = self._chances.among(self._shown.values())
        runs = sorted(self._shown.values(), key=lambda run: _worst_first(run, by_chance))
        return Frame(self._ticks, now, tuple(runs), tuple(self._notices), tuple(self._links.values()), by_chance)

    def _frame_of(self, turn: int, run: str, now: float) -> RunFrame:
        """The picture of one run; of many, that of the frame before where its turn is the next and it has no news."""
        tracker, shown = self._runs[run], self._shown.get(run)
        link = self._links.get(tracker.host)
        may_wait = len(self._runs) > _MANY_RUNS and (turn + self._ticks) % 2
        if may_wait and shown is not None and not tracker.has_news(shown, link):
            return shown
        return tracker.frame(now, link)

    def known_at(self, run: str, step: int) -> Diagnosis:
        """What was known of *run* at *step*.  Raises RunNotFound."""
        if run not in self._runs:
            raise RunNotFound(f"No run {run!r} here.")
        return self._runs[run].known_at(step)

    def _take(self, arrival: Arrival) -> None:
        if arrival.link is not None:
            self._links[arrival.link.host] = arrival.link
        if arrival.run and (arrival.run, arrival.boot) not in self._moved:
            tracker = self._runs.get(arrival.run)
            if tracker is None:
                tracker = RunTracker(arrival.run, self._grid, self._until, judges_later=self._judges_later)
                self._runs[arrival.run] = tracker
            tracker.take(arrival, self._clock())
            if tracker.is_due:
                self._unjudged.setdefault(arrival.run, tracker)
            if any(isinstance(message, wire.Bye) and message.reason == MOVED for message in arrival.messages):
                self._forget(arrival)
        elif arrival.notice and arrival.notice not in self._notices:
            self._notices = [*self._notices, arrival.notice][-_MOST_NOTICES:]

    def _forget(self, arrival: Arrival) -> None:
        """What that strand said, it says again as another rank."""
        self._moved.add((arrival.run, arrival.boot))
        if self._runs[arrival.run].is_empty:
            del self._runs[arrival.run]
            self._unjudged.pop(arrival.run, None)

    def _end(self) -> None:
        self._ended = True
        for tracker in self._runs.values():
            tracker.settle()
            tracker.finish()


def _worst_first(frame: RunFrame, by_chance: frozenset[str]) -> tuple[int, bool, int, str, str]:
    worst, info = frame.diagnosis.worst, frame.info
    severity = SEVERITY_ORDER[worst.severity] if worst is not None else -1
    return -severity, info.id in by_chance, _STATE_ORDER[frame.liveness.state], info.name, info.id


def replay(feed: Feed, run: str | None = None, at_step: int | None = None, *, grid: EvaluationGrid = GRID) -> RunFrame:
    """Read *feed* to its end, or to *at_step*, and say what was known then.

    *run* is an id or a name.  Raises NotARun where nothing came, RunNotFound where *run* is not among what came, and
    BadUsage where several runs came and *run* does not choose one.
    """
    engine = Engine(feed, until=at_step, grid=grid)
    while not feed.exhausted():
        engine.pump(wait_s=0.1)
    engine.pump()
    return _choose(engine.frame().runs, run)


def _choose(frames: tuple[RunFrame, ...], run: str | None) -> RunFrame:
    if not frames:
        raise NotARun("No run was found there: it holds no record that can be read.")
    chosen = [frame for frame in frames if run is None or run in (frame.info.id, frame.info.name)]
    if not chosen:
        raise RunNotFound(f"No run {run!r} there; there are: {', '.join(frame.info.name for frame in frames)}.")
    if len(chosen) > 1:
        raise BadUsage(f"Several runs match; name one by its id: {', '.join(frame.info.id for frame in chosen)}.")
    return chosen[0]
