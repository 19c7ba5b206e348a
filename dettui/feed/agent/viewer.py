"""One viewer and its open question, whatever carries it: when it is answered, and with how much."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dettui.feed.agent import protocol
from dettui.feed.agent.session import Session
from dettui.feed.agent.strand import Strand

GATHER_S = 0.02
"""Least time between two replies to one viewer: news gather meanwhile, and many runs make no more messages.
It does not hold back a viewer that is catching up."""


class Viewer:
    """*now* is monotonic, *wall* seconds since the epoch."""

    def __init__(self, request: protocol.Open, now: float) -> None:
        have = {(strand.run, strand.boot, strand.rank): strand.seq for strand in request.have}
        self.session = Session(request.runs, have)
        self.asked_at = now
        self._received = 0.0  # when the question came, by the clock on the wall
        self._question: protocol.Next | None = None
        self._replied_at = 0.0

    @property
    def is_asking(self) -> bool:
        """True while a question waits for its answer."""
        return self._question is not None

    def ask(self, question: protocol.Next, now: float, wall: float) -> None:
        """Take in *question*; it takes the place of one that still waits."""
        self.asked_at, self._received, self._question = now, wall, question

    def answer(self, strands: Iterable[Strand], now: float) -> protocol.News | None:
        """The answer, once there are news or the question has waited long enough."""
        question = self._question
        if question is None or now - self._replied_at < GATHER_S:
            return None
        budget = max(1, min(question.budget, protocol.MAX_BUDGET))
        portions = self.session.portions(strands, budget, question.patience)
        if not portions and now - self.asked_at < protocol.PARK_S:
            return None
        is_catching_up = 2 * sum(len(portion.data) for portion in portions) > budget
        self._replied_at = 0.0 if is_catching_up else now
        self._question = None
        return protocol.News(tuple(portions), self._received, self._received, self.session.waiting(strands))

    def stamped(self, news: protocol.News, now: float) -> protocol.News:
        """*news* as they leave.  By the clock of the question, so that one that jumps meanwhile makes no delay."""
        return news._replace(sent=news.received + max(now - self.asked_at, 0.0))

    def close(self) -> None:
        """Let go of files."""
        self.session.close()


def greeted(request: protocol.Open) -> protocol.Opened | protocol.Refused:
    """What is said to a viewer that opens a session."""
    if request.version != protocol.VERSION:
        return protocol.Refused(f"the agent (pid {os.getpid()}) speaks protocol {protocol.VERSION}: end it first")
    return protocol.Opened(protocol.VERSION, os.getpid())
