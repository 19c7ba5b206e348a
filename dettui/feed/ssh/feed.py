"""A feed that asks the agent of another host, over one ssh; it calls again where the link was lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dettui.domain.link import Link, LinkState
from dettui.feed.agent import protocol
from dettui.feed.agent.stream import Assembler, cut
from dettui.feed.base import Arrival
from dettui.feed.dialogue import Dialogue
from dettui.feed.ssh.advice import Failure, advise
from dettui.feed.ssh.backoff import Backoff
from dettui.feed.ssh.bundle import program
from dettui.feed.ssh.channel import Channel
from dettui.feed.ssh.desk import Desk
from dettui.feed.ssh.pace import Pace
from dettui.feed.ssh.target import HostTarget, Way
from dettui.store.text import clean

_LOOK_S = 0.1
"""Between two looks at the clock while nothing comes."""
_SAID_BYTES = 2_000


@dataclass(frozen=True)
class LinkPolicy:
    """When silence means something.  Every question is answered within a second and the way back."""

    lost_s: float = 4.0  # without an answer the link is called lost, and may still come back
    hang_up_s: float = 15.0  # it is given up; ssh's own keep-alives take as long
    connect_s: float = 60.0  # to connect and to start the agent, while no question waits for the user
    told_every_s: float = 1.0  # figures of a link that is well


@dataclass
class _Call:
    """One connection, from the dialling to its end."""

    channel: Channel
    began: float  # monotonic, as all here
    assembler: Assembler
    pace: Pace
    is_open: bool = False  # the agent has answered
    asked: float | None = None  # when the open question left
    asked_wall: float = 0.0
    heard: float = 0.0  # when the last answer came
    said: bytes = b""  # what came before the agent's first word
    complained: int = 0  # bytes on stderr before the agent answered: what was wrong then is no reason of the end


class SshFeed:
    """Every run of one host, or some of them.  Used by one thread, but for ``log_in``."""

    def __init__(
        self,
        target: HostTarget,
        way: Way,
        runs: Sequence[str] = (),
        desk: Desk | None = None,
        *,
        is_exact: bool = False,
        policy: LinkPolicy | None = None,
    ) -> None:
        """Watch *runs* (see ``agent.protocol.Open``) of *target*; what ssh asks goes to *desk*, and is refused where
        there is none.  *is_exact*: nothing is thinned, however long it takes."""
        self.target = target
        self._way = way
        self._desk = desk
        self._is_exact = is_exact
        self._policy = policy or LinkPolicy()
        self._dialogue = Dialogue(runs)
        self._backoff = Backoff()
        self._call: _Call | None = None
        self._call_at = time.monotonic()
        self._may_ask = desk is not None  # the next call may ask the user
        self._alone = False  # the next call uses no connection that is there already: one hung
        self._login_wanted = threading.Event()
        self._is_closed = False
        self._is_behind = True  # more waits there than what has come
        self.link = Link(target.text, LinkState.CONNECTING, time.time(), f"connecting to {target.text}")
        self._told: Link | None = None
        self._told_at = 0.0

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """What the host has, as soon as it has some, and how the link is; empty after *wait_s*."""
        deadline = time.monotonic() + wait_s
        while not self._is_closed:
            left_s = deadline - time.monotonic()
            arrivals = [*self._exchange(min(max(left_s, 0.0), _LOOK_S)), *self._news_of_link()]
            if arrivals or left_s <= 0:
                return arrivals
        return ()

    @property
    def is_pending(self) -> bool:
        """True while it is not known whether the host can be reached, or not everything it knows now has come."""
        return self.link.state is LinkState.CONNECTING or (self.link.state is LinkState.UP and self._is_behind)

    def log_in(self) -> None:
        """Call again now, and ask the user where ssh asks.  From any thread."""
        self._login_wanted.set()

    def exhausted(self) -> bool:
        """True only once it was closed: a run may start at any time."""
        return self._is_closed

    def close(self) -> None:
        """Hang up; the agent there ends with the connection."""
        self._is_closed = True
        self._hang_up()

    # --- calling ----------------------------------------------------------------------------------------------

    def _exchange(self, wait_s: float) -> Sequence[Arrival]:
        now = time.monotonic()
        if self._login_wanted.is_set() and self.link.state is not LinkState.UP:
            self._login_wanted.clear()
            self._hang_up()
            self._may_ask, self._call_at = self._desk is not None, now
        if self._call is None:
            if self.link.state in (LinkState.NEEDS_LOGIN, LinkState.FAILED) and now < self._call_at:
                time.sleep(wait_s)
            elif now < self._call_at:
                time.sleep(min(wait_s, self._call_at - now))
            else:
                self._dial(now)
            return ()
        return self._listen(self._call, wait_s)

    def _dial(self, now: float) -> None:
        """Start the process that connects, and send the agent and the first question ahead."""
        asks, self._may_ask = self._may_ask and self._desk is not None, False
        environment = {**os.environ}
        if self._desk is not None and asks:
            self._desk.begin(self.target.text)
            environment |= self._desk.environment(self.target.text)
        try:
            channel = Channel(self.target.command(self._way, batch=not asks, alone=self._alone), environment)
        except OSError as error:
            self._fail(Failure(LinkState.FAILED, f"{self._way.ssh[0]} cannot be started: {error.strerror}"), now)
            return
        self._alone = False
        self._call = _Call(channel, now, Assembler(protocol.MAX_MESSAGE), Pace(), heard=now)
        channel.send(program() + cut(protocol.encode(self._dialogue.opening())))

    def _listen(self, call: _Call, wait_s: float) -> Sequence[Arrival]:
        heard = call.channel.receive(wait_s)
        if heard is None:
            self._ended(call)
            return ()
        arrivals: list[Arrival] = []
        if heard.data and call.is_open:
            call.heard = heard.at  # a long answer on its way is no silence
        if not call.is_open:
            call.said = (call.said + heard.data)[:_SAID_BYTES]
        for message in call.assembler.feed(heard.data):
            arrivals += self._hear(call, message, heard.at)
            if self._call is not call:
                return arrivals
        if not heard.data:  # what waited to be read is no silence, however long it did
            self._mind_silence(call)
        return arrivals

    def _hear(self, call: _Call, message: bytes, at: float) -> Sequence[Arrival]:
        """Take in one answer, of which the last came *at*."""
        reply = protocol.reply_of(message)
        if isinstance(reply, protocol.News) and call.asked is not None:
            call.pace.note(call.asked_wall, at - call.asked, reply.received, reply.sent, len(message))
            self._is_behind = reply.waiting > 0
            if not self._is_behind:
                call.pace.caught_up()
            self._turn(LinkState.UP)
            self._ask(call)
            return [replace(arrival, host=self.target.text) for arrival in self._dialogue.arrivals(reply)]
        if isinstance(reply, protocol.Opened):
            call.is_open, call.heard = True, at
            call.complained = call.channel.complained
            self._backoff.succeeded()
            self._turn(LinkState.UP)
            self._ask(call)
        elif isinstance(reply, protocol.Refused):
            self._fail(Failure(LinkState.FAILED, f"{self.target.text}: {clean(reply.text)}"), time.monotonic())
        return ()

    def _ask(self, call: _Call) -> None:
        question = call.pace.question()
        if self._is_exact:
            question = question._replace(patience=0)
        call.asked, call.asked_wall = time.monotonic(), time.time()
        call.channel.send(cut(protocol.encode(question)))

    # --- how the link is --------------------------------------------------------------------------------------

    def _mind_silence(self, call: _Call) -> None:
        now, policy, host = time.monotonic(), self._policy, self.target.text
        if not call.is_open:
            if self._desk is not None and self._desk.is_asking(host):
                call.began = now
            elif now - call.began > policy.connect_s:
                self._alone = True
                self._fail(Failure(LinkState.LOST, f"{host} did not answer in {policy.connect_s:.0f} s"), now)
            return
        silent_s = now - max(call.heard, call.asked or 0.0)
        if silent_s > policy.hang_up_s:
            self._alone = True
            self._fail(Failure(LinkState.LOST, f"{host} does not answer any more"), now)
        elif silent_s > policy.lost_s:
            self._turn(LinkState.LOST, f"{host} does not answer", since=time.time() - silent_s)

    def _ended(self, call: _Call) -> None:
        exit_code = call.channel.wait()
        complaints = call.channel.complaints(call.complained)
        said = "" if call.is_open else call.said.decode("utf-8", "replace")
        self._fail(advise(self.target.text, complaints, exit_code, said), time.monotonic())

    def _fail(self, failure: Failure, now: float) -> None:
        """The call has failed: try again later, or wait for the user."""
        since = time.time() - (now - self._call.heard) if self._call and self._call.is_open else None
        self._hang_up()
        wait_s = self._backoff.failed()
        is_tried_again = failure.state is LinkState.LOST
        self._call_at = now + wait_s if is_tried_again else float("inf")
        retry_at = time.time() + wait_s if is_tried_again else None
        self._turn(failure.state, failure.text, since=since, retry_at=retry_at)

    def _hang_up(self) -> None:
        if self._call is not None:
            self._call.channel.close()
            self._call = None

    def _turn(
        self, state: LinkState, text: str = "", *, since: float | None = None, retry_at: float | None = None
    ) -> None:
        """The link is in *state* now."""
        if state is not self.link.state:
            # What was lost stays lost since its last answer, however often it is called again.
            stays_down = state.is_down and self.link.state.is_down
            began = self.link.since if stays_down else since if since is not None else time.time()
            self.link = replace(self.link, state=state, since=began)
        self.link = replace(self.link, text=text, retry_at=retry_at)

    def _news_of_link(self) -> Sequence[Arrival]:
        """The link, where it changed; its figures only now and then."""
        now, link = time.monotonic(), self.link
        if self._call is not None and self._call.is_open:
            pace = self._call.pace
            link = replace(
                link,
                clock_offset_s=pace.clock_offset_s,
                round_trip_s=pace.round_trip_s,
                bytes_per_s=pace.bytes_per_s,
            )
        self.link = link
        told = self._told
        if told is not None and (link == told or (_gist(link) == _gist(told) and now - self._told_at < 1.0)):
            return ()
        self._told, self._told_at = link, now
        return (Arrival("", "", 0, host=self.target.text, link=link),)


def _gist(link: Link) -> tuple[LinkState, str, float | None]:
    return link.state, link.text, link.retry_at
