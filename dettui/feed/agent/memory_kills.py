"""Did the kernel kill for want of memory?  Seen in counters that rise, and in nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class MemoryKills:
    """The counters of a process's cgroup (version 2 or 1) and of the host, since the process was last seen well.

    A kill is counted before the process has gone, which may take a while: a process that is there still may be the
    one that was killed.  So the last look but one counts.
    """

    def __init__(self, proc: Path, pid: int, cgroups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc, self._pid, self._cgroups = proc, pid, cgroups
        self._group = _counter_of_group(proc, pid, cgroups)
        self._host = proc / "vmstat"
        self._before = self._newest = self._counts()
        self._resident = 0

    def note(self, resident_bytes: int) -> None:
        """The process is there: what had been killed at the look before this one was another."""
        group = _counter_of_group(self._proc, self._pid, self._cgroups)
        self._resident = resident_bytes or self._resident
        if group is not None and group != self._group:  # it was moved
            self._group = group
            self._newest = self._counts()
        self._before, self._newest = self._newest, self._counts()

    def verdict(self) -> str:
        """What the counters say after the process has gone; "" where they have not risen."""
        group, host = self._counts(_counter)
        used = f"; it last used {_size(self._resident)}" if self._resident else ""
        if group > self._before[0]:
            return f"out of memory: killed by the kernel at the limit of its cgroup{used}"
        if host > self._before[1]:
            return f"out of memory: gone as the kernel killed for want of memory on this host{used}"
        return ""

    def _counts(self, read: Callable[[Path], int] | None = None) -> tuple[int, int]:
        read = read or _recent
        return read(self._group) if self._group else 0, read(self._host)


def _counter_of_group(proc: Path, pid: int, cgroups: Path) -> Path | None:
    """The file with the counter ``oom_kill`` of the cgroup of *pid*."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        inside = group.lstrip("/")
        if "memory" in controllers.split(","):
            places = (cgroups / "memory" / inside / "memory.oom_control", cgroups / "memory/memory.oom_control")
        elif not controllers:
            places = (cgroups / inside / "memory.events", cgroups / "unified" / inside / "memory.events")
        else:
            continue
        found = next((place for place in places if place.exists()), None)
        if found is not None:
            return found
    return None


_SAME_LOOK_S = 0.02
"""Many runs are looked at one after the other, and most share these counters: reading them for each of 64 runs took
half of the agent's time."""
_recently: dict[Path, tuple[float, int]] = {}


def _recent(path: Path) -> int:
    """The counter in *path*, read a moment ago at most.  Used by the agent's one thread."""
    now = time.monotonic()
    read_at, count = _recently.get(path, (-1.0, 0))
    if not 0 <= now - read_at < _SAME_LOOK_S:
        count = _counter(path)
        _recently[path] = now, count
    return count


def _counter(path: Path, name: str = "oom_kill") -> int:
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdecimal():
            return int(value)
    return 0


def _size(count: int) -> str:
    unit, factor = next((unit for unit in _UNITS if count >= unit[1]), ("bytes", 1))
    return f"{count / factor:.3g} {unit}"
