"""Scripts that hold a probe, run as real processes, and what they leave on disk."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from live.patience import PATIENCE_S
from live.places import short_directory

from dettui_probe import framing, wire

Row = tuple[int, dict[str, float]]


class Strand:
    """What one start of one probe wrote, read back."""

    def __init__(self, segments: list[Path]) -> None:
        self.segments = segments
        self.holes: list[framing.Hole] = []
        self.seqs: list[int] = []
        self.messages: list[wire.AnyMessage] = []
        self.whole_bytes = 0  # up to the end of the last whole frame, over all segments
        for segment in segments:
            scanner = framing.Scanner()
            for found in scanner.feed(segment.read_bytes()):
                self._take(found)
            self.whole_bytes += scanner.offset

    def _take(self, found: framing.Frame | framing.Hole) -> None:
        if isinstance(found, framing.Hole):
            self.holes.append(found)
            return
        message = wire.decode(found.payload)
        assert message is not None
        self.seqs.append(found.seq)
        self.messages.append(message)

    @property
    def hello(self) -> wire.Hello:
        first = self.messages[0]
        assert isinstance(first, wire.Hello)
        return first

    @property
    def bye(self) -> wire.Bye | None:
        last = self.messages[-1]
        return last if isinstance(last, wire.Bye) else None

    def events(self, kind: str) -> list[wire.Event]:
        return [message for message in self.messages if isinstance(message, wire.Event) and message.kind == kind]

    def rows_once(self) -> list[Row]:
        """Every row, as a reader has them who drops the frames that it has had."""
        first = dict(reversed(list(zip(self.seqs, self.messages, strict=True))))
        return rows_of([first[seq] for seq in sorted(first)])

    def rows(self) -> list[Row]:
        """Every row, in the order of the log (rows of one batch: block by block)."""
        return rows_of(self.messages)


def rows_of(messages: list[wire.AnyMessage]) -> list[Row]:
    names: dict[int, str] = {}
    rows: list[Row] = []
    for message in messages:
        if isinstance(message, wire.Tags):
            names.update(enumerate(message.names, start=message.first))
        elif isinstance(message, wire.Batch):
            for block in message.blocks:
                rows += _rows_of_block(block, names)
    return rows


def _rows_of_block(block: wire.Block, names: dict[int, str]) -> list[Row]:
    tags = [names[column] for column in block.columns]
    steps = struct.unpack(f"<{len(block.steps) // 8}q", block.steps)
    values = struct.unpack(f"<{len(block.values) // 8}d", block.values)
    assert len(values) == len(steps) * len(tags)
    return [(step, dict(zip(tags, values[index * len(tags) :], strict=False))) for index, step in enumerate(steps)]


class Workplace:
    """A runtime directory, a directory for logs, and scripts that run with them."""

    def __init__(self, home: Path) -> None:
        self.home = home / "home"
        self.runs = home / "runs"
        self._started: list[subprocess.Popen[str]] = []
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DETTUI_")},
            "DETTUI_HOME": str(self.home),
            "DETTUI_RUNS": str(self.runs),
        }

    def start(self, source: str, **env: str) -> subprocess.Popen[str]:
        """The script *source* as a process of its own, with pipes."""
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.env, **env},
            cwd=self.home.parent,
        )
        self._started.append(process)
        return process

    def run(self, source: str, *, timeout_s: float = PATIENCE_S, **env: str) -> subprocess.CompletedProcess[str]:
        """The script *source*, to its end."""
        process = self.start(source, **env)
        out, err = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            process.kill()
            process.communicate()

    def strands(self) -> list[Strand]:
        """One for each start of a probe."""
        firsts = [path for path in sorted(self.home.parent.glob("**/r*-*.dlog")) if path.name.count(".") == 1]
        return [Strand([first, *self._later(first)]) for first in firsts]

    def strand(self) -> Strand:
        """The only one."""
        (strand,) = self.strands()
        return strand

    def read(self, segment: Path) -> Strand:
        """One segment on its own."""
        return Strand([segment])

    def _later(self, first: Path) -> list[Path]:
        segments = first.parent.glob(f"{first.stem}.*.dlog")
        return sorted(segments, key=lambda path: int(path.suffixes[0][1:]))


@pytest.fixture
def workplace() -> Iterator[Workplace]:
    home = short_directory()
    place = Workplace(home)
    yield place
    place.close()
    shutil.rmtree(home, ignore_errors=True)
