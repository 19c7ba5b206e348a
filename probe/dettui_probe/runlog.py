"""The run's own append-only log: where every record goes first.

    <runs dir>/<run id>/r<rank>-<boot>.dlog, then r<rank>-<boot>.1.dlog, .2.dlog, ...    64 MiB each

A write to the page cache survives SIGKILL and the OOM killer; only a power failure needs fdatasync.  Nothing here
raises: what the disk refuses waits in memory, bounded, and is tried again.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from dettui_probe import framing

SEGMENT_BYTES: Final = 64 << 20
WAITING_BYTES: Final = 16 << 20  # what may wait for a disk that refuses
WRITE_BYTES: Final = 1 << 20  # of one write()
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 5.0
_NONE: Final = -1
_AGAIN: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Record(NamedTuple):
    """A frame, and how many rows are lost with it where it is lost."""

    frame: bytes
    rows: int = 0


def segment_path(directory: Path, rank: int, boot: str, index: int) -> Path:
    """Where segment *index* of one strand lies."""
    part = "" if index == 0 else f".{index}"
    return directory / f"r{rank}-{boot}{part}.dlog"


class RunLog:
    """The segments of one strand, written by one thread."""

    def __init__(
        self, directory: Path, rank: int, boot: str, *, first: int = 0, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Create the segment *first*, and *directory* where it is missing.  The one place that raises OSError."""
        self._directory = directory
        self._name = (rank, boot)
        self._segment_bytes = segment_bytes
        self._index = first
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._size = 0
        self._retry_at = 0.0
        self._retry_s = FIRST_RETRY_S
        self._segment_at = 0.0  # the next segment is not tried before
        self.lost_rows = 0
        self.refusal = ""  # what the disk said last, "" while it takes everything
        self._fd = self._create()

    @property
    def path(self) -> Path:
        """The segment being written."""
        return segment_path(self._directory, *self._name, self._index)

    @property
    def wants_new_segment(self) -> bool:
        """True where this one is full, or was deleted, and nothing waits for it."""
        if time.monotonic() < self._segment_at:
            return False
        if not self._holds_file():
            return True
        if self._waiting:
            return False
        return self._size >= self._segment_bytes or self._is_gone()

    def next_segment(self) -> bool:
        """Go on in a new file; its first record must be a hello.  False where that failed: the old one goes on."""
        before, had = self._fd, self._holds_file()
        self._index += 1
        try:
            self._fd = self._create()
        except OSError as error:
            self._index -= 1
            self.refusal = str(error)
            self._segment_at = time.monotonic() + LAST_RETRY_S
            return False
        if had:
            os.close(before)
        return True

    def append(self, records: Iterable[Record]) -> None:
        """Write *records* behind those that still wait."""
        for record in records:
            self._waiting.append(record)
            self._waiting_bytes += len(record.frame)
        if self._waiting and time.monotonic() >= self._retry_at:
            self._write_waiting()
        self._shed()

    def sync(self) -> None:
        """Ask the disk to keep what was written, also through a power failure.  May take seconds."""
        try:
            if not self._holds_file():
                return
            os.fdatasync(self._fd) if hasattr(os, "fdatasync") else os.fsync(self._fd)
        except OSError as error:
            self.refusal = str(error)

    def close(self) -> None:
        """Let go of the file, after one more attempt at what waits."""
        self._write_waiting()
        self.lost_rows += sum(record.rows for record in self._waiting)
        self._waiting.clear()
        if self._holds_file():
            os.close(self._fd)

    def _create(self) -> int:
        self._directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, _FLAGS, 0o644)
        self._file = _identity(fd)
        self._size = 0
        self._waiting.appendleft(Record(framing.MAGIC))
        self._waiting_bytes += len(framing.MAGIC)
        return fd

    def _write_waiting(self) -> None:
        if not self._holds_file():
            self._back_off("the descriptor of the log was taken away, and its file too")
            return
        while self._waiting:
            chunk = self._chunk()
            try:
                written = os.write(self._fd, chunk)
            except OSError as error:
                self._take_back()
                self._back_off(str(error))
                return
            self._settle(written)
            if written < len(chunk):
                self._back_off("short write")
                return
        self._retry_s = FIRST_RETRY_S
        self.refusal = ""

    def _chunk(self) -> bytes:
        """Whole records from the front of the queue, as many as one write() takes."""
        parts: list[bytes] = []
        size = 0
        for record in self._waiting:
            size += len(record.frame)
            if parts and size > WRITE_BYTES:
                break
            parts.append(record.frame)
        return b"".join(parts)

    def _settle(self, written: int) -> None:
        """Forget the records that were *written* whole; take a torn one out of the file again."""
        while self._waiting and written >= len(self._waiting[0].frame):
            size = len(self._waiting.popleft().frame)
            written -= size
            self._waiting_bytes -= size
            self._size += size
        if written:
            self._untear(written)

    def _take_back(self) -> None:
        """Cut off what a write has left that failed in its middle: it is written again, and would be there twice."""
        try:
            left = os.fstat(self._fd).st_size - self._size
        except OSError:
            return
        if left > 0:
            self._untear(left)

    def _untear(self, torn: int) -> None:
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:  # readers skip the torn frame, and the record is written again behind it
            self._size += torn

    def _back_off(self, refusal: str) -> None:
        self.refusal = refusal
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)

    def _shed(self) -> None:
        """Lose the oldest records beyond what may wait, but never the first: a reader may have seen its torn start."""
        while self._waiting_bytes > WAITING_BYTES and len(self._waiting) > 1:
            lost = self._waiting[1]
            del self._waiting[1]
            self._waiting_bytes -= len(lost.frame)
            self.lost_rows += lost.rows

    def _holds_file(self) -> bool:
        """True where the descriptor is that of our file, opened again if need be.

        A script may close descriptors that it did not open (`os.closerange`), and the number may then be one of its
        own files: nothing of ours may go there, nor may that be cut or closed.
        """
        if _identity(self._fd) == self._file:
            return True
        self._fd = _NONE
        try:
            fd = os.open(self.path, _AGAIN)
        except OSError:
            return False
        if _identity(fd) != self._file:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def _is_gone(self) -> bool:
        try:
            return os.fstat(self._fd).st_nlink == 0
        except OSError:
            return False


def _identity(fd: int) -> tuple[int, int] | None:
    """What tells the file behind *fd* from all others; None where there is none."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino
