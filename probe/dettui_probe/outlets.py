"""Where frames go: the log, whoever listens; and where the run stays announced."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from dettui_probe import framing
from dettui_probe.encode import Packet
from dettui_probe.fence import Fence
from dettui_probe.live import LivePath
from dettui_probe.registry import Entry, entry_path, publish
from dettui_probe.runlog import Record, RunLog

ANNOUNCE_S: Final = 5.0
NEWS_SYNC_S: Final = 5.0  # news reaches the disk this soon, at most this often


class Outlets:
    """Numbers the frames of one strand and hands them to the log and to the live paths.  One thread's."""

    def __init__(
        self, log: RunLog | None, lives: Sequence[tuple[LivePath, Fence]], entry: Entry, sync_s: float
    ) -> None:
        """*log* is None where no directory can be written; *sync_s* = 0 leaves syncing to the system."""
        self._log = log
        self._lives = lives
        self._entry = entry
        self._sync_s = sync_s
        self._seq = 0
        self._greeting: list[bytes] = []
        self._announce_at = time.monotonic() + ANNOUNCE_S
        self._synced_at = time.monotonic()
        self._has_news = False

    @property
    def lost_rows(self) -> int:
        """Rows that the disk refused for so long that they had to go."""
        return 0 if self._log is None else self._log.lost_rows

    @property
    def refusal(self) -> str:
        """What the disk said last; "" while it takes everything."""
        return "" if self._log is None else self._log.refusal

    @property
    def locked_out(self) -> str:
        """Why a listener that was named does not let this run in; "" where it does."""
        return next((live.refusal for live, _ in self._lives if live.refusal), "")

    def send(self, packets: Iterable[Packet]) -> None:
        """Number *packets*, append them to the log in one write, and offer them to the agent."""
        records = [self._record(packet) for packet in packets]
        if self._log is not None:
            self._log.append(records)
        frames = [record.frame for record in records]
        for live, fence in self._lives:
            fence.run(live.offer, frames, self._greeting)

    def note_news(self) -> None:
        """Something was sent that should survive a power failure."""
        self._has_news = True

    def keep(self, preamble: Callable[[], Iterable[Packet]]) -> None:
        """What is due from time to time: the next segment (which starts with *preamble*), sync, the registry."""
        now = time.monotonic()
        if self._log is not None:
            if self._log.wants_new_segment and self._log.next_segment():
                self._greeting = []
                self.send(preamble())
            self._sync_when_due(self._log, now)
        if now >= self._announce_at:
            self._announce_at = now + ANNOUNCE_S
            self._stay_announced()

    def close(self) -> None:
        """Let go of file and socket."""
        if self._log is not None:
            self._log.close()
        for live, fence in self._lives:
            fence.run(live.close)

    def remove(self) -> None:
        """Take back log and entry, closed before: everything in them was told again under another rank."""
        paths = [entry_path(self._entry)]
        if self._log is not None:
            paths.append(self._log.path)
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink()
        if self._log is not None:
            with contextlib.suppress(OSError):  # other ranks may have theirs in it
                self._log.path.parent.rmdir()

    def _record(self, packet: Packet) -> Record:
        frame = framing.pack(self._seq, packet.payload)
        self._seq += 1
        if packet.introduces:
            self._greeting.append(frame)
        return Record(frame, packet.rows)

    def _sync_when_due(self, log: RunLog, now: float) -> None:
        wait = min(NEWS_SYNC_S, self._sync_s) if self._has_news else self._sync_s
        if self._sync_s > 0 and now - self._synced_at >= wait:
            self._synced_at = now
            self._has_news = False
            log.sync()

    def _stay_announced(self) -> None:
        """Write the registry entry again where it was cleaned away."""
        try:
            if not entry_path(self._entry).exists():
                publish(self._entry)
        except OSError:
            return  # no registry: readers still find the log by its path
