"""A PUSH socket over TCP, encrypted with CURVE by libzmq: only where $DETTUI_CONNECT asks for it."""

from __future__ import annotations

import resource
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import zmq
from zmq.utils.monitor import recv_monitor_message

from dettui_probe.keys import Address, Pair

HIGH_WATER: Final = 64  # messages of at most some 16 KiB
FAREWELL_MS: Final = 300  # for the last frames: no log on the listener's disk tells them
FREE_DESCRIPTORS: Final = 32
_REFUSALS: Final = {
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): "it does not allow this machine's key",
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): "it does not encrypt, so nothing is sent",
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL): "it has another key than the one given here, or does not encrypt",
}


class Refused(ConnectionError):
    """The listener does not let us in; the text says why."""


class CurvePush:
    """One connection to one listener, whose key is known.  One thread's."""

    def __init__(self, address: Address, own: Pair) -> None:
        """Raises OSError (ZMQError is one of them where the address is at fault)."""
        if not _room_for_a_context():
            raise OSError("too few descriptors or threads are left for a connection")
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        for option, value in (
            (zmq.LINGER, FAREWELL_MS), (zmq.SNDHWM, HIGH_WATER), (zmq.IMMEDIATE, 1), (zmq.IPV6, 1),
            (zmq.RECONNECT_IVL, 500), (zmq.RECONNECT_IVL_MAX, 5000),
            (zmq.CURVE_SERVERKEY, address.key), (zmq.CURVE_PUBLICKEY, own.public), (zmq.CURVE_SECRETKEY, own.secret),
        ):  # fmt: skip
            self._socket.setsockopt(option, value)
        # Libzmq tells of a handshake that failed nowhere but here.
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )
        try:
            self._socket.connect(address.endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise OSError(str(error)) from error

    def send(self, parts: Sequence[bytes]) -> bool:
        """Send one message; False where it is not taken at once.  Raises Refused where we are not let in."""
        if self._monitor.poll(0):
            raise Refused(_REFUSALS.get(int(recv_monitor_message(self._monitor)["event"]), "the handshake failed"))
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.ZMQError:  # nobody there, or too slow
            return False
        return True

    def close(self) -> None:
        """Let go; waits FAREWELL_MS at most for what is on its way."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()
        self._context.term()


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
