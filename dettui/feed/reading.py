"""Frames of one strand in, arrivals out: decodes, notices losses, and says so in one line."""

from __future__ import annotations

from collections.abc import Iterable

from dettui.domain.run import Liveness
from dettui.feed.base import Arrival
from dettui.store.text import clean
from dettui_probe import wire
from dettui_probe.framing import Frame


class StrandReader:
    """Reads one boot of one rank of one run.  Frames come in order; a jump in their numbers is a loss."""

    def __init__(self, run: str, boot: str, rank: int) -> None:
        self.run, self.boot, self.rank = run, boot, rank
        self.seq = -1  # of the last frame read
        self.bye: wire.Bye | None = None
        self._unknown = 0
        self._told_unknown = False
        self._told_version = False

    def read(self, frames: Iterable[Frame], liveness: Liveness | None = None, holes: int = 0) -> Arrival:
        """The messages in *frames*; *holes* are unreadable places of the log that the caller met among them."""
        messages: list[wire.AnyMessage] = []
        notices: list[str] = []
        lost = jumps = 0
        for frame in frames:
            if frame.seq <= self.seq:
                continue
            if frame.seq > self.seq + 1:
                jumps += 1
                lost += frame.seq - self.seq - 1
            self.seq = frame.seq
            self._decode(frame, messages, notices)
        return self._arrival(messages, [*notices, *_missing(lost)], liveness, max(holes, jumps))

    def read_extract(self, frames: Iterable[Frame], liveness: Liveness | None, upto: int, lost: int) -> Arrival:
        """The messages in *frames*, an extract of all frames up to *upto*, of which *lost* are truly missing."""
        messages: list[wire.AnyMessage] = []
        notices: list[str] = []
        for frame in frames:
            if frame.seq > self.seq:
                self.seq = frame.seq
                self._decode(frame, messages, notices)
        self.seq = max(self.seq, upto)
        return self._arrival(messages, [*notices, *_missing(lost)], liveness, int(lost > 0))

    def _arrival(
        self, messages: list[wire.AnyMessage], notices: list[str], liveness: Liveness | None, holes: int
    ) -> Arrival:
        if self._unknown and not self._told_unknown:
            self._told_unknown = True
            notices.append("some records are of an unknown kind: the probe is newer than this viewer")
        return Arrival(self.run, self.boot, self.rank, tuple(messages), liveness, holes, "; ".join(notices))

    def _decode(self, frame: Frame, messages: list[wire.AnyMessage], notices: list[str]) -> None:
        message = wire.decode(frame.payload)
        if message is None:
            self._unknown += 1
            return
        messages.append(message)
        if isinstance(message, wire.Bye):
            self.bye = message
        if isinstance(message, wire.Hello) and not self._told_version:
            self._told_version = True
            notices += _version_notice(message.version)


def _missing(lost: int) -> list[str]:
    return [f"{lost} records are missing"] if lost > 0 else []


def safe(liveness: Liveness) -> Liveness:
    """*liveness* with a reason that is fit to be shown: it may quote the run's own traceback."""
    return Liveness(liveness.state, clean(liveness.reason, 500), liveness.exit_code)


def _version_notice(version: tuple[int, int]) -> list[str]:
    spoken = f"{version[0]}.{version[1]}"
    if version[0] != wire.MAJOR:
        return [f"the probe speaks wire version {spoken}, this viewer {wire.MAJOR}.{wire.MINOR}: update the older one"]
    if version[1] > wire.MINOR:
        return [f"the probe is newer ({spoken}) than this viewer ({wire.MAJOR}.{wire.MINOR})"]
    return []
