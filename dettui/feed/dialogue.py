"""The viewer's half of the protocol, whatever carries it: what to ask for, and what the answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dettui.domain.run import Liveness, RunState
from dettui.feed.agent import protocol
from dettui.feed.agent.discovery import StrandKey
from dettui.feed.base import Arrival
from dettui.feed.reading import StrandReader, safe
from dettui_probe.framing import frames_in


class Dialogue:
    """Remembers of every strand what has come, so that a new session goes on behind it."""

    def __init__(self, runs: Sequence[str] = ()) -> None:
        """Ask for *runs* (see ``agent.protocol.Open``; none: all)."""
        self._runs = tuple(runs)
        self._readers: dict[StrandKey, StrandReader] = {}

    def opening(self) -> protocol.Open:
        """What begins a session."""
        have = tuple(protocol.Have(*key, reader.seq) for key, reader in self._readers.items())
        return protocol.Open(protocol.VERSION, self._runs, have)

    def arrivals(self, news: protocol.News) -> Sequence[Arrival]:
        """What *news* bring."""
        return [self._arrival(portion) for portion in news.portions]

    def _arrival(self, portion: protocol.Portion) -> Arrival:
        key = (portion.run, portion.boot, portion.rank)
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = StrandReader(*key)
        frames = frames_in(portion.data)
        if portion.upto < 0:
            return reader.read(frames, _liveness(portion.state))
        arrival = reader.read_extract(frames, _liveness(portion.state), portion.upto, portion.lost)
        return replace(arrival, left_out=max(portion.left_out, 0))


def _liveness(state: protocol.State | None) -> Liveness | None:
    if state is None:
        return None
    known = {member.value for member in RunState}
    kind = RunState(state.state) if state.state in known else RunState.UNKNOWN
    return safe(Liveness(kind, state.reason, state.exit_code))
