"""What /proc tells of a process.  Nothing here raises: what cannot be read is absent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""Inode of the host's own pid namespace (PROC_PID_INIT_INO of the kernel): from there every process can be seen."""


_MOST_AT_ONCE = 64 << 10


class Stat(NamedTuple):
    """A line of /proc/<pid>/stat."""

    state: str
    start_ticks: int
    exit_code: int  # as wait() returns it; 0 also where it may not be read


def content(path: Path) -> bytes:
    """What stands in *path*, a small file.  Raises OSError.  A third of the cost of a file object: each of many runs
    is looked at twice a second."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, _MOST_AT_ONCE):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def stat_of(directory: Path) -> Stat | None:
    """The stat of the process, or thread, in *directory*; None where there is none."""
    try:
        fields = content(directory / "stat").decode("utf-8", "replace").rpartition(")")[2].split()
        return Stat(fields[0], int(fields[19]), int(fields[49]) if len(fields) > 49 else 0)
    except (OSError, ValueError, IndexError):
        return None


def thread_states(proc: Path, pid: int) -> Iterator[tuple[str, str]]:
    """Id and state of each thread."""
    try:
        threads = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return
    for thread in threads:
        stat = stat_of(thread)
        if stat is not None:
            yield thread.name, stat.state


def pid_namespace(proc: Path) -> int:
    """Inode of our own pid namespace; 0 where the system does not tell."""
    try:
        return (proc / "self/ns/pid").stat().st_ino
    except OSError:
        return 0


def pid_here(proc: Path, inner_pid: int, start_ticks: int) -> int | None:
    """The pid by which we know the process that calls itself *inner_pid* in a namespace below ours."""
    try:
        processes = [directory for directory in proc.iterdir() if directory.name.isdecimal()]
    except OSError:
        return None
    for directory in processes:
        stat = stat_of(directory)
        if stat is not None and stat.start_ticks == start_ticks and _inner_pid(directory) == inner_pid:
            return int(directory.name)
    return None


def _inner_pid(directory: Path) -> int:
    for line in _lines(directory / "status"):
        if line.startswith("NSpid:"):
            last = line.split()[-1]
            return int(last) if last.isdecimal() else 0
    return 0


def booted_at(proc: Path) -> float | None:
    """When this host was started, seconds since the epoch."""
    for line in _lines(proc / "stat"):
        if line.startswith("btime "):
            return float(line.split()[1])
    return None


def resident_bytes(proc: Path, pid: int) -> int:
    """Memory in use by the process, 0 where it is gone."""
    lines = _lines(proc / str(pid) / "statm")
    try:
        return int(lines[0].split()[1]) * os.sysconf("SC_PAGE_SIZE") if lines else 0
    except (ValueError, IndexError, OSError):
        return 0


def how_it_ended(exit_code: int) -> str:
    """The status of a zombie in words; "" for 0, which is also what an unreadable one looks like."""
    number = exit_code & 0x7F
    if number:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"ended by {name}"
    code = (exit_code >> 8) & 0xFF
    return f"left with exit code {code}, without a goodbye" if code else ""


def _lines(path: Path) -> list[str]:
    try:
        return content(path).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
