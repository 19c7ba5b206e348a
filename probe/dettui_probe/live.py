"""The live path: frames to the agent over ZeroMQ, where an agent listens and takes them at once.

This side only connects.  A socket that is bound here could abort the training process: libzmq asserts when a viewer
attaches while no file descriptor is free.  What is not taken at once is dropped: it is in the log, with the same
sequence number.  Every socket and context belongs to the writer thread.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dettui_probe.registry import announced_agent

if TYPE_CHECKING:
    import zmq

LOOK_S: Final = 2.0
HIGH_WATER: Final = 64  # messages of at most some 16 KiB
FREE_DESCRIPTORS: Final = 32


class LivePath:
    """Offers the frames of one strand (one boot of one rank of one run) to the agent."""

    def __init__(self, run: str, boot: str, rank: int) -> None:
        self._strand = (run.encode(), boot.encode(), str(rank).encode())
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._endpoint = ""
        self._flowing = False  # the last frame was taken
        self._look_at = 0.0

    def offer(self, frames: Sequence[bytes], greeting: Sequence[bytes]) -> None:
        """Send *frames*, after *greeting* (the frames of the hello and of all tags) where the flow starts anew."""
        if not self._flowing:
            self._look_around()
        if self._socket is None or not frames:
            return
        waiting = frames if self._flowing else [*greeting, *frames]
        self._flowing = all(self._send(self._socket, frame) for frame in waiting)

    def close(self) -> None:
        """Let go of socket and context."""
        self._disconnect()
        if self._context is not None:
            self._context.term()
            self._context = None

    def _look_around(self) -> None:
        """Every two seconds, see whether an agent has come, gone, or moved."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        agent = announced_agent()
        endpoint = "" if agent is None else agent.inlet
        if endpoint != self._endpoint:
            self._disconnect()
            if endpoint and (self._context is not None or _room_for_a_context()):
                self._connect(endpoint)

    def _connect(self, endpoint: str) -> None:
        import zmq  # noqa: PLC0415 - 50 ms that only a watched run pays, in the writer thread

        try:
            self._context = self._context or zmq.Context()
            self._socket = self._context.socket(zmq.PUSH)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
            self._socket.setsockopt(zmq.IMMEDIATE, 1)
            self._socket.setsockopt(zmq.RECONNECT_IVL, 500)
            self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
            self._socket.connect(endpoint)
            self._endpoint = endpoint
        except zmq.ZMQError:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close(0)
        self._socket = None
        self._endpoint = ""
        self._flowing = False

    def _send(self, socket: zmq.Socket[bytes], frame: bytes) -> bool:
        import zmq  # noqa: PLC0415 - already imported where there is a socket

        try:
            socket.send_multipart([*self._strand, frame], zmq.NOBLOCK)
        except zmq.ZMQError:  # nobody there, or too slow
            return False
        return True


def _room_for_a_context() -> bool:
    """True where libzmq will find the descriptors and threads it needs: it aborts the process where it does not."""
    return _free_descriptors() >= FREE_DESCRIPTORS and _threads_start()


def _free_descriptors() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return FREE_DESCRIPTORS
    try:
        return limit - sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:  # not even one is left to look
        return 0


def _threads_start() -> bool:
    """True where two more threads start, as many as a context has."""
    leave = threading.Event()
    threads = [threading.Thread(target=leave.wait, name="dettui-guard", daemon=True) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError:
        return False
    finally:
        leave.set()
    return True
