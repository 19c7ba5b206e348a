"""The whole way: a script logs a run, the dashboard in a real terminal shows it, is left, and the script goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live.patience import PATIENCE_S, until

TRAINING = """
import sys
import dettui_probe as probe

with probe.init(name="toy detector", total_steps=1000) as run:
    for step in range(1000):
        run.log(step, **{"loss/total": 1.0 / (1 + step), "lr/pg0": 0.01})
        if step == 20:
            print("logging", flush=True)
            sys.stdin.readline()
print("trained to the end", flush=True)
"""


class Terminal:
    """The master side of a pseudo-terminal of 80 x 24 with a program in it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.seen = ""

    def read_until(self, pattern: str) -> None:
        """Read what the program draws until *pattern* is in it."""
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen[-2000:]!r}"
            self._read(0.2)

    def bytes_within(self, seconds: float) -> int:
        """How many bytes the program sends in the next *seconds*."""
        before, deadline = len(self.seen), time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read(0.1)
        return len(self.seen) - before

    def type(self, keys: str) -> None:
        """Press *keys*."""
        os.write(self._master, keys.encode())

    def exit_code(self) -> int:
        """Wait for the end, taking in what is still drawn."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        return self.process.wait(timeout=1)

    def close(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self, wait_s: float) -> None:
        if select.select([self._master], [], [], wait_s)[0]:
            try:
                self.seen += os.read(self._master, 65536).decode(errors="replace")
            except OSError:  # the program has closed its side
                time.sleep(wait_s)


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("h")
    return {
        **os.environ,
        "DETTUI_HOME": str(home),
        "DETTUI_RUNS": str(home / "runs"),
        "TERM": "xterm-256color",
    }


@contextmanager
def training(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A script that has logged twenty steps and waits for a line before it goes on."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "logging\n"
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def dashboard(environment: dict[str, str]) -> Iterator[Terminal]:
    terminal = Terminal([sys.executable, "-c", "from dettui.cli import main; raise SystemExit(main())"], environment)
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_live_run_is_shown_and_leaving_the_dashboard_does_not_touch_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with training(environment, tmp_path) as run, dashboard(environment) as terminal:
        terminal.read_until("toy detector")
        terminal.read_until("loss")
        terminal.type("q")
        assert terminal.exit_code() == 0
        assert "Traceback" not in terminal.seen
        out, _ = run.communicate("go on\n", timeout=PATIENCE_S)
        assert out == "trained to the end\n"
        assert run.returncode == 0


def test_a_finished_run_stands_still_and_sends_no_byte(environment: dict[str, str], tmp_path: Path) -> None:
    with training(environment, tmp_path) as run:
        run.communicate("go on\n", timeout=PATIENCE_S)
        with dashboard(environment) as terminal:
            terminal.read_until("finished")
            until(lambda: terminal.bytes_within(3.0) == 0)
            terminal.type("q")
            assert terminal.exit_code() == 0
