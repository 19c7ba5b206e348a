"""Starting the local agent."""

from __future__ import annotations

import os
import sys

from dettui_probe.registry import Announcement, announced_agent

START_AGAIN_S = 3.0
"""Between two attempts to start an agent."""


class AgentProcess:
    """Starts agents, not too often, and reaps those that were ours."""

    def __init__(self) -> None:
        self.failure = ""  # why the last one could not be started
        self._children: set[int] = set()
        self._started_at: float | None = None

    def ensure(self, now: float) -> Announcement | None:
        """The agent that listens; None where there is none yet, and then one is being started."""
        self._reap()
        found = announced_agent()
        if found is None:
            self.start(now)
        return found

    def start(self, now: float) -> None:
        """Start an agent, unless that was just done.  Where one already serves, its lock sends the new one away."""
        if self._started_at is not None and now - self._started_at < START_AGAIN_S:
            return
        self._started_at = now
        quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
        command = [sys.executable, "-m", "dettui.feed.agent"]
        # A zmq.py in the directory where the viewer was started is not to be imported (Python 3.11 and later).
        env = {**os.environ, "PYTHONSAFEPATH": "1"}
        try:  # in a session of its own: it outlives this viewer, and Ctrl-C is not for it
            self._children.add(os.posix_spawn(sys.executable, command, env, file_actions=quiet, setsid=True))
        except OSError as error:
            self.failure = f"it cannot be started: {error}"

    def _reap(self) -> None:
        """A child that has gone and is not waited for would look alive."""
        for pid in tuple(self._children):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:  # somebody else waited for it
                ended, status = pid, 0
            if ended:
                self._children.discard(pid)
            if status:
                self.failure = f"it ended, with status {os.waitstatus_to_exitcode(status)}"
