"""Recorded strands: which log files belong together, and who they are of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dettui.errors import NotARun, RunNotFound
from dettui.feed.agent.discovery import Member
from dettui.feed.agent.tail import segment_path
from dettui_probe import wire
from dettui_probe.framing import MAGIC, Frame, Scanner

_HEAD_BYTES = 1 << 20
"""How far into a log its first hello is looked for."""


@dataclass(frozen=True)
class RecordedStrand:
    """The log of one boot of one rank, by its first segment."""

    path: Path
    hello: wire.Hello | None  # None where the head of the log cannot be read

    @property
    def run(self) -> str:
        """Id of the run; the name of its directory where the hello was lost."""
        return self.hello.run if self.hello else self.path.parent.name

    @property
    def boot(self) -> str:
        """Which start of the probe; the name of the file where the hello was lost."""
        return self.hello.boot if self.hello else self.path.stem

    @property
    def rank(self) -> int:
        """Rank in its job."""
        return self.hello.rank if self.hello else 0

    def segments(self) -> list[Path]:
        """The files of the log, in order."""
        found = [self.path]
        while (following := segment_path(self.path, len(found))).exists():
            found.append(following)
        return found


def strands_at(path: Path) -> list[RecordedStrand]:
    """The strands in the log or run directory *path*, rank 0 first, older boots first.

    Raises RunNotFound where there is nothing, NotARun where there is no log of a run.
    """
    if not path.exists():
        raise RunNotFound(f"no run at {path}: give a .dlog file, a run directory, or a name that `dettui ls` shows")
    candidates = sorted(path.glob("*.dlog")) if path.is_dir() else [path]
    logs = [log for log in candidates if is_log(log)]
    if not logs:
        raise NotARun(f"{path} holds no run log: a run directory has files r<rank>-<boot>.dlog")
    strands = [RecordedStrand(log, _first_hello(log)) for log in logs if not _continues_another(log, logs)]
    return sorted(strands, key=lambda s: (s.rank, s.hello.started if s.hello else 0.0, s.path.name))


def member_of_hello(hello: wire.Hello, log: str = "") -> Member:
    """The registry's view of who says *hello*."""
    return Member(
        run=hello.run,
        boot=hello.boot,
        rank=hello.rank,
        name=hello.name,
        host=hello.host,
        host_boot=hello.host_boot,
        pid=hello.pid,
        pid_start=hello.pid_start,
        log=log,
        started=hello.started,
        pid_ns=hello.pid_ns,
    )


def is_log(path: Path) -> bool:
    """True where *path* is a file that begins as a log does, or whose damaged head hides frames."""
    try:
        with path.open("rb") as log:
            head = log.read(len(MAGIC))
    except OSError:
        return False
    return head == MAGIC or (path.suffix == ".dlog" and bool(_first_frames(path)))


def _continues_another(log: Path, logs: list[Path]) -> bool:
    stem, _, number = log.stem.rpartition(".")
    return number.isdecimal() and log.with_name(stem + log.suffix) in logs


def _first_frames(path: Path) -> list[Frame]:
    try:
        with path.open("rb") as log:
            head = log.read(_HEAD_BYTES)
    except OSError:
        return []
    return [item for item in Scanner().feed(head) if isinstance(item, Frame)]


def _first_hello(path: Path) -> wire.Hello | None:
    for frame in _first_frames(path):
        message = wire.decode(frame.payload)
        if isinstance(message, wire.Hello):
            return message
    return None
