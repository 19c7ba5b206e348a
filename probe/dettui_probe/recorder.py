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

Entry: TypeAlias = "tuple[int, Item] | tuple[int, int, float, Mapping[str, float]]"
"""What the queue holds: a number and an item, or a number and the fields of a Row, which is cheaper to make."""


class Recorder:
    """The queue between the threads of one run, and what the capture tells the beat.

    ``put`` and ``put_urgent`` may be called from any thread, from a signal handler, from ``__del__`` and while
    another ``put`` is under way; ``take`` and ``wait`` belong to the writer thread.
    """

    step: int  # optimizer steps completed so far; the capture advances it
    phase: str  # data | forward | backward | optimizer | idle
    overhead: float  # share of the training thread's time that the probe took lately
    thinned: Mapping[str, int]  # instrument -> measured every so many steps; replaced, never changed in place

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.step = 0
        self.phase = "idle"
        self.overhead = 0.0
        self.thinned = {}
        self._queue: deque[Entry] = deque(maxlen=capacity)
        # The two halves of ``put``, public for the one caller that writes it out (Run.log).  Every item gets a
        # number, so that the writer sees how many the queue pushed out: a length looked up before an append would
        # miscount between threads.
        self.append: Callable[[Entry], None] = self._queue.append
        self.number: Callable[[], int] = itertools.count(1).__next__
        self._taken = 0
        self._newest = 0
        # SimpleQueue.put is reentrant, Event.set is not: it could deadlock in a signal handler.
        self._bell: SimpleQueue[None] = SimpleQueue()

    def put(self, item: Item) -> None:
        """Append; drop the oldest where the queue is full.  A microsecond."""
        self.append((self.number(), item))

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
            entry = self._queue.popleft()
        except IndexError:
            return None
        self._taken += 1
        self._newest = max(self._newest, entry[0])
        return entry[1] if len(entry) == 2 else Row(*entry[1:])

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Items pushed out by newer ones, as far as the items taken so far tell."""
        return max(self._newest - self._taken, 0)

    def silence(self) -> None:
        """Ignore whatever is put from now on: after the end of the run, and in a forked child."""
        self.append = _ignore


def _ignore(_entry: Entry) -> None:
    return None
