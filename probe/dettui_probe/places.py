"""Where things are kept: the runtime directory of this user and host, and the logs.  Standard library only."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

MODE: Final = 0o700


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
