"""The agent's sockets and its loop.  One thread owns everything."""

from __future__ import annotations

import time
from pathlib import Path

import zmq

from dettui.feed.agent import protocol
from dettui.feed.agent.post import Post
from dettui.feed.agent.runs import Runs
from dettui.feed.agent.viewer import Viewer, greeted

IDLE_S = 30.0
"""Without a question from any viewer, the agent goes."""
TOGETHER_S = 0.02
"""Frames of many runs are let gather: 64 of them send 1,300 a second, and waking for each cost a third of the agent."""
WATCHED_TICK_MS = 25
UNWATCHED_TICK_MS = 250
OWNERSHIP_S = 5.0
_MOST_MESSAGES = 1_000
"""Taken from the probes before anything else gets a turn."""


class Service:
    """Serves viewers until none has asked for *idle_s* seconds, or until its files are taken away."""

    def __init__(self, home: Path, post: Post, idle_s: float = IDLE_S) -> None:
        self._post = post
        self._runs = Runs(home)
        self._idle_s = idle_s
        self._viewers: dict[bytes, Viewer] = {}
        self._poller = zmq.Poller()
        self._poller.register(post.inlet, zmq.POLLIN)
        self._poller.register(post.query, zmq.POLLIN)
        self.stopping = False

    def run(self) -> None:
        """Work until there is nobody to work for."""
        asked_at = check_at = time.monotonic()
        while not self.stopping and time.monotonic() - asked_at < self._idle_s:
            self._poller.poll(WATCHED_TICK_MS if self._is_asked() else UNWATCHED_TICK_MS)
            if self._runs.are_many:
                time.sleep(TOGETHER_S)
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
        return any(viewer.is_asking for viewer in self._viewers.values())

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
        viewer.ask(request, now, time.time())

    def _open(self, who: bytes, request: protocol.Open, now: float) -> None:
        self._drop(who)
        reply = greeted(request)
        if isinstance(reply, protocol.Opened):
            self._viewers[who] = Viewer(request, now)
        self._reply(who, reply)

    def _answer(self, now: float) -> None:
        """Answer the questions for which there are news, or which have waited long enough; forget silent viewers."""
        for who, viewer in list(self._viewers.items()):
            news = viewer.answer(self._runs.strands(), now)
            if news is not None:
                self._reply(who, viewer.stamped(news, time.monotonic()))
            elif not viewer.is_asking and now - viewer.asked_at > self._idle_s:
                self._drop(who)

    def _reply(self, who: bytes, reply: protocol.Reply) -> None:
        """Send *reply*; a viewer that has gone, or takes nothing, loses its session."""
        try:
            self._post.query.send_multipart([who, protocol.encode(reply)], zmq.NOBLOCK)
        except zmq.ZMQError:
            self._drop(who)

    def _drop(self, who: bytes) -> None:
        viewer = self._viewers.pop(who, None)
        if viewer is not None:
            viewer.close()
