"""A feed that asks the local agent, and starts another one where it has gone."""

from __future__ import annotations

import time
from collections.abc import Sequence

import zmq

from dettui.feed.agent import protocol
from dettui.feed.agent.service import IDLE_S
from dettui.feed.agent_process import AgentProcess
from dettui.feed.base import Arrival
from dettui.feed.dialogue import Dialogue
from dettui.feed.listen.notes import NoteReader
from dettui.store.text import clean

ANSWER_S = protocol.PARK_S + 2.0
"""Without an answer for so long, the agent is given up for dead or stuck."""
GATHER_S = 0.1
"""News of so long come at once: nobody sees more than ten frames a second, and 64 runs made 1,300 pieces of them."""
LEAST_GATHER_S = 0.05
SOONEST_S, LATEST_S = 0.01, 0.06
"""How long before they are due news are asked for: as long as the agent took lately, within these."""
MUCH_BYTES = 64 << 10
"""Where so much more waits already, we are behind, and nothing is gathered."""
REFUSED_S = 1.0
"""Between two attempts after the agent has refused us."""


class LocalFeed:
    """Every run of this host, or some of them.  Resumes behind the last frame that it got, whatever dies meanwhile."""

    def __init__(self, runs: Sequence[str] = (), budget: int = protocol.MAX_BUDGET) -> None:
        """Watch *runs* (ids; none: all); *budget* bounds the bytes of one answer."""
        self._dialogue = Dialogue(runs)
        self._budget = budget
        self._agents = AgentProcess()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._endpoint = ""
        self._asked_at = 0.0
        self._is_asked = False  # a question waits for its answer
        self._answer_s = 0.03  # that answers took lately
        self._connect_at = 0.0
        self._notes = NoteReader()
        self.refusal = ""  # what the agent said, or the socket, where it does not serve us
        self.is_connected = False  # True once the agent has answered on this connection

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """What the agent has; empty after *wait_s*, or while there is no agent.

        It is asked shortly before *wait_s* is over, so that what it answers is as new as can be, and no piece of it
        wakes anybody before it is looked at; but no later than GATHER_S after the last time.
        """
        if self._context.closed:
            return ()
        deadline = time.monotonic() + wait_s
        notes = self._notes.news(time.monotonic())
        if notes:
            return notes
        while True:
            arrivals = self._exchange(max(0.0, deadline - time.monotonic()))
            if arrivals or time.monotonic() >= deadline:
                return arrivals

    def connect(self, wait_s: float) -> None:
        """Wait at most *wait_s* for the agent's first answer; brings no news."""
        if self._socket is None and not self._connect():
            time.sleep(wait_s)
        elif self._socket is not None and self._socket.poll(round(1000 * wait_s), zmq.POLLIN):
            self._hear(self._socket, protocol.reply_of(self._socket.recv()))

    def exhausted(self) -> bool:
        """Never: a run may start at any time."""
        return False

    def close(self) -> None:
        """Let go of the agent, which goes by itself when nobody else asks."""
        self._disconnect()
        self._context.term()

    def _exchange(self, wait_s: float) -> Sequence[Arrival]:
        """One look at the socket; connects where there is none."""
        if self._socket is None and not self._connect():
            time.sleep(min(wait_s, 0.05))
            return ()
        deadline = time.monotonic() + wait_s
        socket = self._socket
        if socket is not None and self.is_connected and not self._is_asked:
            if not self._gather(deadline):
                return ()
            self._ask(socket)
        left_s = max(0.0, deadline - time.monotonic())
        if self._socket is None or socket is None or not socket.poll(round(1000 * min(left_s, ANSWER_S)), zmq.POLLIN):
            self._give_up_if_dead()
            return ()
        return self._hear(socket, protocol.reply_of(socket.recv()))

    def _hear(self, socket: zmq.Socket[bytes], reply: protocol.Reply | None) -> Sequence[Arrival]:
        if isinstance(reply, protocol.News):
            self._is_asked = False
            self._note_answer(time.monotonic() - self._asked_at)
            if reply.waiting > MUCH_BYTES:
                self._ask(socket)  # they are put together while these are looked at
            return self._dialogue.arrivals(reply)
        if isinstance(reply, protocol.Opened):
            self.is_connected, self.refusal = True, ""
            self._ask(socket)
        else:
            self.refusal = clean(reply.text) if isinstance(reply, protocol.Refused) else "the agent speaks no protocol"
            self._disconnect()
        return ()

    def _gather(self, deadline: float) -> bool:
        """Rest until it is time to ask; False where that is not before *deadline*."""
        latest = min(deadline - self._answer_s, self._asked_at + GATHER_S)
        ask_at = max(latest, self._asked_at + LEAST_GATHER_S)
        time.sleep(max(0.0, min(ask_at, deadline) - time.monotonic()))
        return ask_at <= deadline

    def _note_answer(self, took_s: float) -> None:
        """A late answer costs a frame, an early one a few milliseconds of age: the longer ones count for more."""
        if took_s < GATHER_S:  # else there was nothing to tell
            share = 0.5 if took_s > self._answer_s else 0.05
            self._answer_s = min(max(self._answer_s + share * (took_s - self._answer_s), SOONEST_S), LATEST_S)

    def _connect(self) -> bool:
        """Connect to the agent that is announced and open a session; False where there is none yet."""
        now = time.monotonic()
        agent = self._agents.ensure(now)
        if agent is None:
            self.refusal = self._agents.failure or self.refusal
        if agent is None or now < self._connect_at:
            return False
        self._connect_at = now + REFUSED_S
        if agent.version[1] != protocol.VERSION:
            self.refusal = f"the one that runs (pid {agent.pid}) is of another version: end it, or wait {IDLE_S:.0f} s"
            return False
        self._endpoint = agent.query
        try:
            self._socket = self._dealer(agent.query)
            self._send(self._socket, self._dialogue.opening())
        except zmq.ZMQError as error:
            self.refusal = f"{clean(agent.query)}: {error}"
            self._disconnect()
        return self._socket is not None

    def _dealer(self, endpoint: str) -> zmq.Socket[bytes]:
        """A socket that is connected to *endpoint*.  Raises ZMQError, also where that is not a local one."""
        if not endpoint.startswith("ipc://"):
            raise zmq.ZMQError(zmq.EPROTONOSUPPORT)
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_MESSAGE)
        dealer.connect(endpoint)
        return dealer

    def _ask(self, socket: zmq.Socket[bytes]) -> None:
        try:
            self._send(socket, protocol.Next(self._budget))
        except zmq.ZMQError:
            self._disconnect()

    def _send(self, socket: zmq.Socket[bytes], request: protocol.Request) -> None:
        self._asked_at, self._is_asked = time.monotonic(), True
        socket.send(protocol.encode(request), zmq.NOBLOCK)

    def _give_up_if_dead(self) -> None:
        now = time.monotonic()
        agent = self._agents.ensure(now)
        if agent is None or agent.query != self._endpoint:
            self._disconnect()
        elif now - self._asked_at > ANSWER_S:
            self._disconnect()
            self._agents.start(now)

    def _disconnect(self) -> None:
        self.is_connected = self._is_asked = False
        if self._socket is not None:
            self._socket.close(0)
            self._socket = None
