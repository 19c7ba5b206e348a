"""The agent on its standard input and output: what a viewer talks to at the other end of ssh.

It reads logs only, serves one viewer, and ends with its input: nothing is left behind on the host.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import cast

from dettui.feed.agent import protocol
from dettui.feed.agent.runs import READ_S, Runs
from dettui.feed.agent.stream import Assembler, cut
from dettui.feed.agent.viewer import Viewer, greeted
from dettui_probe.places import runtime_dir

QUIET_S = 120.0
"""Without a question for so long the viewer is gone, though nobody said so: a cable was cut.  It asks every second."""
_UNASKED_S = 0.25
_READ_BYTES = 64 << 10


class StdioService:
    """Serves the viewer at *read* and *write* until it hangs up."""

    def __init__(self, home: Path, read: BufferedReader, write: BufferedWriter, quiet_s: float = QUIET_S) -> None:
        self._home = home
        self._read, self._write = read, write
        self._quiet_s = quiet_s
        self._requests: queue.Queue[tuple[bytes, float, float] | None] = queue.Queue()
        self._runs = Runs(home)
        self._viewer: Viewer | None = None

    def run(self) -> None:
        """Work until the viewer is gone."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        heard_at = time.monotonic()
        while time.monotonic() - heard_at < self._quiet_s:
            is_asked = self._viewer is not None and self._viewer.is_asking
            try:
                heard = self._requests.get(timeout=READ_S if is_asked else _UNASKED_S)
            except queue.Empty:
                pass
            else:
                if heard is None:
                    return
                heard_at = time.monotonic()
                self._take(*heard)
            self._serve()

    def close(self) -> None:
        """Let go of all logs."""
        self._runs.close()
        if self._viewer is not None:
            self._viewer.close()

    def _listen(self) -> None:
        """Pass on what comes in, with the time at which it came."""
        assembler = Assembler(protocol.MAX_MESSAGE)
        while True:
            data = self._read.read1(_READ_BYTES)
            now, wall = time.monotonic(), time.time()
            for message in assembler.feed(data):
                self._requests.put((message, now, wall))
            if not data:
                self._requests.put(None)
                return

    def _take(self, message: bytes, now: float, wall: float) -> None:
        request = protocol.request_of(message)
        if isinstance(request, protocol.Open):
            self._open(request, now)
        elif request is not None and self._viewer is not None:
            self._viewer.ask(request, now, wall)

    def _open(self, request: protocol.Open, now: float) -> None:
        reply = _refusal(self._home) or greeted(request)
        if isinstance(reply, protocol.Opened):
            self._viewer = Viewer(request, now)
        self._reply(reply)

    def _serve(self) -> None:
        if self._viewer is None:
            return
        self._runs.pump(time.monotonic(), time.time(), self._viewer.session.runs)
        news = self._viewer.answer(self._runs.strands(), time.monotonic())
        if news is not None:
            self._reply(self._viewer.stamped(news, time.monotonic()))

    def _reply(self, reply: protocol.Reply) -> None:
        self._write.write(cut(protocol.encode(reply)))
        self._write.flush()


def _refusal(home: Path) -> protocol.Refused | None:
    """Why runs cannot be looked for: in /tmp, anybody may have put that directory there first."""
    try:
        status = home.lstat()
    except OSError:
        return None  # no run yet
    if status.st_uid == os.getuid() and home.is_dir() and not home.is_symlink():
        return None
    return protocol.Refused(f"{home} on that host is not a directory of our own: set DETTUI_HOME there")


def main() -> None:
    """Serve the viewer at the other end of ssh."""
    # The input may hold something already: what sent this program has read it through the same buffer.
    read, write = cast(BufferedReader, sys.stdin.buffer), cast(BufferedWriter, sys.stdout.buffer)
    service = StdioService(runtime_dir().absolute(), read, write)
    try:
        os.chdir("/")  # keep no directory busy
        service.run()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        service.close()
