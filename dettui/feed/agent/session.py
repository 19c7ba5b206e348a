"""One viewer, as the agent serves it: what it has, and what it is to get next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dettui.domain.run import Liveness
from dettui.feed.agent.discovery import StrandKey
from dettui.feed.agent.strand import READ_BYTES, Strand
from dettui.feed.agent.tail import LogTail
from dettui_probe.framing import Frame, pack

_LOOKS = 16
"""At the log in one pull, of at most READ_BYTES each: a viewer that comes back passes over what it has."""


class Portion(NamedTuple):
    """What a viewer gets of one strand: whole frames, and the state where it changed."""

    key: StrandKey
    data: bytes
    liveness: Liveness | None


@dataclass
class _Cursor:
    """How far one viewer is in one strand."""

    seq: int  # of the last frame that it got, -1 before the first
    history: LogTail | None = None  # where it reads the log behind the window
    log_read_upto: int = -1  # the log holds nothing more of what came before this frame
    told: Liveness | None = None

    def close(self) -> None:
        """Let go of the log."""
        if self.history is not None:
            self.history.close()
            self.history = None


class Session:
    """A viewer's cursors.  Its memory does not grow with what the viewer has not asked for."""

    def __init__(self, runs: Sequence[str], have: dict[StrandKey, int]) -> None:
        """Serve *runs* (none: all), from behind the sequence numbers that the viewer says it has."""
        self.runs = frozenset(runs)
        self._cursors = {key: _Cursor(seq) for key, seq in have.items()}
        self._turn = 0

    def wants(self, run: str) -> bool:
        """True where this viewer watches *run*."""
        return not self.runs or run in self.runs

    def portions(self, strands: Iterable[Strand], budget: int) -> list[Portion]:
        """News of at most about *budget* bytes; who comes first changes, so that no run starves."""
        members = [lineage for lineage in _lineages(s for s in strands if self.wants(s.member.run)) if lineage]
        self._turn += 1
        shift = self._turn % len(members) if members else 0
        portions: list[Portion] = []
        for lineage in members[shift:] + members[:shift]:
            portion = self._portion(lineage, budget)
            if portion is not None:
                portions.append(portion)
                budget -= len(portion.data)
            if budget <= 0:
                break
        return portions

    def close(self) -> None:
        """Let go of files."""
        for cursor in self._cursors.values():
            cursor.close()

    def _portion(self, lineage: Sequence[Strand], budget: int) -> Portion | None:
        """News of one rank: of the oldest boot that still has some.

        Boots never mix, for each numbers its columns anew: once a later one has begun, the ones before it are done,
        also where somebody runs two processes under one name.
        """
        for strand in lineage[self._newest_begun(lineage) :]:
            cursor = self._cursors.setdefault(strand.member.key, _Cursor(-1))
            data = b"".join(self._advance(strand, cursor, budget))
            is_behind = strand.window.last is not None and cursor.seq < strand.window.last
            # The end of a run is told after the last of its data, and only of its newest boot.
            changed = not is_behind and strand is lineage[-1] and strand.liveness != cursor.told
            if changed:
                cursor.told = strand.liveness
            if data or changed:
                return Portion(strand.member.key, data, strand.liveness if changed else None)
            if is_behind:
                return None
        return None

    def _newest_begun(self, lineage: Sequence[Strand]) -> int:
        """Place of the newest boot of which the viewer has something; 0 where it has nothing."""
        keys = [strand.member.key for strand in lineage]
        return max((n for n, key in enumerate(keys) if key in self._cursors and self._cursors[key].seq >= 0), default=0)

    def _advance(self, strand: Strand, cursor: _Cursor, budget: int) -> list[bytes]:
        """The next frames of *strand*: from the log while they are older than the window, then from the window."""
        first = strand.window.first
        if strand.member.log and first is not None and cursor.seq + 1 < first and cursor.log_read_upto < first:
            frames = self._from_log(strand, cursor, first, budget)
            if frames or cursor.log_read_upto < first:
                return frames
        packed, cursor.seq = strand.window.after(cursor.seq, budget)
        return packed

    def _from_log(self, strand: Strand, cursor: _Cursor, first: int, budget: int) -> list[bytes]:
        """Frames between the cursor and the frame *first*; none where this look only met frames that it skips."""
        if cursor.history is None:
            cursor.history = LogTail(Path(strand.member.log), strand.place_of(cursor.seq + 1))
        for _ in range(_LOOKS):
            found = [item for item in cursor.history.poll(min(budget, READ_BYTES)) if isinstance(item, Frame)]
            frames = [frame for frame in found if cursor.seq < frame.seq < first]
            if frames:
                cursor.seq = frames[-1].seq
            if cursor.history.at_end or (found and found[-1].seq + 1 >= first):
                cursor.log_read_upto = first
                cursor.close()
                break
            if frames:
                break
        return [pack(*frame) for frame in frames]


def _lineages(strands: Iterable[Strand]) -> list[list[Strand]]:
    """Boots of the same rank of the same run, oldest first."""
    lineages: dict[tuple[str, int], list[Strand]] = {}
    for strand in strands:
        lineages.setdefault((strand.member.run, strand.member.rank), []).append(strand)
    for lineage in lineages.values():
        lineage.sort(key=lambda strand: strand.member.started)
    return list(lineages.values())
