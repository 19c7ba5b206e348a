"""The agent's sockets and its loop.  One thread owns everything."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import zmq

from dettui.feed.agent import protocol
from dettui.feed.agent.post import Post
from dettui.feed.agent.runs import Runs
from dettui.feed.agent.session import Portion, Session

IDLE_S = 30.0
"""Without a question from any viewer, the agent goes."""
WATCHED_TICK_MS = 25
UNWATCHED_TICK_MS = 250
GATHER_S = 0.02
"""Least time between two replies to one viewer: news gather meanwhile, and many runs make no more messages.
It does not hold back a viewer that is catching up."""
OWNERSHIP_S = 5.0
_MOST_MESSAGES = 1_000
"""Taken from the probes before anything else gets a turn."""


@dataclass
class _Viewer:
    """One viewer and its open question."""

    session: Session
    asked_at: float
    budget: int | None = None  # of the question that waits; None where none does
    replied_at: float = 0.0


class Service:
    """Serves viewers until none has asked for *idle_s* seconds, or until its files are taken away."""

    def __init__(self, home: Path, post: Post, idle_s: float = IDLE_S) -> None:
        self._post = post
        self._runs = Runs(home)
        self._idle_s = idle_s
        self._viewers: dict[bytes, _Viewer] = {}
        self._poller = zmq.Poller()
        self._poller.register(post.inlet, zmq.POLLIN)
        self._poller.register(post.query, zmq.POLLIN)
        self.stopping = False

    def run(self) -> None:
        """Work until there is nobody to work for."""
        asked_at = check_at = time.monotonic()
        while not self.stopping and time.monotonic() - asked_at < self._idle_s:
            self._poller.poll(WATCHED_TICK_MS if self._is_asked() else UNWATCHED_TICK_MS)
            now = time.monotonic()
            self._take_frames(now)
            if self._take_requests(now) or self._is_asked():
                asked_at = now
            self._runs.pump(now, time.time(), self._asked_for())
            self._answer(now)
            if now >= check_at:
                check_at = now + OWNERSHIP_S
                self.stopping = self.stopping or not self._post.is_ours()

    def close(self) -> None:
        """Let go of logs and sockets, and remove our files."""
        self._runs.close()
        self._post.close()

    def _is_asked(self) -> bool:
        return any(viewer.budget is not None for viewer in self._viewers.values())

    def _asked_for(self) -> set[str]:
        return {run for viewer in self._viewers.values() for run in viewer.session.runs}

    def _take_frames(self, now: float) -> None:
        for _ in range(_MOST_MESSAGES):
            try:
                parts = self._post.inlet.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._runs.take(parts, now)

    def _take_requests(self, now: float) -> bool:
        """Take in what viewers ask; True where one did."""
        taken = False
        for _ in range(_MOST_MESSAGES):
            try:
                parts = self._post.query.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            request = protocol.request_of(parts[1]) if len(parts) == 2 else None
            if request is not None:
                taken = True
                self._take_request(parts[0], request, now)
        return taken

    def _take_request(self, who: bytes, request: protocol.Request, now: float) -> None:
        if isinstance(request, protocol.Open):
            self._open(who, request, now)
            return
        viewer = self._viewers.get(who)
        if viewer is None:
            self._reply(who, protocol.Refused("no such session"))
            return
        viewer.asked_at = now
        viewer.budget = max(1, min(request.budget, protocol.MAX_BUDGET))

    def _open(self, who: bytes, request: protocol.Open, now: float) -> None:
        self._drop(who)
        if request.version != protocol.VERSION:
            self._reply(
                who, protocol.Refused(f"the agent (pid {os.getpid()}) speaks protocol {protocol.VERSION}: end it first")
            )
            return
        have = {(strand.run, strand.boot, strand.rank): strand.seq for strand in request.have}
        self._viewers[who] = _Viewer(Session(request.runs, have), now)
        self._reply(who, protocol.Opened(protocol.VERSION, os.getpid()))

    def _answer(self, now: float) -> None:
        """Answer the questions for which there are news, or which have waited long enough; forget silent viewers."""
        for who, viewer in list(self._viewers.items()):
            if viewer.budget is None:
                if now - viewer.asked_at > self._idle_s:
                    self._drop(who)
            elif now - viewer.replied_at >= GATHER_S:
                self._answer_one(who, viewer, viewer.budget, now)

    def _answer_one(self, who: bytes, viewer: _Viewer, budget: int, now: float) -> None:
        portions = viewer.session.portions(self._runs.strands(), budget)
        if portions or now - viewer.asked_at >= protocol.PARK_S:
            is_catching_up = 2 * sum(len(portion.data) for portion in portions) > budget
            viewer.budget = None
            viewer.replied_at = 0.0 if is_catching_up else now
            self._reply(who, protocol.News([_on_the_wire(portion) for portion in portions]))

    def _reply(self, who: bytes, reply: protocol.Reply) -> None:
        """Send *reply*; a viewer that has gone, or takes nothing, loses its session."""
        try:
            self._post.query.send_multipart([who, protocol.encode(reply)], zmq.NOBLOCK)
        except zmq.ZMQError:
            self._drop(who)

    def _drop(self, who: bytes) -> None:
        viewer = self._viewers.pop(who, None)
        if viewer is not None:
            viewer.session.close()


def _on_the_wire(portion: Portion) -> protocol.Portion:
    run, boot, rank = portion.key
    life = portion.liveness
    state = None if life is None else protocol.State(life.state.value, life.reason, life.exit_code)
    return protocol.Portion(run, boot, rank, portion.data, state)
