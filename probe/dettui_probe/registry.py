"""The runtime directory: where runs of this user on this host are announced, and where the agent says it listens.

<runtime dir>/reg/<run>.<rank>.<boot>.json    one Entry for each start of a probe
<runtime dir>/agent.json                      one Announcement, written by the agent
<runtime dir>/runs/<run>/                     logs of runs whose own directory is not writable
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from dettui_probe.places import ensure_private, runtime_dir


class Entry(msgspec.Struct, frozen=True):
    """How a probe announces itself; written before its first record."""

    run: str
    name: str
    rank: int
    world: int
    boot: str
    pid: int
    pid_start: int  # clock ticks since the boot of the kernel
    host: str
    host_boot: str  # the kernel's boot id
    log: str  # absolute path of the first segment, "" where nothing can be written
    python: str  # sys.executable
    started: float  # seconds since the epoch
    argv: list[str]
    cwd: str
    pid_ns: int = 0  # inode of the namespace in which pid counts


class Announcement(msgspec.Struct, frozen=True, rename={"inlet": "in"}):
    """Where the agent of this user and host listens."""

    inlet: str  # endpoint of the PULL socket that probes connect to
    query: str  # endpoint of the ROUTER socket that viewers connect to
    pid: int
    version: tuple[int, int]


def entry_path(entry: Entry) -> Path:
    """Where *entry* is kept."""
    return runtime_dir() / "reg" / f"{entry.run}.{entry.rank}.{entry.boot}.json"


def publish(entry: Entry) -> Path:
    """Write *entry*, whole or not at all.  Raises OSError."""
    ensure_private(runtime_dir())
    path = entry_path(entry)
    ensure_private(path.parent)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(msgspec.json.encode(entry))
    draft.replace(path)
    return path


def read_entry(path: Path) -> Entry | None:
    """The entry in *path*; None where it cannot be read or is not one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Entry)
    except (OSError, UnicodeDecodeError, RecursionError, msgspec.MsgspecError):
        return None


def announced_agent() -> Announcement | None:
    """The agent that listens here; None where there is none, or where the one that wrote the file is dead."""
    try:
        agent = msgspec.json.decode((runtime_dir() / "agent.json").read_bytes(), type=Announcement)
    except (OSError, UnicodeDecodeError, RecursionError, msgspec.MsgspecError):
        return None
    return agent if agent.inlet.startswith("ipc://") and _is_alive(agent.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(max(pid, 1), 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return pid > 0
