"""One child process that reaches a host, and its pipes."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_READ_BYTES = 256 << 10
_COMPLAINTS_BYTES = 16 << 10
_PARTING_S = 0.5
"""A process whose input has ended goes by itself; one that does not is made to."""


class Heard(NamedTuple):
    """Bytes, and when they came (monotonic)."""

    data: bytes
    at: float


class Channel:
    """An ssh (or srun) of our own, in a session of its own: Ctrl-C is not for it, and it never finds our terminal.

    What it complains of goes to a file that has no name.  Raises OSError where it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=dict(environment),
                start_new_session=True,
                bufsize=0,
            )
        except OSError:
            self._complaints.close()
            raise
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        self._outgoing = bytearray()
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="channel", daemon=True)
        self._reader.start()

    def send(self, data: bytes) -> None:
        """Send *data* as soon as the process takes it; never waits."""
        self._outgoing += data
        self._flush()

    def receive(self, wait_s: float) -> Heard | None:
        """What has come, waiting for at most *wait_s*; None where nothing will come any more."""
        self._flush()
        try:
            heard = self._heard.get(timeout=max(wait_s, 0.0)) if wait_s > 0 else self._heard.get_nowait()
        except queue.Empty:
            return Heard(b"", time.monotonic())
        if not heard.data:
            self._heard.put(heard)  # the end stays the end
            return None
        return heard

    @property
    def complained(self) -> int:
        """Bytes that the process has written to its stderr."""
        return os.fstat(self._complaints.fileno()).st_size

    def complaints(self, since: int = 0) -> str:
        """What the process wrote to its stderr behind the byte *since*, the end of it where it is much."""
        start = max(self.complained - _COMPLAINTS_BYTES, since)
        # The child writes at the same offset as we would read: the file is not to be moved in.
        return os.pread(self._complaints.fileno(), _COMPLAINTS_BYTES, start).decode("utf-8", "replace")

    def close(self) -> int | None:
        """Hang up, and end what does not end by itself; the exit code, None where we had to end it.  Idempotent."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        ended = self._ends_within(_PARTING_S)
        for how in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, how)  # a ProxyCommand as well
                self._ends_within(_PARTING_S)
        self._reader.join(_PARTING_S)  # its pipe has ended, unless a grandchild holds it
        if not self._reader.is_alive():
            self._stdout.close()
        self._complaints.close()
        return self._process.returncode if ended else None

    def wait(self) -> int | None:
        """The exit code, soon after the process has closed its output; None where it lingers."""
        return self._process.returncode if self._ends_within(_PARTING_S) else None

    def _read(self) -> None:
        """Note when what comes has come: whoever takes it may be busy for long.  One answer at a time is on its way."""
        data = b"-"
        while data:
            try:
                data = os.read(self._stdout.fileno(), _READ_BYTES)
            except (OSError, ValueError):  # closed here
                data = b""
            self._heard.put(Heard(data, time.monotonic()))

    def _ends_within(self, wait_s: float) -> bool:
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _flush(self) -> None:
        try:
            while self._outgoing:
                del self._outgoing[: os.write(self._stdin.fileno(), self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:  # it has gone; reading tells
            self._outgoing.clear()
