"""From the training thread to the writer thread: one bounded deque, no lock, no wake-up.

The training thread appends; it never waits, encodes, or touches a file or a socket.  The writer thread wakes every
50 ms, turns what it finds into messages, appends them to the run's log and offers them to the agent.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from dettui_probe import wire

CAPACITY: Final = 65_536


class Row(NamedTuple):
    """Values of one step, already numbers (or 0-dim tensors, which the writer thread turns into numbers)."""

    step: int
    time: float
    values: Mapping[str, float]


class Overheard(Row):
    """Values that a library measured and the script may log itself: what it logs under the same tag goes first, from
    its first value on."""


class Gathered(Overheard):
    """An evaluation of the training loss that nobody spoke of: told as long as no other one is."""


class Deferred(Protocol):
    """Values that are still on their way from the device, or still to be computed from a snapshot.

    Made by the training thread, resolved by the writer thread, in order: the writer stops at the first one that
    is not ready and comes back 50 ms later.
    """

    def ready(self) -> bool:
        """True where ``resolve`` will not wait.  Never waits itself."""
        ...

    def resolve(self) -> Iterable[Row | wire.Counts | wire.Event | wire.Model | wire.Pictures]:
        """What came of it."""
        ...


Item: TypeAlias = "Row | Deferred | wire.Counts | wire.Event | wire.Model"

Entry: TypeAlias = "Item | tuple[int, float, Mapping[str, float]]"
"""What the queue holds: an item, or the fields of a Row as a plain tuple, which is cheaper to make."""


class Recorder:
    """The queue between the threads of one run, and what the capture tells the beat.

    ``put`` and ``put_urgent`` may be called from any thread, from a signal handler, from ``__del__`` and while
    another ``put`` is under way; ``take``, ``wait`` and ``dropped`` belong to the writer thread.
    """

    step: int  # optimizer steps completed so far; the capture advances it
    before: int  # of these, steps that were completed before this process, as the script said
    phase: str  # data | forward | backward | optimizer | idle
    overhead: float  # share of the training thread's time that the probe took lately
    thinned: Mapping[str, int]  # instrument -> measured every so many steps; replaced, never changed in place

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.step = self.before = 0
        self.phase = "idle"
        self.overhead = 0.0
        self.thinned = {}
        self.capacity = capacity
        # The parts of ``put``, public for the one caller that writes it out (Run.log).
        self.queue: deque[Entry] = deque()
        self.append: Callable[[Entry], None] = self.queue.append
        self._held: list[Overheard] = []
        self._count_pushed_out = itertools.count().__next__  # one C call: no thread and no signal comes between
        self._asked = 0
        # SimpleQueue.put is reentrant, Event.set is not: it could deadlock in a signal handler.
        self._bell: SimpleQueue[None] = SimpleQueue()

    def put(self, item: Item) -> None:
        """Append; drop the oldest where the queue is full.  A microsecond."""
        self.append(item)
        if len(self.queue) > self.capacity:
            self.push_out()

    def push_out(self) -> None:
        """Drop the oldest until the queue is no longer than it may be: the writer hangs, in a disk that is gone."""
        while len(self.queue) > self.capacity:
            try:
                self.queue.popleft()
            except IndexError:  # the writer is back and was faster
                return
            self._count_pushed_out()

    def hold(self, row: Overheard) -> None:
        """``put`` *row* once the next step has ended, or the run: the script may be about to log the same."""
        self._held.append(row)

    def release(self) -> None:
        """``put`` what is held."""
        while self._held:
            self.put(self._held.pop(0))

    def put_urgent(self, item: Item) -> None:
        """As ``put``, and wake the writer thread.  That costs the training thread some 100 us: for news only."""
        self.put(item)
        self.ring()

    def ring(self) -> None:
        """Wake the writer thread, once, however often it is called before the writer looks."""
        if self._bell.empty():
            self._bell.put(None)

    def wait(self, seconds: float) -> None:
        """Sleep until *seconds* have passed or somebody rings."""
        try:
            self._bell.get(timeout=seconds)
        except Empty:
            return

    def take(self) -> Item | None:
        """The oldest item; None where the queue is empty."""
        try:
            entry = self.queue.popleft()
        except IndexError:
            return None
        return Row(*entry) if isinstance(entry, tuple) and not isinstance(entry, Row) else entry

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self.queue)

    @property
    def dropped(self) -> int:
        """Items pushed out by newer ones.  Whoever asks draws a number as well, which is taken off again."""
        self._asked += 1
        return self._count_pushed_out() - self._asked + 1

    def silence(self) -> None:
        """Ignore whatever is put from now on: after the end of the run, and in a forked child."""
        self.append = _ignore


def _ignore(_entry: Entry) -> None:
    return None
