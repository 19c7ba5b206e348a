"""Follows the log of one probe, segment after segment, while it grows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from dettui_probe.framing import Frame, Hole, Scanner

ZERO_LOOKS = 40
"""Looks at a hole with zeros in it before it is believed, a second of them: so a network file system shows the pages
that it has not got yet."""
_ZEROS = bytes(16)
REVALIDATE_LOOKS = 40
"""Looks at an end that does not move before the file is opened anew: it may have been replaced, and a network file
system only then asks its server again."""


class Position(NamedTuple):
    """A place in a log of several segments."""

    segment: int
    offset: int


def segment_path(first: Path, number: int) -> Path:
    """The file of segment *number* (from 0) of the log that begins with *first*."""
    return first if number == 0 else first.with_name(f"{first.stem}.{number}{first.suffix}")


class LogTail:
    """Reads what was appended since the last look.  A log that is missing, cut or broken is never an error."""

    def __init__(self, first: Path, start: Position | None = None, zero_looks: int = ZERO_LOOKS) -> None:
        """Follow the log that begins with the file *first*, from *start* on; None: from its beginning."""
        self._first = first
        self._zero_looks = zero_looks
        self._idle_looks = 0
        self._segment, offset = start or Position(0, 0)
        self._starts_anywhere = offset > 0  # a start within a frame makes a hole that is none
        self._doubted, self._doubts = -1, 0  # where a hole was seen, and how often
        self.at_end = False  # the last look found nothing more
        self._fd: int | None = None
        self._rewind(offset)

    @property
    def position(self) -> Position:
        """Behind the last whole frame."""
        return Position(self._segment, self._scanner.offset)

    def poll(self, limit: int) -> list[Frame | Hole]:
        """The frames and holes in the next *limit* bytes at most; empty at the end of the log."""
        data = self._read(limit)
        self.at_end = not data and not self._advance()
        if not data:
            self._revalidate_now_and_then()
            return [] if self.at_end else self.poll(limit)
        self._idle_looks = 0
        return self._believe(list(self._scanner.feed(data)))

    def close(self) -> None:
        """Let go of the file.  Idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _read(self, limit: int) -> bytes:
        try:
            if self._fd is None:
                self._fd = os.open(segment_path(self._first, self._segment), os.O_RDONLY | os.O_CLOEXEC)
            if os.fstat(self._fd).st_size < self._read_at:  # the writer took back a torn write after a full disk
                self._rewind(self._scanner.offset)
            data = os.pread(self._fd, limit, self._read_at)
        except OSError:
            return b""
        self._read_at += len(data)
        return data

    def _advance(self) -> bool:
        """Go on to the next segment, if there is one; only once this one was opened and read to its end."""
        if self._fd is None or not segment_path(self._first, self._segment + 1).exists():
            return False
        if os.fstat(self._fd).st_size > self._read_at:
            return True
        self.close()
        self._segment += 1
        self._rewind(0)
        self._doubted = -1
        return True

    def _revalidate_now_and_then(self) -> None:
        self._idle_looks += 1
        if self._fd is None or self._idle_looks % REVALIDATE_LOOKS:
            return
        try:
            fd = os.open(segment_path(self._first, self._segment), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # deleted: what is open may still be read, and the next segment may come
            return
        before, now = os.fstat(self._fd), os.fstat(fd)
        os.close(self._fd)
        self._fd = fd
        if (before.st_dev, before.st_ino) != (now.st_dev, now.st_ino):
            self._rewind(self._scanner.offset if now.st_size >= self._scanner.offset else 0)

    def _believe(self, found: list[Frame | Hole]) -> list[Frame | Hole]:
        """*found* up to the first hole that was not seen twice.

        A torn write that the writer took back and overwrote between two looks looks like a hole once; so a hole counts
        when reading it again finds it again.
        """
        if self._starts_anywhere and found:
            self._starts_anywhere = False
            if isinstance(found[0], Hole):
                found = found[1:]
        for index, item in enumerate(found):
            if isinstance(item, Hole) and self._doubt(item):
                self._rewind(item.offset)
                return found[:index]
        return found

    def _doubt(self, hole: Hole) -> bool:
        """True while *hole* may yet turn out to be none."""
        if hole.offset != self._doubted:
            self._doubted, self._doubts = hole.offset, 0
        self._doubts += 1
        return self._doubts <= (self._zero_looks if self._has_zeros(hole) else 1)

    def _has_zeros(self, hole: Hole) -> bool:
        try:
            return self._fd is not None and _ZEROS in os.pread(self._fd, hole.size, hole.offset)
        except OSError:
            return False

    def _rewind(self, offset: int) -> None:
        self._scanner = Scanner(offset)
        self._read_at = offset
