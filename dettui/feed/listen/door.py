"""The door: a CURVE socket on one explicit address, who may come in, and why somebody was turned away."""

from __future__ import annotations

import ipaddress
import socket as sockets
from collections.abc import Callable, Iterator, Mapping

import zmq
from zmq.utils.monitor import recv_monitor_message

from dettui.errors import BadUsage
from dettui.feed.agent.post import HANDSHAKE_MS
from dettui_probe.framing import MAX_PAYLOAD
from dettui_probe.keys import Pair

DOMAIN = b"dettui"
MAX_MESSAGE = MAX_PAYLOAD + (4 << 10)
HIGH_WATER = 1_000
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_CRYPTOGRAPHIC = int(zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)


class Door:
    """One PULL socket that whoever has an allowed key may push to.  One thread's."""

    def __init__(self, host: str, port: int, pair: Pair, allowed: Callable[[], Mapping[str, str]]) -> None:
        """Raises BadUsage where *host* is no address of this machine, or stands for all of them."""
        address = explicit_address(host)
        self._allowed = allowed
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._judge = self._context.socket(zmq.ROUTER)  # asked by libzmq about every client (ZAP, RFC 27)
        self._judge.bind("inproc://zeromq.zap.01")
        self._inlet = self._context.socket(zmq.PULL)
        self._guard(pair)
        self._inlet.setsockopt(zmq.IPV6, int(":" in address))
        self._monitor = self._inlet.get_monitor_socket(_FAILED)
        self._turned_away: list[str] = []
        try:
            self._inlet.bind(f"tcp://{address}:{port}")
        except zmq.ZMQError as error:
            self.close()
            raise BadUsage(f"cannot listen on {host}:{port}: {error}") from error
        self.endpoint = self._inlet.getsockopt_string(zmq.LAST_ENDPOINT)
        self._poller = zmq.Poller()
        for one in (self._judge, self._inlet, self._monitor):
            self._poller.register(one, zmq.POLLIN)

    def wait(self, wait_ms: int) -> None:
        """Return when there is something to do, or after *wait_ms*."""
        self._poller.poll(wait_ms)
        for _ in range(HIGH_WATER):
            if not self._judge.poll(0):
                break
            self._answer(self._judge.recv_multipart())
        while self._monitor.poll(0):
            self._note(int(recv_monitor_message(self._monitor)["value"]))

    def messages(self) -> Iterator[tuple[str, list[bytes]]]:
        """What has come, with the public key of who sent it; a bounded number."""
        for _ in range(HIGH_WATER):
            try:
                parts = self._inlet.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            yield str(parts[0].get("User-Id")), [part.bytes for part in parts]

    def turned_away(self) -> list[str]:
        """One line for each that was refused since the last call."""
        told, self._turned_away = self._turned_away, []
        return told

    def close(self) -> None:
        """Stop listening."""
        self._inlet.disable_monitor()
        for one in (self._monitor, self._inlet, self._judge):
            one.close(0)
        self._context.term()

    def _guard(self, pair: Pair) -> None:
        inlet = self._inlet
        inlet.setsockopt(zmq.LINGER, 0)
        inlet.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        inlet.setsockopt(zmq.RCVHWM, HIGH_WATER)
        inlet.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        inlet.setsockopt(zmq.CURVE_SERVER, 1)
        inlet.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)
        inlet.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)

    def _answer(self, request: list[bytes]) -> None:
        """Say yes to an allowed key, and no to everything else."""
        if len(request) != 9:
            return
        who, _, version, number, domain, address, _, mechanism, key = request
        name = self._allowed().get(key.hex(), "") if mechanism == b"CURVE" and domain == DOMAIN else ""
        if not name:
            where, shown = address.decode("ascii", "replace"), key.hex()
            self._turn_away(f"{where}: its key is not allowed; to let it in: dettui keys allow {shown} NAME")
        verdict = (b"200", b"OK") if name else (b"400", b"not allowed")
        self._judge.send_multipart([who, b"", version, number, *verdict, key.hex().encode() if name else b"", b""])

    def _note(self, failure: int) -> None:
        """A handshake that ended before anybody was asked."""
        if failure == _CRYPTOGRAPHIC:
            self._turn_away("a probe that was given another key than this listener's: see DETTUI_CONNECT there")
        else:
            self._turn_away("a connection that does not speak CURVE")

    def _turn_away(self, line: str) -> None:
        if line not in self._turned_away:
            self._turned_away.append(line)


def explicit_address(host: str) -> str:
    """The numeric address of *host*, as an endpoint spells it.  Raises BadUsage for an unknown or unspecified one."""
    try:
        found = sockets.getaddrinfo(host.strip("[]"), None, type=sockets.SOCK_STREAM)[0][4][0]
        address = ipaddress.ip_address(found)
    except (OSError, ValueError) as error:
        raise BadUsage(f"{host!r} is no address of this machine") from error
    if address.is_unspecified:
        raise BadUsage("say on which address to listen: every interface at once is never opened")
    return f"[{address}]" if address.version == 6 else str(address)
