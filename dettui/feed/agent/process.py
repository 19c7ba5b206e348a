"""Looks at processes from outside: are they there, in which state, and did the kernel kill for want of memory?"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from dettui.feed.agent.discovery import Member
from dettui.feed.agent.memory_kills import Counters, MemoryKills
from dettui.feed.agent.procfs import (
    INITIAL_PID_NAMESPACE,
    booted_at,
    how_it_ended,
    pid_here,
    pid_namespace,
    resident_bytes,
    stat_of,
    thread_states,
)

GONE = ("", "Z", "X")
"""States of a process that is no more; a zombie only waits for its parent."""
OTHER_HOST = "a process of another host"
OTHER_CONTAINER = "a process of another container"


@dataclass(frozen=True)
class ProcessSight:
    """A process as seen now; *state* is the letter of /proc/<pid>/stat, "" where the process is gone."""

    ours: bool = True  # False: nothing of it can be seen from here
    state: str = ""
    since_s: float = 0.0  # how long it has been in this state
    was_seen: bool = False  # it was there at an earlier look, so that its absence means something
    restarted: bool = False  # the host was restarted since
    out_of_memory: str = ""  # what says that the kernel killed for memory while we watched
    ending: str = ""  # what a zombie tells of its end
    why_unseen: str = OTHER_HOST  # where it is not ours


class ProcessWatch:
    """Looks at one process through /proc.  A pid alone is unsound: it is given away again, means another process in
    a container, and nothing on another host."""

    def __init__(self, member: Member, proc: Path = Path("/proc"), counters: Counters | None = None) -> None:
        """*counters* are shared by those that are looked at together."""
        self._member = member
        self._proc = proc
        whereabouts = find(member, proc)
        self._pid = whereabouts.pid
        self._last = ProcessSight(
            whereabouts.ours, restarted=whereabouts.restarted, why_unseen=whereabouts.why_unseen or OTHER_HOST
        )
        self._since: float | None = None
        self._counters = counters
        self._memory = MemoryKills(proc, self._pid)
        self._waiting_threads: frozenset[str] = frozenset()

    def look(self, now: float) -> ProcessSight:
        """The process at *now* (monotonic seconds)."""
        state, exit_code = self._state()
        if self._since is None or state != self._last.state:
            self._since = now
        was_seen = self._last.was_seen or self._last.state not in GONE
        self._last = replace(self._last, state=state, since_s=now - self._since, was_seen=was_seen)
        if state in GONE:
            ending = how_it_ended(exit_code) or self._last.ending
            self._last = replace(self._last, out_of_memory=self._memory.verdict(), ending=ending)
        else:
            self._memory.note(resident_bytes(self._proc, self._pid), self._counters, now)
        return self._last

    def thread_waits(self) -> bool:
        """Whether one of its threads is in uninterruptible sleep and was so at the last call."""
        waiting = frozenset(thread for thread, state in thread_states(self._proc, self._pid) if state == "D")
        still, self._waiting_threads = waiting & self._waiting_threads, waiting
        return bool(still)

    def _state(self) -> tuple[str, int]:
        if not self._last.ours or self._last.restarted:
            return "", 0
        state = process_state(self._proc, self._pid, self._member.pid_start)
        stat = stat_of(self._proc / str(self._pid)) if state == "Z" else None
        return state, stat.exit_code if stat is not None else 0


@dataclass(frozen=True)
class Whereabouts:
    """Where a process is, as seen from here."""

    pid: int  # by which it is known here; 0 where it cannot be seen
    ours: bool = True
    restarted: bool = False
    why_unseen: str = ""


def find(member: Member, proc: Path = Path("/proc")) -> Whereabouts:
    """Where the process of *member* is."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = ""
    if member.host_boot and member.host_boot == boot:
        return _in_namespace(member, proc)
    if member.host != socket.gethostname():
        return Whereabouts(0, ours=False, why_unseen=OTHER_HOST)
    if not member.host_boot or not boot:
        return Whereabouts(member.pid)
    # The same name and another boot: restarted since, or another machine of that name.
    started_here = booted_at(proc)
    if started_here is not None and member.started > started_here:
        return Whereabouts(0, ours=False, why_unseen=OTHER_HOST)
    return Whereabouts(0, restarted=True)


def _in_namespace(member: Member, proc: Path) -> Whereabouts:
    """The same, on this kernel: the pid counts only in the namespace in which it was given."""
    here = pid_namespace(proc)
    if member.pid_ns in (0, here) or here == 0:
        return Whereabouts(member.pid)
    pid = pid_here(proc, member.pid, member.pid_start)
    if pid is not None:
        return Whereabouts(pid)
    if here == INITIAL_PID_NAMESPACE:  # from here it would be seen
        return Whereabouts(0)
    return Whereabouts(0, ours=False, why_unseen=OTHER_CONTAINER)


def process_state(proc: Path, pid: int, start_ticks: int) -> str:
    """The state letter of the process *pid* that started at *start_ticks*; "" where it is gone or another one."""
    if pid <= 0:
        return ""
    stat = stat_of(proc / str(pid))
    if stat is None:
        return "" if (proc / "stat").exists() else _state_without_proc(pid)
    return stat.state if start_ticks in (0, stat.start_ticks) else ""


def _state_without_proc(pid: int) -> str:
    """As far as a signal tells, on systems that have no /proc."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # it is there, and another user's
        return "S"
    except (ProcessLookupError, OverflowError):
        return ""
    return "S"
