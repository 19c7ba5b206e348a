"""From the training thread to the writer thread: one bounded deque, no lock, no wake-up.

The training thread appends; it never waits, encodes, or touches a file or a socket.  The writer thread wakes every
50 ms, turns what it finds into messages, appends them to the run's log and offers them to the agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from dettui_probe import wire


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

    def resolve(self) -> Iterable[Row | wire.Counts | wire.Event | wire.Model]:
        """What came of it."""
        ...


class Recorder:
    """The queue and the writer thread behind one run."""

    step: int  # optimizer steps completed so far; the capture advances it
    phase: str  # data | forward | backward | optimizer | idle

    def put(self, item: Row | Deferred | wire.Counts | wire.Event | wire.Model) -> None:
        """Append; drop the oldest and count it where the queue is full.  A microsecond, from any thread."""
        raise NotImplementedError
