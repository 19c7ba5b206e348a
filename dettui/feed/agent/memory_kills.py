"""Did the kernel kill for want of memory?  Seen in counters that rise, and in nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dettui.feed.agent.procfs import content

_KILLS = re.compile(rb"^oom_kill (\d+)\s*$", re.MULTILINE)
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class Counters:
    """Counters of the kernel, each read once a look: many runs share a host and most share a cgroup."""

    def __init__(self) -> None:
        self._looked_at: float | None = None
        self._known: dict[Path, int] = {}

    def of(self, path: Path, now: float) -> int:
        """The counter ``oom_kill`` in *path*, as of the look at *now*."""
        if now != self._looked_at:
            self._looked_at = now
            self._known.clear()
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = _counter(path)
        return known


class MemoryKills:
    """The counters of a process's cgroup (version 2 or 1) and of the host, since the process was last seen well.

    A kill is counted before the process has gone, which may take a while: a process that is there still may be the
    one that was killed.  So the last look but one counts.
    """

    def __init__(self, proc: Path, pid: int, cgroups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc, self._pid, self._cgroups = proc, pid, cgroups
        self._membership = _membership(proc, pid)
        self._group = _counter_of_group(self._membership, cgroups)
        self._host = proc / "vmstat"
        self._before = self._newest = self._counts(_counter)
        self._resident = 0

    def note(self, resident_bytes: int, counters: Counters | None = None, now: float = 0.0) -> None:
        """The process is there: what had been killed at the look before this one was another.  *counters* know what
        was read in the look at *now*; None: read anew."""
        read = partial(counters.of, now=now) if counters is not None else _counter
        self._resident = resident_bytes or self._resident
        membership = _membership(self._proc, self._pid)
        if membership != self._membership:
            self._membership = membership
            group = _counter_of_group(membership, self._cgroups)
            if group is not None and group != self._group:  # it was moved
                self._group = group
                self._newest = self._counts(read)
        self._before, self._newest = self._newest, self._counts(read)

    def verdict(self) -> str:
        """What the counters say after the process has gone; "" where they have not risen."""
        group, host = self._counts(_counter)
        used = f"; it last used {_size(self._resident)}" if self._resident else ""
        if group > self._before[0]:
            return f"out of memory: killed by the kernel at the limit of its cgroup{used}"
        if host > self._before[1]:
            return f"out of memory: gone as the kernel killed for want of memory on this host{used}"
        return ""

    def _counts(self, read: Callable[[Path], int]) -> tuple[int, int]:
        return read(self._group) if self._group else 0, read(self._host)


def _membership(proc: Path, pid: int) -> str:
    """Which cgroups *pid* is in, as the kernel writes it; "" where that cannot be read."""
    try:
        return content(proc / str(pid) / "cgroup").decode("utf-8", "replace")
    except OSError:
        return ""


def _counter_of_group(membership: str, cgroups: Path) -> Path | None:
    """The file with the counter ``oom_kill`` of the cgroup of a process."""
    for line in membership.splitlines():
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


def _counter(path: Path) -> int:
    """The counter ``oom_kill`` in *path*.  A search, not a loop over its lines: each run is looked at twice a second,
    and the host's file has 180 of them."""
    try:
        found = _KILLS.search(content(path))
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _size(count: int) -> str:
    unit, factor = next((unit for unit in _UNITS if count >= unit[1]), ("bytes", 1))
    return f"{count / factor:.3g} {unit}"
