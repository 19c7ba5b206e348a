"""Writer, disk and reader in every order that hypothesis thinks of: nothing acknowledged is lost, doubled or moved."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dettui.feed.agent.tail import LogTail
from dettui_probe import framing, runlog
from dettui_probe.framing import Frame, Hole
from dettui_probe.runlog import Record, RunLog


class LogMachine(RuleBasedStateMachine):
    """One strand.  What write(2) returned for is acknowledged; the reader may look at any instant."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="dt-"))
        self.now, self.room, self.fails = 0.0, 1 << 40, False
        self.write = os.write
        fakes = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)})
        fakes.write = self.take
        self.patches = [
            mock.patch.object(runlog, "os", fakes),
            mock.patch.object(runlog, "time", SimpleNamespace(monotonic=lambda: self.now)),
        ]
        for patch in self.patches:
            patch.start()
        self.log: RunLog | None = RunLog(self.directory, 0, "boot", segment_bytes=600)
        self.tail = LogTail(self.log.path)
        self.written = 0  # frames numbered so far
        self.read: list[int] = []
        self.holes = 0

    def take(self, fd: int, data: bytes) -> int:
        """write(2) on a disk with *room* bytes, which may fail after taking half."""
        if self.fails:
            self.fails = False
            self.write(fd, data[: min(len(data) // 2, self.room)])
            raise OSError(errno.EIO, "Input/output error")
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self.write(fd, data[: self.room])
        self.room -= taken
        return taken

    @property
    def acknowledged(self) -> int:
        """Frames that are on the disk whole, by what the writer knows."""
        waiting = [record for record in self.log._waiting if record.frame != framing.MAGIC] if self.log else []
        return self.written - len(waiting)

    @precondition(lambda self: self.log is not None)
    @rule(count=st.integers(1, 5), size=st.integers(20, 200))
    def append(self, count: int, size: int) -> None:
        """The writer thread's round."""
        assert self.log is not None
        records = [Record(framing.pack(self.written + n, bytes([n + 1]) * size), 1) for n in range(count)]
        if self.log.wants_new_segment:
            self.log.next_segment()
        self.written += count
        self.log.append(records)

    @rule(room=st.integers(0, 400))
    def fill(self, room: int) -> None:
        """Somebody takes all but *room* bytes of the disk."""
        self.room = room

    @rule()
    def free(self) -> None:
        """There is room again."""
        self.room = 1 << 40

    @rule()
    def fail_once(self) -> None:
        """The next write fails in its middle."""
        self.fails = True

    @rule(seconds=st.floats(0.01, 10.0))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(limit=st.integers(1, 500))
    def look(self, limit: int) -> None:
        """The reader looks."""
        for found in self.tail.poll(limit):
            if isinstance(found, Frame):
                self.read.append(found.seq)
            elif isinstance(found, Hole):
                self.holes += 1

    @precondition(lambda self: self.log is not None)
    @rule()
    def kill(self) -> None:
        """SIGKILL: what waits in memory is gone, what was acknowledged is not."""
        assert self.log is not None
        self.written = self.acknowledged
        os.close(self.log._fd)
        self.log = None

    @invariant()
    def what_was_read_is_a_prefix_each_once_in_order(self) -> None:
        """Frames may come twice only behind a write that failed after taking them: the reader drops those by number."""
        firsts = list(dict.fromkeys(self.read))
        assert firsts == list(range(len(firsts)))

    def teardown(self) -> None:
        """In the end everything that was acknowledged is read."""
        for _ in range(500):
            self.look(1 << 16)
        for patch in self.patches:
            patch.stop()
        assert len(set(self.read)) >= self.acknowledged
        if self.log is not None:
            self.log._waiting.clear()
            self.log.close()
        self.tail.close()
        shutil.rmtree(self.directory)


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
