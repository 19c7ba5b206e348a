"""Which recorded runs may go, and their removal.  Nothing but age, size and life decides."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dettui.feed.agent.discovery import Member, Registry
from dettui.feed.agent.process import GONE, ProcessWatch
from dettui.feed.logs import is_log
from dettui.feed.summaries import recorded_members
from dettui.store.text import clean
from dettui_probe.places import runs_dir, runtime_dir

DAY_S = 86_400.0
_LOG = re.compile(r"r\d+-[0-9A-Za-z]+(\.\d+)?\.dlog")
_BESIDE = ("output.txt",)
"""Files that `dettui run` leaves beside the logs."""


@dataclass(frozen=True)
class RetentionPolicy:
    """A run goes when it is too old, or where all runs together are too large, the oldest first.  The newest stay
    whatever their age and size, and so does every run that may still be going on."""

    older_than_s: float = 30 * DAY_S  # since something was last written
    keep: int = 20  # of the newest
    max_bytes: int | None = None  # of all logs together; None: no limit
    quiet_s: float = 60.0  # a log that changed within this is being written, whatever /proc says
    foreign_quiet_s: float = DAY_S  # the same where the process is of another host, or of another container


@dataclass(frozen=True)
class StoredRun:
    """One run as it lies on the disk: all its starts and ranks."""

    id: str
    members: tuple[Member, ...]
    entries: tuple[Path, ...]  # of the registry
    files: tuple[Path, ...]  # its logs, and what lies beside them
    size: int
    written_at: float  # seconds since the epoch
    may_live: bool


@dataclass(frozen=True)
class Plan:
    """What would go, why, and what stays."""

    going: tuple[tuple[StoredRun, str], ...]
    live: int
    kept: int
    kept_bytes: int


def stored_runs(policy: RetentionPolicy, now: float) -> list[StoredRun]:
    """All runs that the registry or the runs directory knows, newest first."""
    by_run: dict[str, dict[tuple[str, int], Member]] = {}
    for member in (*recorded_members(runs_dir()), *Registry(runtime_dir()).members()):
        by_run.setdefault(member.run, {})[(member.boot, member.rank)] = member
    entries = _entries()
    runs = [_stored(run, tuple(found.values()), entries, policy, now) for run, found in by_run.items()]
    return sorted(runs, key=lambda run: run.written_at, reverse=True)


def plan(runs: Sequence[StoredRun], policy: RetentionPolicy, now: float) -> Plan:
    """What of *runs*, newest first, goes by *policy*."""
    ended = [run for run in runs if not run.may_live]
    going: dict[str, tuple[StoredRun, str]] = {}
    for run in ended[policy.keep :]:
        if now - run.written_at > policy.older_than_s:
            going[run.id] = run, f"older than {policy.older_than_s / DAY_S:g} days"
    size = sum(run.size for run in runs if run.id not in going)
    for run in reversed(ended[policy.keep :]):
        if policy.max_bytes is not None and size > policy.max_bytes and run.id not in going:
            going[run.id] = run, "the runs together are too large"
            size -= run.size
    for run in ended:
        if not run.files and run.id not in going:
            going[run.id] = run, "its log is gone"
    kept = len(runs) - len(going)
    return Plan(tuple(going.values()), len(runs) - len(ended), kept, size)


def remove(run: StoredRun, policy: RetentionPolicy) -> str:
    """Remove the logs and registry entries of *run*; "" or why something stayed.

    Removes files one by one, by the names that a run's files have: never a directory with something else in it.
    """
    if any(_may_live(member, policy, time.time()) for member in run.members):
        return "it has started again"
    for path in (*run.files, *run.entries):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            return f"{clean(str(path))}: {error.strerror}"
    for directory in {path.parent for path in run.files}:
        try:
            directory.rmdir()
        except OSError:
            return f"{clean(str(directory))} holds other files, and stays"
    return ""


def _stored(
    run: str, members: tuple[Member, ...], entries: Sequence[Path], policy: RetentionPolicy, now: float
) -> StoredRun:
    files = tuple(sorted({path for member in members for path in _files_of(member)}))
    stats = [path.lstat() for path in files]
    boots = {member.boot for member in members}
    return StoredRun(
        id=run,
        members=members,
        entries=tuple(path for path in entries if _names(path, run, boots)),
        files=files,
        size=sum(stat.st_size for stat in stats),
        written_at=max((s.st_mtime for s in stats), default=max(member.started for member in members)),
        may_live=any(_may_live(member, policy, now) for member in members),
    )


def _entries() -> list[Path]:
    try:
        return sorted((runtime_dir() / "reg").glob("*.json"))
    except OSError:
        return []


def _names(entry: Path, run: str, boots: set[str]) -> bool:
    """True where *entry* is called <run>.<rank>.<boot>.json."""
    named, _, boot = entry.name.removesuffix(".json").rpartition(".")
    return boot in boots and named.rpartition(".")[0] == run


def _files_of(member: Member) -> Iterable[Path]:
    """The segments of *member*'s log, and what lies beside it; nothing through a symlink."""
    first = Path(member.log)
    if not member.log or not _LOG.fullmatch(first.name) or first.is_symlink() or not is_log(first):
        return
    yield first
    for path in first.parent.iterdir():
        later = path.name.startswith(f"{first.stem}.") and _LOG.fullmatch(path.name)
        if (later or path.name in _BESIDE) and path.is_file() and not path.is_symlink():
            yield path


def _may_live(member: Member, policy: RetentionPolicy, now: float) -> bool:
    sight = ProcessWatch(member).look(0.0)
    if sight.ours and sight.state not in GONE:
        return True
    quiet_s = policy.quiet_s if sight.ours else policy.foreign_quiet_s
    return now - max((path.lstat().st_mtime for path in _files_of(member)), default=0.0) < quiet_s
