"""A machine from which another host is watched: `dettui` as a process of its own, with a terminal or without."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

from live.patience import PATIENCE_S
from live.ssh.place import OtherHost

ENTRY = "import sys; from dettui.cli import main; sys.exit(main())"


class Place:
    """A machine from which the other host is watched."""

    def __init__(self, host: OtherHost, home: Path) -> None:
        self.cwd = home
        self.environment = {
            **os.environ,
            "DETTUI_HOME": str(home / "h"),
            "DETTUI_RUNS": str(home / "r"),
            "DETTUI_SSH": " ".join(host.way.ssh),
            "COLUMNS": "100",
            "TERM": "xterm-256color",
        }

    def dettui(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", ENTRY, *arguments],
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


class Terminal:
    """`dettui` on a pty, and everything that it has written."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self.written = b""
        self._fd, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, *arguments],
            cwd=place.cwd, env={**place.environment, "LINES": "30"}, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def read_until(self, wanted: bytes) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", self.written):
            assert time.monotonic() < deadline, self.written[-3000:]
            if select.select([self._fd], [], [], 0.5)[0]:
                self.written += os.read(self._fd, 65536)

    def press(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def exit_code(self) -> int:
        while True:
            if select.select([self._fd], [], [], 0.2)[0]:
                try:
                    self.written += os.read(self._fd, 65536)
                except OSError:
                    break
        os.close(self._fd)
        return self._process.wait()
