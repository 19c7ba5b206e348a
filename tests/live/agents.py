"""The agent that a test has started, and its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from live.patience import until

from dettui_probe.registry import announced_agent


def end_agent(how: signal.Signals = signal.SIGTERM) -> None:
    """Send *how* to the agent that is announced, if one is, and wait until it has gone."""
    agent = announced_agent()
    if agent is not None and _is_agent(agent.pid):
        os.kill(agent.pid, how)
        until(lambda: not _is_agent(agent.pid))


def _is_agent(pid: int) -> bool:
    """Whether *pid* is an agent that runs: not whatever an announcement names, nor one that nobody has waited for."""
    try:
        return b"dettui.feed.agent" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
