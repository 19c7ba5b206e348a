"""What a listener has to say to whoever looks at a dashboard of this host: where it listens, whom it turned away."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

import msgspec

from dettui.feed.base import Arrival
from dettui.store.text import clean
from dettui_probe.places import ensure_private, runtime_dir

LOOK_S = 1.0
MOST = 8
_MAX_BYTES = 64 << 10


class Note(msgspec.Struct, frozen=True):
    """One refusal."""

    time: float  # seconds since the epoch
    text: str


class Notes(msgspec.Struct, frozen=True):
    """The file ``listen.json`` in the runtime directory."""

    endpoint: str
    pid: int
    refused: list[Note] = []


def notes_path() -> Path:
    """Where the notes lie."""
    return runtime_dir() / "listen.json"


class NoteKeeper:
    """The listener's side: keeps the newest refusals, each text once, with the time of its last."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._refused: deque[Note] = deque(maxlen=MOST)
        self._write()

    def refused(self, line: str, now: float) -> bool:
        """Note a refusal; True where it is a new one."""
        repeated = [note for note in self._refused if note.text == line]
        if repeated and now - repeated[0].time < 60.0:
            return False
        for note in repeated:
            self._refused.remove(note)
        self._refused.append(Note(now, line))
        self._write()
        return not repeated

    def close(self) -> None:
        """Nobody listens any more."""
        notes_path().unlink(missing_ok=True)

    def _write(self) -> None:
        path = notes_path()
        ensure_private(path.parent)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode(Notes(self._endpoint, os.getpid(), list(self._refused))))
        draft.replace(path)


class NoteReader:
    """The viewer's side: refusals that were not told yet, as arrivals that belong to no run."""

    def __init__(self) -> None:
        self._look_at = 0.0
        self._since = time.time() - 600.0
        self._changed = 0

    def news(self, now: float) -> list[Arrival]:
        """What was noted since the last call; *now* is monotonic."""
        if now < self._look_at:
            return []
        self._look_at = now + LOOK_S
        notes = self._read()
        fresh = [note for note in notes.refused if note.time > self._since] if notes else []
        self._since = max((note.time for note in fresh), default=self._since)
        return [Arrival("", "", 0, notice=_line(note)) for note in fresh]

    def _read(self) -> Notes | None:
        try:
            changed = notes_path().stat().st_mtime_ns
            if changed == self._changed:
                return None
            self._changed = changed
            with notes_path().open("rb") as file:
                return msgspec.json.decode(file.read(_MAX_BYTES), type=Notes)
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
            return None


def _line(note: Note) -> str:
    when = time.strftime("%H:%M:%S", time.localtime(min(max(note.time, 0.0), 4e9)))
    return clean(f"{when} turned away {note.text}", 300)
