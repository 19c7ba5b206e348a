"""One viewer, as the agent serves it: what it has, and what it is to get next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dettui.domain.run import Liveness
from dettui.feed.agent.discovery import Member, StrandKey
from dettui.feed.agent.extract import Extract
from dettui.feed.agent.protocol import Portion, State
from dettui.feed.agent.strand import READ_BYTES, Strand, bytes_behind
from dettui.feed.agent.tail import LogTail
from dettui_probe.framing import Frame, pack, unpack

SCAN_BYTES = 8 << 20
"""Of a backlog, thinned into one answer: a third of a second of reading.  More comes with the next one."""
LEAST_SHARE = 512
"""Bytes of an answer that each of many strands gets: a row or two."""
_LOOKS = 16
"""At the log in one pull, of at most READ_BYTES each: a viewer that comes back passes over what it has."""


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
        """Serve *runs* (see ``wanted_runs``; none: all), from behind the frames that the viewer says it has."""
        self.runs = frozenset(runs)
        self._cursors = {key: _Cursor(seq) for key, seq in have.items()}
        self._turn = 0

    def portions(self, strands: Iterable[Strand], budget: int, patience: int = 0) -> list[Portion]:
        """News of at most about *budget* bytes; who comes first changes, so that no run starves.

        Where more than *patience* bytes wait in all (0: whatever waits), what is too much is thinned.
        """
        lineages = [lineage for lineage in _lineages(self._wanted(strands)) if lineage]
        self._turn += 1
        shift = self._turn % len(lineages) if lineages else 0
        lineages = lineages[shift:] + lineages[:shift]
        waiting = [self._waiting(lineage) for lineage in lineages] if patience else []
        if sum(waiting) > patience:
            return self._extracts(lineages, waiting, budget)
        portions: list[Portion] = []
        for lineage in lineages:
            portion = self._portion(lineage, budget)
            if portion is not None:
                portions.append(portion)
                budget -= len(portion.data)
            if budget <= 0:
                break
        return portions

    def waiting(self, strands: Iterable[Strand]) -> int:
        """About how many bytes there are that the viewer has not got."""
        return sum(self._waiting(lineage) for lineage in _lineages(self._wanted(strands)))

    def close(self) -> None:
        """Let go of files."""
        for cursor in self._cursors.values():
            cursor.close()

    def _wanted(self, strands: Iterable[Strand]) -> list[Strand]:
        if not self.runs:
            return list(strands)
        strands = list(strands)
        runs = wanted_runs((strand.member for strand in strands), self.runs)
        return [strand for strand in strands if strand.member.run in runs]

    def _extracts(self, lineages: list[list[Strand]], waiting: list[int], budget: int) -> list[Portion]:
        """News of every lineage: all of a little, and an extract of what is more than an equal share."""
        portions: list[Portion] = []
        for left, (size, place) in enumerate(sorted((size, place) for place, size in enumerate(waiting))):
            share = max(budget // (len(waiting) - left), LEAST_SHARE)
            portion = self._portion(lineages[place], share, thin=size > share)
            if portion is not None:
                portions.append(portion)
                budget = max(budget - len(portion.data), 0)
        return portions

    def _portion(self, lineage: Sequence[Strand], budget: int, *, thin: bool = False) -> Portion | None:
        """News of one rank: of the oldest boot that still has some.

        Boots never mix, for each numbers its columns anew: once a later one has begun, the ones before it are done,
        also where somebody runs two processes under one name.
        """
        for strand in lineage[self._newest_begun(lineage) :]:
            cursor = self._cursor(strand)
            if thin:
                told = self._extract(strand, cursor, budget)
            else:
                told = Portion(*strand.member.key, b"".join(self._advance(strand, cursor, budget)))
            is_behind = strand.window.last is not None and cursor.seq < strand.window.last
            # The end of a run is told after the last of its data, and only of its newest boot.
            changed = not is_behind and strand is lineage[-1] and strand.liveness != cursor.told
            if changed:
                cursor.told = strand.liveness
                told = told._replace(state=_state(strand.liveness))
            if told.data or changed or told.upto >= 0:
                return told
            if is_behind:
                return None
        return None

    def _cursor(self, strand: Strand) -> _Cursor:
        return self._cursors.setdefault(strand.member.key, _Cursor(-1))

    def _waiting(self, lineage: Sequence[Strand]) -> int:
        """About how many bytes the oldest boot that still has some has for the viewer."""
        for strand in lineage[self._newest_begun(lineage) :]:
            cursor = self._cursor(strand)
            first = strand.window.first
            size = strand.window.bytes_after(cursor.seq)
            if strand.member.log and first is not None and cursor.seq + 1 < first and cursor.log_read_upto < first:
                place = cursor.history.position if cursor.history else strand.place_of(cursor.seq + 1)
                size = max(size, bytes_behind(Path(strand.member.log), place))
            if size:
                return size
        return 0

    def _extract(self, strand: Strand, cursor: _Cursor, budget: int) -> Portion:
        """What *budget* bytes can tell of the frames behind the cursor."""
        extract = Extract(cursor.seq, budget)
        scanned = 0
        while scanned < SCAN_BYTES and not extract.is_full:
            packed = self._advance(strand, cursor, READ_BYTES)
            if not packed:
                break
            for frame in map(unpack, packed):
                extract.add(frame)
            scanned += sum(map(len, packed))
        if not scanned:
            return Portion(*strand.member.key)
        data, left_out = extract.packed()
        return Portion(*strand.member.key, data, None, extract.upto, left_out, extract.lost)

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


def wanted_runs(members: Iterable[Member], asked: Iterable[str]) -> set[str]:
    """Ids of the runs that *asked* means: ids; where one ends with "*", an id, a name, or the beginning of an id."""
    known = {member.run: member.name for member in members}
    runs: set[str] = set()
    for text in asked:
        short = text.rstrip("*")
        by_name = {run for run, name in known.items() if name == short}
        begun = {run for run in known if run.startswith(short)}
        runs |= {short} if text == short or short in known else by_name or begun
    return runs


def _state(liveness: Liveness) -> State:
    return State(liveness.state.value, liveness.reason, liveness.exit_code)
