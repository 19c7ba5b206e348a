"""feed -> store -> detect -> diagnose -> Frame.  Headless; owns cadence and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from dettui.domain.frame import Frame, RunFrame
from dettui.feed.base import Feed


class Engine:
    """Reads one feed and makes frames.  Used by one thread.

    Evaluation happens while messages are taken in, at steps that depend on nothing but the step number, so that a
    live run and its recording give the same findings, and stepping back to step t shows what was known at t.
    """

    def __init__(self, feed: Feed, clock: Callable[[], float] = time.time) -> None:
        raise NotImplementedError

    def pump(self, wait_s: float = 0.0) -> bool:
        """Take in what the feed has; True where anything came."""
        raise NotImplementedError

    def frame(self) -> Frame:
        """The picture as of now."""
        raise NotImplementedError


def replay(feed: Feed, run: str | None = None, at_step: int | None = None) -> RunFrame:
    """Read *feed* to its end, or to *at_step*, and say what was known then.  Raises NotARun where nothing came."""
    raise NotImplementedError
