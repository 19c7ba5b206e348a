"""A PUSH socket of ZeroMQ on this host, spoken by hand: ZMTP 3.0, mechanism NULL (rfc.zeromq.org/spec/23).

Libzmq would do it too, and would end the training process where a script closes descriptors that it did not open
(`os.closerange`, as daemons do), where none is free, or where no thread can be started: it asserts.  This takes one
descriptor and no thread, and whatever happens is an OSError.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Final

MAX_WAITING: Final = 1 << 20  # bytes that may wait for a peer that is slow
_GREETING: Final = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_READY: Final = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
_MORE, _LONG, _COMMAND = 0x01, 0x02, 0x04
_HEARD_MOST: Final = 1024  # of a peer's handshake


class Push:
    """One connection.  No call waits; each raises OSError once the peer has gone."""

    def __init__(self, path: str) -> None:
        """Connect to the socket at *path*."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(path)
            self._inode = os.fstat(self._socket.fileno()).st_ino
        except OSError:
            self._socket.close()
            raise
        self._waiting = bytearray(_GREETING + _frame(_COMMAND, _READY))
        self._heard = b""
        self._is_open = False  # both sides have introduced themselves

    def send(self, parts: Sequence[bytes]) -> bool:
        """Send one message; False where the peer has not taken enough of the ones before."""
        self._check()
        self._listen()
        self._flush()
        if not self._is_open or len(self._waiting) > MAX_WAITING:
            return False
        for part in parts[:-1]:
            self._waiting += _frame(_MORE, part)
        self._waiting += _frame(0, parts[-1])
        self._flush()
        return True

    def close(self) -> None:
        """Let go, of what the kernel has not taken as well."""
        try:
            self._check()
        except OSError:
            return
        self._socket.close()

    def _check(self) -> None:
        """Raises OSError where the descriptor was closed behind our back; its number may be somebody's file now."""
        try:
            if os.fstat(self._socket.fileno()).st_ino == self._inode:
                return
        except OSError:
            pass
        self._socket.detach()
        raise OSError(errno.EBADF, "the descriptor was taken away")

    def _flush(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: self._socket.send(self._waiting, socket.MSG_NOSIGNAL)]
        except BlockingIOError:
            return

    def _listen(self) -> None:
        """Hear the handshake, then nothing but the end: what else a peer says is thrown away."""
        try:
            heard = self._socket.recv(_HEARD_MOST)
        except BlockingIOError:
            return
        if not heard:
            raise ConnectionResetError("the peer has gone")
        if not self._is_open:
            self._heard = (self._heard + heard)[:_HEARD_MOST]
            self._is_open = _is_introduced(self._heard)


def _frame(flags: int, body: bytes) -> bytes:
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return bytes((flags | _LONG,)) + len(body).to_bytes(8, "big") + body


def _is_introduced(heard: bytes) -> bool:
    """True where *heard* is a greeting and the beginning of a command.  Raises OSError where it cannot become one."""
    mechanism = heard[12:32]
    if heard[:1] != b"\xff" or not _GREETING[12:32].startswith(mechanism):
        raise OSError(errno.EPROTO, "the peer does not speak ZMTP with the mechanism NULL")
    return len(heard) > len(_GREETING) and bool(heard[len(_GREETING)] & _COMMAND)
