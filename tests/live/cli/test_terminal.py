"""`dettui run` on a terminal: the dashboard opens before the script speaks, and leaving it leaves the script alone."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

import pytest
from live.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.live.cli.conftest import Place


class Terminal:
    """A process on a pty, and everything that it has written."""

    def __init__(self, place: Place, *arguments: str, stderr: IO[bytes] | None = None) -> None:
        self.written = b""
        self._fd, theirs = pty.openpty()
        entry = "import sys; from dettui.cli import main; sys.exit(main())"
        self._process = subprocess.Popen(
            [sys.executable, "-c", entry, *arguments],
            cwd=place.cwd,
            env={**place.environment, "TERM": "xterm-256color", "LINES": "24"},
            stdin=theirs,
            stdout=theirs,
            stderr=stderr or theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def read_until(self, wanted: bytes) -> None:
        """Read until *wanted* was written."""
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in self.written:
            assert time.monotonic() < deadline, self.written[-2000:]
            self._read()

    def press(self, key: bytes) -> None:
        os.write(self._fd, key)

    def exit_code(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self._fd)
        return self._process.wait()

    def _read(self) -> bool:
        if not select.select([self._fd], [], [], 1.0)[0]:
            return True
        try:
            new = os.read(self._fd, 65536)
        except OSError:  # Linux says EIO once the other end is gone
            return False
        self.written += new
        return bool(new)


def test_leaving_the_dashboard_leaves_the_training_alone(place: Place) -> None:
    place.script("wait.py", "import time\ntime.sleep(600)\n")
    terminal = Terminal(place, "run", "--name", "patient", sys.executable, "wait.py")
    terminal.read_until(b"patient")
    terminal.press(b"q")
    assert terminal.exit_code() == 0
    found = re.search(rb"patient goes on \(pid (\d+)\)", terminal.written)
    assert found is not None
    os.kill(int(found[1]), signal.SIGKILL)  # raises where it is gone


def test_a_script_that_fails_before_the_first_step_shows_the_end_of_its_output(place: Place) -> None:
    place.script("boom.py", "raise RuntimeError('out of luck')\n")
    terminal = Terminal(place, "run", "--name", "unlucky", sys.executable, "boom.py")
    terminal.read_until(b"CRASHED")
    terminal.press(b"q")
    assert terminal.exit_code() == 1
    assert b"ended with exit code 1" in terminal.written
    assert b"RuntimeError: out of luck" in terminal.written


@pytest.mark.parametrize("option", ["--ascii", "--light"])
def test_the_dashboard_opens_in_every_look(place: Place, option: str) -> None:
    place.record()
    terminal = Terminal(place, "recorded", option)
    terminal.read_until(b"recorded")
    terminal.press(b"q")
    assert terminal.exit_code() == 0


def test_the_dashboard_is_seen_where_stderr_goes_to_a_file(place: Place) -> None:
    place.record()
    with (place.cwd / "log").open("wb") as log:
        terminal = Terminal(place, "recorded", stderr=log)
        terminal.read_until(b"recorded")
        terminal.press(b"q")
        assert terminal.exit_code() == 0
    assert (place.cwd / "log").read_bytes() == b""
