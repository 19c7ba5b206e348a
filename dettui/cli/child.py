"""A training process that the command line starts: where its output goes, and how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dettui.errors import BadUsage, DettuiError
from dettui_probe import identity, places

OUTPUT_NAME = "output.txt"
TAIL_LINES = 12
TAIL_BYTES = 16_384
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}  # what a killed process printed is then in its file


@dataclass
class Child:
    """A training process, and the run that it will announce itself as."""

    run_id: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    output: Path | None  # where its stdout and stderr go; None where they go on to ours

    @property
    def is_over(self) -> bool:
        """True where the process has ended."""
        return self.process.poll() is not None

    def exit_code(self) -> int:
        """Wait for the end; the exit code as a shell gives it (128 + n for signal n)."""
        code = self.process.wait()
        return code if code >= 0 else 128 - code

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last *lines* of the output, "" where there is none or where it was passed on."""
        if self.output is None:
            return ""
        with self.output.open("rb") as file:
            file.seek(max(0, self.output.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])


def fresh_run_id(asked: str | None, script: str) -> str:
    """An id that no run in the directory of logs has: the one *asked* for where it is free."""
    if asked and not (places.runs_dir() / identity.slug(asked)).exists():
        return identity.slug(asked)
    return identity.run_name({}, asked or Path(script).stem, 1, places.runs_dir()).id


def start_behind_dashboard(command: Sequence[str], run_id: str) -> Child:
    """Start *command* with its output in a file, in a session of its own: it outlives the dashboard and the terminal.

    Raises BadUsage where there is no such command, DettuiError where nothing can be written.
    """
    path = _output_path(run_id)
    with path.open("wb") as output:
        process = _popen(command, run_id, stdout=output, stderr=output, own_session=True)
    return Child(run_id, tuple(command), process, path)


def start_in_front(command: Sequence[str], run_id: str, stdout: IO[str] | None = None) -> Child:
    """Start *command* with its output passed on to ours (its stdout to *stdout*), stopped by the same Ctrl-C."""
    sys.stdout.flush()
    return Child(run_id, tuple(command), _popen(command, run_id, stdout=stdout), None)


def _popen(
    command: Sequence[str],
    run_id: str,
    *,
    stdout: IO[bytes] | IO[str] | None = None,
    stderr: IO[bytes] | None = None,
    own_session: bool = False,
) -> subprocess.Popen[bytes]:
    environment = {**(UNBUFFERED if own_session else {}), **os.environ, "DETTUI_RUN": run_id}
    try:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL if own_session else None,
            stdout=stdout,
            stderr=stderr,
            start_new_session=own_session,
        )
    except OSError as error:
        raise BadUsage(f"cannot start {command[0]!r}: {(error.strerror or str(error)).lower()}") from error


def _output_path(run_id: str) -> Path:
    """A file beside the log of the run, in the first directory that can be written."""
    for parent in (places.runs_dir(), places.runtime_dir() / "runs"):
        path = parent / run_id / OUTPUT_NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError:
            continue
        return path
    raise DettuiError(f"cannot write to {places.runs_dir()}; set DETTUI_RUNS to a directory that can be written")
