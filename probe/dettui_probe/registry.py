"""The runtime directory: where runs of this user on this host are announced, and where the agent says it listens.

<runtime dir>/reg/<run>.<rank>.<boot>.json    one Entry for each start of a probe
<runtime dir>/agent.json                      one Announcement, written by the agent
<runtime dir>/runs/<run>/                     logs of runs whose own directory is not writable
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

MODE: Final = 0o700


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


def runtime_dir() -> Path:
    """$DETTUI_HOME, else /tmp/dettui-<uid>: short, for socket paths end at 107 bytes, and not XDG_RUNTIME_DIR,
    which vanishes at the last logout."""
    chosen = os.environ.get("DETTUI_HOME")
    return Path(chosen) if chosen else Path(f"/tmp/dettui-{os.getuid()}")


def runs_dir() -> Path:
    """$DETTUI_RUNS, else ./.dettui: where runs keep their logs."""
    return Path(os.environ.get("DETTUI_RUNS") or ".dettui").absolute()


def ensure_private(directory: Path) -> Path:
    """*directory*, made where it is missing, closed to everybody else.

    Raises PermissionError where it is a symlink or belongs to another user: in /tmp anybody may have put it there
    first.  The directory is the only guard of the sockets in it.
    """
    directory.mkdir(mode=MODE, parents=True, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{directory} is not a directory of our own")
    if stat.S_IMODE(status.st_mode) != MODE:
        directory.chmod(MODE)
    return directory


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
    except (OSError, msgspec.MsgspecError):
        return None


def announced_agent() -> Announcement | None:
    """The agent that listens here; None where there is none, or where the one that wrote the file is dead."""
    try:
        agent = msgspec.json.decode((runtime_dir() / "agent.json").read_bytes(), type=Announcement)
    except (OSError, msgspec.MsgspecError):
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
