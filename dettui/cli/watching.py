"""Watching a training process that we started: behind the dashboard, or in front of a pipe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dettui.cli.child import Child
from dettui.cli.show import open_dashboard, print_diagnosis
from dettui.domain.run import Liveness, RunState
from dettui.errors import RunNotFound
from dettui.feed.base import Arrival, Feed
from dettui.feed.opening import open_local


class ChildFeed:
    """*feed*, which brings one child's run, and how the child fares until its probe speaks up."""

    def __init__(self, feed: Feed, child: Child) -> None:
        self._feed = feed
        self._child = child
        self._has_spoken = False
        self._told: Liveness | None = None

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """What came of the child's run, or a change in how its process fares."""
        arrivals = self._feed.poll(wait_s)
        self._has_spoken = self._has_spoken or any(arrival.run for arrival in arrivals)  # others tell of links
        return arrivals if self._has_spoken else (*arrivals, *self._news())

    def exhausted(self) -> bool:
        """False: the dashboard stays until it is left."""
        return self._feed.exhausted()

    def close(self) -> None:
        """Let go of the feed; the child is left alone."""
        self._feed.close()

    def _news(self) -> Sequence[Arrival]:
        fares = fares_silently(self._child)
        if fares == self._told:
            return ()
        self._told = fares
        return (Arrival(self._child.run_id, boot="", rank=0, liveness=fares),)


def fares_silently(child: Child) -> Liveness:
    """How *child* fares, of which no probe has spoken yet."""
    if not child.is_over:
        return Liveness(RunState.STARTING, f"started {' '.join(child.command)}")
    code = child.exit_code()
    last_line = child.tail(lines=1) or "it printed nothing"
    if code == 0:
        return Liveness(RunState.FINISHED, "ended without a word from the probe", 0)
    return Liveness(RunState.CRASHED, f"exit code {code} before the first step: {last_line}", code)


def watch_behind_dashboard(child: Child, look: argparse.Namespace) -> int:
    """Show the dashboard on *child* until it is left; the child's exit code, 0 where it goes on without us."""
    open_dashboard(ChildFeed(open_local([child.run_id]), child), child.run_id, look)
    if not child.is_over:
        print(f"{child.run_id} goes on (pid {child.process.pid}); `dettui {child.run_id}` shows it again")
        print(f"its output: {child.output}")
        return 0
    code = child.exit_code()
    if code:
        print(f"dettui: {child.command[0]} ended with exit code {code}; the end of {child.output}:", file=sys.stderr)
        print(child.tail(), file=sys.stderr)
    return code


def watch_in_front(child: Child) -> int:
    """Wait for *child*, then print what doctor says of it; its exit code."""
    code = wait_through_interrupts(child)
    try:
        print_diagnosis(child.run_id)
    except RunNotFound:
        print(f"dettui: {child.run_id} recorded nothing: the probe never got a turn", file=sys.stderr)
    return code


def wait_through_interrupts(child: Child) -> int:
    """The exit code of *child*.  Ctrl-C reached the child as well: it decides what becomes of it."""
    while True:
        try:
            return child.exit_code()
        except KeyboardInterrupt:
            continue
