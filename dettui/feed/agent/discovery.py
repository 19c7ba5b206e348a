"""Which runs there are: the registry entries that probes leave in the runtime directory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

StrandKey: TypeAlias = "tuple[str, str, int]"
"""(run, boot, rank)"""

MAX_ENTRY_BYTES = 1 << 20


@dataclass(frozen=True)
class Member:
    """One start of one rank's probe, as it announced itself.  Strings are as they came."""

    run: str
    boot: str
    rank: int
    name: str
    host: str
    host_boot: str
    pid: int
    pid_start: int
    log: str  # "" where nothing could be written
    started: float
    pid_ns: int = 0  # inode of the pid namespace in which *pid* counts; 0 where it was not told

    @property
    def key(self) -> StrandKey:
        """What tells it from every other."""
        return self.run, self.boot, self.rank


_TYPES: dict[str, type] = {
    "run": str, "boot": str, "rank": int, "name": str, "host": str, "host_boot": str, "pid": int, "pid_start": int,
    "log": str,
}  # fmt: skip


def member_of(text: bytes) -> Member | None:
    """The entry in *text*; None where it is none: the file may hold anything."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("started"), (int, float)):
        return None
    if any(type(fields.get(name)) is not kind for name, kind in _TYPES.items()):
        return None
    pid_ns = fields.get("pid_ns")
    known = {name: fields[name] for name in _TYPES}
    return Member(started=float(fields["started"]), pid_ns=pid_ns if type(pid_ns) is int else 0, **known)


class Registry:
    """The entries under one runtime directory; a file is read again only where it changed."""

    def __init__(self, home: Path) -> None:
        self._directory = home / "reg"
        self._known: dict[str, tuple[int, Member | None]] = {}

    def members(self) -> tuple[Member, ...]:
        """All entries, oldest start first."""
        try:
            with os.scandir(self._directory) as entries:
                files = [entry for entry in entries if entry.name.endswith(".json")]
        except OSError:
            files = []
        self._known = {file.name: self._look(file) for file in files}
        found = [member for _, member in self._known.values() if member is not None]
        return tuple(sorted(found, key=lambda member: (member.started, member.key)))

    def _look(self, file: os.DirEntry[str]) -> tuple[int, Member | None]:
        try:
            changed = file.stat(follow_symlinks=False).st_mtime_ns
            known = self._known.get(file.name)
            if known is not None and known[0] == changed:
                return known
            with Path(file.path).open("rb") as entry:
                return changed, member_of(entry.read(MAX_ENTRY_BYTES))
        except OSError:
            return 0, None
