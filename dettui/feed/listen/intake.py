"""What comes through the door, written down: each strand into a log of this host, where every reader finds it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dettui_probe import registry, wire
from dettui_probe.framing import Frame, Scanner
from dettui_probe.identity import slug
from dettui_probe.runlog import Record, RunLog, segment_path

MAX_STRANDS = 4_096
_BOOT = re.compile(rb"[0-9a-f]{16}")
_RANK = re.compile(rb"\d{1,6}")


class Intake:
    """The strands that are being received.  Nothing that is sent here can name a file outside of *runs*."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._strands: dict[tuple[str, str, int], _Received] = {}
        self._left: set[tuple[str, str, int]] = set()  # those that this host has at first hand
        self.ignored = 0  # messages that were none, or out of place

    def take(self, messages: Iterable[tuple[str, list[bytes]]]) -> list[str]:
        """Write *messages* down; one line for each strand that began or ended."""
        news: list[str] = []
        for sender, parts in messages:
            line = self._take(sender, parts)
            if line:
                news.append(line)
        for strand in self._strands.values():
            strand.write()
        self._strands = {key: strand for key, strand in self._strands.items() if not strand.closed_if_over()}
        return news

    def close(self) -> None:
        """Let go of all logs."""
        for strand in self._strands.values():
            strand.close()
        self._strands.clear()

    def _take(self, sender: str, parts: list[bytes]) -> str:
        key, frame = _key_of(parts), _frame_of(parts)
        if key is None or frame is None:
            self.ignored += 1
            return ""
        strand = self._strands.get(key)
        if strand is None:
            return self._meet(key, sender, frame, parts[3])
        if strand.sender != sender:  # somebody else's strand
            self.ignored += 1
            return ""
        strand.add(frame, parts[3])
        return f"{key[0]}: rank {key[2]} said goodbye" if strand.is_over else ""

    def _meet(self, key: tuple[str, str, int], sender: str, frame: Frame, packed: bytes) -> str:
        """A strand begins with its hello, which must say the same as the envelope."""
        hello = wire.decode(frame.payload)
        known = key in self._left or len(self._strands) >= MAX_STRANDS
        if known or not isinstance(hello, wire.Hello) or (hello.run, hello.boot, hello.rank) != key:
            self.ignored += 1
            return ""
        if _is_here(hello, self._runs):
            self._left.add(key)
            return f"{key[0]}: rank {key[2]} writes its log where this host reads it; left alone"
        try:
            strand = self._strands[key] = _Received(hello, sender, self._runs)
        except OSError as error:
            return f"{key[0]}: cannot be written down: {error}"
        strand.add(frame, packed)
        return f"{key[0]}: rank {key[2]} from {hello.host}, to {strand.path}"


class _Received:
    """One strand and its log.  A listener that starts again goes on in the next segment."""

    def __init__(self, hello: wire.Hello, sender: str, runs: Path) -> None:
        """Raises OSError."""
        self.sender = sender
        self.is_over = False
        self._greeting: dict[int, bytes] = {}  # without these the rest cannot be read
        self._waiting: list[Record] = []
        directory = runs / hello.run
        self.path = segment_path(directory, hello.rank, hello.boot, 0)
        index = 0
        while segment_path(directory, hello.rank, hello.boot, index).exists():
            index += 1
        self._log = RunLog(directory, hello.rank, hello.boot, first=index)
        registry.publish(_entry(hello, self.path))

    def add(self, frame: Frame, packed: bytes) -> None:
        """Take in the next frame."""
        message = wire.decode(frame.payload)
        if isinstance(message, wire.Hello):
            self._greeting.clear()
        if isinstance(message, wire.Hello | wire.Tags):
            self._greeting[frame.seq] = packed
        self.is_over = self.is_over or isinstance(message, wire.Bye)
        self._waiting.append(Record(packed))

    def write(self) -> None:
        """Append what came since the last call, in one write; try again what the disk refused."""
        if self._log.wants_new_segment and self._log.next_segment():
            self._waiting = [*map(Record, self._greeting.values()), *self._waiting]
        self._log.append(self._waiting)
        self._waiting = []

    def closed_if_over(self) -> bool:
        """True where it said goodbye; its log is then closed."""
        if self.is_over:
            self.close()
        return self.is_over

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()


def _key_of(parts: list[bytes]) -> tuple[str, str, int] | None:
    """(run, boot, rank) where they are what a probe makes: safe as file names."""
    if len(parts) != 4 or not _BOOT.fullmatch(parts[1]) or not _RANK.fullmatch(parts[2]):
        return None
    run = parts[0].decode("ascii", "replace")
    return (run, parts[1].decode(), int(parts[2])) if run == slug(run) else None


def _frame_of(parts: list[bytes]) -> Frame | None:
    found = list(Scanner().feed(parts[-1]))
    return found[0] if len(found) == 1 and isinstance(found[0], Frame) else None


def _entry(hello: wire.Hello, log: Path) -> registry.Entry:
    return registry.Entry(
        run=hello.run,
        name=hello.name,
        rank=hello.rank,
        world=hello.world,
        boot=hello.boot,
        pid=hello.pid,
        pid_start=hello.pid_start,
        host=hello.host,
        host_boot=hello.host_boot,
        log=str(log),
        python="",
        started=hello.started,
        argv=hello.argv,
        cwd=hello.cwd,
    )


def _is_here(hello: wire.Hello, runs: Path) -> bool:
    """True where the registry of this host names another log of this strand."""
    ours = segment_path(runs / hello.run, hello.rank, hello.boot, 0)
    known = registry.read_entry(registry.entry_path(_entry(hello, ours)))
    return known is not None and bool(known.log) and Path(known.log) != ours and Path(known.log).exists()
