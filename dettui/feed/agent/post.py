"""The agent's addresses: the lock that makes it the only one, its two sockets, and the file that names them.

A second bind on an ipc path silently steals it, so socket names are random, the lock comes first, and the files are
looked at again now and then.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

import msgspec
import zmq

from dettui.feed.agent import protocol
from dettui_probe import wire
from dettui_probe.framing import MAX_PAYLOAD
from dettui_probe.places import ensure_private
from dettui_probe.registry import Announcement

HANDSHAKE_MS = 3_000
_HIGH_WATER_IN = 1_000
_ROOM_FOR_ENVELOPE = 4 << 10


def take_lock(home: Path) -> int | None:
    """The descriptor that holds the agent's lock; None where another agent holds it.

    The directory itself is locked for sharing, which keeps systemd-tmpfiles from clearing it away.
    """
    ensure_private(home)
    directory = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(directory, fcntl.LOCK_SH)
    lock = os.open(home / "a.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        os.close(directory)
        return None
    return lock


class Post:
    """Bound sockets and their announcement.  Make it only while holding the lock."""

    def __init__(self, home: Path) -> None:
        name = secrets.token_hex(4)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._announcement = home / "agent.json"
        self._paths = (home / f"a-{name}.in", home / f"a-{name}.q")
        _remove_leftovers(home)
        self.inlet = self._bind(zmq.PULL, self._paths[0], MAX_PAYLOAD + _ROOM_FOR_ENVELOPE)
        self.query = self._bind(zmq.ROUTER, self._paths[1], protocol.MAX_MESSAGE)
        self._files = tuple(_identity(path) for path in self._paths)
        self._announce()

    def is_ours(self) -> bool:
        """True while the sockets that our files name are the ones that we bound."""
        try:
            announced = msgspec.json.decode(self._announcement.read_bytes(), type=Announcement)
        except (OSError, UnicodeDecodeError, RecursionError, msgspec.MsgspecError):
            return False
        return announced.pid == os.getpid() and self._files == tuple(_identity(path) for path in self._paths)

    def close(self) -> None:
        """Let go of the sockets; remove the files that are still ours."""
        if self.is_ours():
            self._announcement.unlink(missing_ok=True)
        for path, identity in zip(self._paths, self._files, strict=True):
            if _identity(path) == identity:
                path.unlink(missing_ok=True)
        self.inlet.close(0)
        self.query.close(0)
        self._context.term()

    def _bind(self, kind: int, path: Path, max_message: int) -> zmq.Socket[bytes]:
        bound = self._context.socket(kind)
        bound.setsockopt(zmq.LINGER, 0)
        bound.setsockopt(zmq.MAXMSGSIZE, max_message)
        bound.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        bound.setsockopt(zmq.RCVHWM, _HIGH_WATER_IN)
        if kind == zmq.ROUTER:
            bound.setsockopt(zmq.ROUTER_MANDATORY, 1)
        bound.bind(f"ipc://{path}")
        return bound

    def _announce(self) -> None:
        inlet, query = (f"ipc://{path}" for path in self._paths)
        draft = self._announcement.with_suffix(".tmp")
        draft.write_bytes(msgspec.json.encode(Announcement(inlet, query, os.getpid(), (wire.MAJOR, protocol.VERSION))))
        draft.replace(self._announcement)


def _remove_leftovers(home: Path) -> None:
    """Sockets of agents that were killed: the lock is ours, so nobody listens there."""
    for path in (*home.glob("a-*.in"), *home.glob("a-*.q")):
        if path.is_socket():
            path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
