"""``python -m dettui.feed.agent [IDLE_SECONDS]``: started by viewers, goes away by itself."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from dettui.feed.agent.post import Post, take_lock
from dettui.feed.agent.service import IDLE_S, Service
from dettui_probe.places import runtime_dir


def main(idle_s: float = IDLE_S) -> int:
    """Serve until nobody asks; 0 also where another agent already does."""
    home = runtime_dir().absolute()
    if take_lock(home) is None:
        return 0
    os.chdir("/")  # keep no directory of the viewer busy
    serve(home, idle_s)
    return 0


def serve(home: Path, idle_s: float) -> None:
    """Run the service under the lock, and clean up behind it."""
    service = Service(home, Post(home), idle_s)

    def stop(_signal: int, _frame: object) -> None:
        service.stopping = True

    signal.signal(signal.SIGTERM, stop)
    try:
        service.run()
    finally:
        service.close()


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:2])))
