"""The live path: frames over ZeroMQ, to whoever listens and takes them at once.

That is the agent of this host, wherever one is announced; and, only where $DETTUI_CONNECT names it with its key, one
more over TCP, encrypted.  This side only connects, and hears nothing.  What is not taken at once is dropped: it is in
the log, with the same sequence number.  Every socket belongs to the writer thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from dettui_probe.registry import announced_agent

LOOK_S: Final = 2.0


class Wire(Protocol):
    """A connection.  Each call raises OSError where it has broken; none waits."""

    def send(self, parts: Sequence[bytes]) -> bool:
        """Send one message; False where it is not taken."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def to_the_agent() -> Wire | None:
    """A connection to the agent of this host; None where there is none.  Raises OSError."""
    agent = announced_agent()
    if agent is None:
        return None
    from dettui_probe.zmtp import Push  # noqa: PLC0415 - loads socket, which only a watched run needs

    return Push(agent.inlet.removeprefix("ipc://"))


def to_a_listener(address: str) -> Callable[[], Wire]:
    """Connections to the listener at *address*.  What is wrong with it is raised when the first is made."""

    def connect() -> Wire:
        from dettui_probe.keys import address_of, own_pair  # noqa: PLC0415 - only for those who ask for TCP

        named = address_of(address)
        from dettui_probe.tcp import CurvePush  # noqa: PLC0415 - libzmq, and 50 ms

        return CurvePush(named, own_pair())

    return connect


class LivePath:
    """Offers the frames of one strand (one boot of one rank of one run) to one listener."""

    def __init__(self, run: str, boot: str, rank: int, connect: Callable[[], Wire | None] = to_the_agent) -> None:
        """*connect* is tried every two seconds while there is no connection."""
        self._strand = (run.encode(), boot.encode(), str(rank).encode())
        self._connect = connect
        self._wire: Wire | None = None
        self._flowing = False  # the last frame was taken
        self._look_at = 0.0
        self.refusal = ""  # why the listener does not let us in, "" while it does or nobody is there

    def offer(self, frames: Sequence[bytes], greeting: Sequence[bytes]) -> None:
        """Send *frames*, after *greeting* (the frames of the hello and of all tags) where the flow starts anew."""
        if self._wire is None:
            self._look_around()
        if self._wire is None or not frames:
            return
        waiting = frames if self._flowing else [*greeting, *frames]
        try:
            wire = self._wire
            self._flowing = all(wire.send([*self._strand, frame]) for frame in waiting)
        except OSError as error:
            self._lose(error)
            return
        if self._flowing:
            self.refusal = ""

    def close(self) -> None:
        """Let go."""
        if self._wire is not None:
            self._wire.close()
        self._wire = None
        self._flowing = False

    def _look_around(self) -> None:
        """Every two seconds, see whether somebody has come."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        try:
            self._wire = self._connect()
        except OSError:
            self._wire = None

    def _lose(self, error: OSError) -> None:
        self.close()
        self.refusal = str(error) if type(error).__name__ == "Refused" else ""
