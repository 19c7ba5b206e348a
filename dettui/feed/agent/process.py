"""Looks at processes from outside: are they there, in which state, and did the kernel kill for want of memory?"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from dettui.feed.agent.discovery import Member

GONE = ("", "Z", "X")
"""States of a process that is no more; a zombie only waits for its parent."""


@dataclass(frozen=True)
class ProcessSight:
    """A process as seen now; *state* is the letter of /proc/<pid>/stat, "" where the process is gone."""

    ours: bool = True  # False: of another host, of which nothing can be seen from here
    state: str = ""
    since_s: float = 0.0  # how long it has been in this state
    was_seen: bool = False  # it was there at an earlier look, so that its absence means something
    restarted: bool = False  # the host was restarted since
    out_of_memory: str = ""  # what says that the kernel killed for memory while we watched


class ProcessWatch:
    """Looks at one process through /proc.  A pid alone is unsound: it is given away again."""

    def __init__(self, member: Member, proc: Path = Path("/proc")) -> None:
        self._member = member
        self._proc = proc
        self._last = ProcessSight()
        self._since: float | None = None
        self._ours, self._restarted = _same_host(member, proc)
        self._memory = _MemoryKills(proc, member.pid)

    def look(self, now: float) -> ProcessSight:
        """The process at *now* (monotonic seconds)."""
        seen = self._ours and not self._restarted
        state = process_state(self._proc, self._member.pid, self._member.pid_start) if seen else ""
        if self._since is None or state != self._last.state:
            self._since = now
        killed = self._memory.verdict() if state in GONE else ""
        was_seen = self._last.was_seen or self._last.state not in GONE
        self._last = ProcessSight(self._ours, state, now - self._since, was_seen, self._restarted, killed)
        if state not in GONE:
            self._memory.note()
        return self._last


def process_state(proc: Path, pid: int, start_ticks: int) -> str:
    """The state letter of the process *pid* that started at *start_ticks*; "" where it is gone or another one."""
    try:
        fields = (proc / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        same = start_ticks in (0, int(fields[19]))
    except OSError:
        return "" if (proc / "stat").exists() else _state_without_proc(pid)
    except (ValueError, IndexError):
        return ""
    return fields[0] if same else ""


def _state_without_proc(pid: int) -> str:
    """As far as a signal tells, on systems that have no /proc."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # it is there, and another user's
        return "S"
    except (ProcessLookupError, OverflowError):
        return ""
    return "S"


def _same_host(member: Member, proc: Path) -> tuple[bool, bool]:
    """Whether *member* is of this host, and whether the host was restarted since."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = ""
    if member.host_boot and member.host_boot == boot:
        return True, False
    return member.host == socket.gethostname(), bool(member.host_boot and boot)


class _MemoryKills:
    """Whether the kernel killed for memory while we watched: the counters of the process's cgroup and of the host."""

    def __init__(self, proc: Path, pid: int) -> None:
        self._group = _cgroup_events(proc, pid)
        self._host = proc / "vmstat"
        self._before = self._counts()

    def note(self) -> None:
        """The process is alive: what was killed so far was another."""
        self._before = self._counts()

    def verdict(self) -> str:
        """What the counters say after the process has gone; "" where they have not risen."""
        group, host = self._counts()
        if group > self._before[0]:
            return "killed by the kernel: its memory limit (cgroup) was reached"
        if host > self._before[1]:
            return "gone as the kernel killed a process for want of memory"
        return ""

    def _counts(self) -> tuple[int, int]:
        return _counter(self._group, "oom_kill") if self._group else 0, _counter(self._host, "oom_kill")


def _cgroup_events(proc: Path, pid: int) -> Path | None:
    try:
        lines = (proc / str(pid) / "cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("0::"):
            events = Path("/sys/fs/cgroup") / line[3:].lstrip("/") / "memory.events"
            return events if events.exists() else None
    return None


def _counter(path: Path, name: str) -> int:
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdecimal():
            return int(value)
    return 0
