"""The seam between the engine and whatever brings messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dettui.domain.link import Link
from dettui.domain.run import Liveness
from dettui_probe import wire


@dataclass(frozen=True)
class Arrival:
    """Messages of one strand (one boot of one rank of one run), in the order of their sequence numbers.

    With an empty *run* it is news of a host, or of the feed itself.
    """

    run: str
    boot: str
    rank: int
    messages: tuple[wire.AnyMessage, ...] = ()
    liveness: Liveness | None = None  # where it changed
    holes: int = 0  # unreadable places of the log met since the last arrival
    notice: str = ""  # one line for the screen
    left_out: int = 0  # rows among these that a slow link had no room for
    host: str = ""  # that it came from, as the user typed it; "" for this machine
    link: Link | None = None  # to that host, where it changed
    overview: tuple[wire.AnyMessage, ...] = ()  # of what will come, to be shown until it has; never judged


class Feed(Protocol):
    """Brings messages.  Used by one thread; ``poll`` returns within *wait_s* and never raises for a bad run."""

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """What came since the last call, at most a bounded amount; empty where nothing came in *wait_s*."""
        ...

    def exhausted(self) -> bool:
        """True where nothing will ever come again (a recording that was read to its end)."""
        ...

    def close(self) -> None:
        """Let go of sockets and files.  Idempotent."""
        ...
