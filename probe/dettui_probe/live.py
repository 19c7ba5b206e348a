"""The live path: frames over ZeroMQ, to whoever listens and takes them at once.

That is the agent of this host, wherever one is announced; and, only where $DETTUI_CONNECT names it with its key, one
more over TCP, encrypted.  This side only connects.  A socket that is bound here could abort the training process:
libzmq asserts when a viewer attaches while no file descriptor is free.  What is not taken at once is dropped: it is in
the log, with the same sequence number.  Every socket and context belongs to the writer thread.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from dettui_probe.registry import announced_agent

if TYPE_CHECKING:
    import zmq

    from dettui_probe.keys import Pair

LOOK_S: Final = 2.0
HIGH_WATER: Final = 64  # messages of at most some 16 KiB
FREE_DESCRIPTORS: Final = 32
FAREWELL_MS: Final = 300  # for the last frames over TCP, where no log on this host's disk tells them anyway


class Door(NamedTuple):
    """Where somebody listens, and what opens it: nothing for a socket of this host, keys for TCP."""

    endpoint: str
    key: bytes = b""  # public key of who listens
    own: Pair | None = None


def agents_door() -> Door | None:
    """That of the agent of this host; None where there is none."""
    agent = announced_agent()
    return None if agent is None else Door(agent.inlet)


class LivePath:
    """Offers the frames of one strand (one boot of one rank of one run) at one door."""

    def __init__(self, run: str, boot: str, rank: int, find: Callable[[], Door | None] = agents_door) -> None:
        """*find* is asked every two seconds, while nothing flows, where the door is now."""
        self._strand = (run.encode(), boot.encode(), str(rank).encode())
        self._find = find
        self._monitor: zmq.Socket[bytes] | None = None
        self.refusal = ""  # why the door does not open, "" while it does or nobody is there
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._endpoint = ""
        self._flowing = False  # the last frame was taken
        self._look_at = 0.0

    def offer(self, frames: Sequence[bytes], greeting: Sequence[bytes]) -> None:
        """Send *frames*, after *greeting* (the frames of the hello and of all tags) where the flow starts anew."""
        if not self._flowing:
            self._look_around()
        self._listen_for_refusals()
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
        door = self._find()
        if (door.endpoint if door else "") != self._endpoint:
            self._disconnect()
            if door and (self._context is not None or _room_for_a_context()):
                self._connect(door)

    def _connect(self, door: Door) -> None:
        import zmq  # noqa: PLC0415 - 50 ms that only a watched run pays, in the writer thread

        try:
            self._context = self._context or zmq.Context()
            self._socket = self._context.socket(zmq.PUSH)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
            self._socket.setsockopt(zmq.IMMEDIATE, 1)
            self._socket.setsockopt(zmq.RECONNECT_IVL, 500)
            self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
            if door.own is not None:
                self._lock(self._socket, door.key, door.own)
            self._socket.connect(door.endpoint)
            self._endpoint = door.endpoint
        except zmq.ZMQError:
            self._disconnect()

    def _lock(self, socket: zmq.Socket[bytes], key: bytes, own: Pair) -> None:
        """Encrypt, speak to the owner of *key* only, and be told why where that fails."""
        import zmq  # noqa: PLC0415 - already imported where there is a socket

        socket.setsockopt(zmq.LINGER, FAREWELL_MS)
        socket.setsockopt(zmq.CURVE_SERVERKEY, key)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)
        self._monitor = socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )

    def _listen_for_refusals(self) -> None:
        """Libzmq tells of a handshake that failed nowhere but here."""
        if self._monitor is None:
            return
        import zmq  # noqa: PLC0415 - already imported where there is a socket
        from zmq.utils.monitor import recv_monitor_message  # noqa: PLC0415

        reasons = {
            int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): "it does not allow this machine's key",
            int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): "it does not encrypt, so nothing is sent",
            int(
                zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            ): "it has another key than the one given here, or does not encrypt",
        }
        while self._monitor is not None and self._monitor.poll(0):
            self.refusal = reasons.get(int(recv_monitor_message(self._monitor)["event"]), "")
            if self.refusal:  # libzmq itself does not come back after a no
                self._disconnect()

    def _disconnect(self) -> None:
        if self._socket is not None:
            if self._monitor is not None:
                self._socket.disable_monitor()
                self._monitor.close(0)
            self._socket.close()
        self._monitor = None
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
