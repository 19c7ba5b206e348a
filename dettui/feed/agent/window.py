"""The newest frames of one strand, in memory."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from dettui.feed.agent.peek import is_greeting
from dettui_probe.framing import Frame, pack

MAX_BYTES = 4 << 20


class Window:
    """Packed frames in order of sequence number; the oldest go when they are too many bytes.

    Where there is no log to read them from again, the greetings (who the run is, names of its columns) stay:
    without them a viewer that comes late could not read the rest.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, *, keep_greetings: bool = False) -> None:
        self._max_bytes = max_bytes
        self._keep_greetings = keep_greetings
        self._greetings: set[int] = set()
        self._bytes = 0
        self._seqs: list[int] = []
        self._frames: list[bytes] = []
        self._ends: list[int] = []  # bytes up to and with each frame, from some beginning

    @property
    def first(self) -> int | None:
        """Sequence number of the oldest frame held."""
        return self._seqs[0] if self._seqs else None

    @property
    def last(self) -> int | None:
        """Sequence number of the newest frame held."""
        return self._seqs[-1] if self._seqs else None

    def append(self, frame: Frame) -> None:
        """Add the next frame."""
        packed = pack(*frame)
        if self._keep_greetings and is_greeting(frame.payload):
            self._greetings.add(frame.seq)
        self._seqs.append(frame.seq)
        self._frames.append(packed)
        self._ends.append(len(packed) + (self._ends[-1] if self._ends else 0))
        self._bytes += len(packed)
        if self._bytes > self._max_bytes:
            self._forget_oldest_half()

    def after(self, seq: int, budget: int) -> tuple[list[bytes], int]:
        """Frames behind *seq* of at most *budget* bytes, at least one where there is one; and the new last *seq*."""
        start = end = bisect_right(self._seqs, seq)
        while end < len(self._frames) and (end == start or len(self._frames[end]) <= budget):
            budget -= len(self._frames[end])
            end += 1
        return self._frames[start:end], self._seqs[end - 1] if end > start else seq

    def bytes_after(self, seq: int) -> int:
        """Bytes of the frames behind *seq*."""
        start = bisect_right(self._seqs, seq)
        if start == len(self._ends):
            return 0
        return self._ends[-1] - (self._ends[start - 1] if start else self._ends[0] - len(self._frames[0]))

    def _forget_oldest_half(self) -> None:
        middle = max(1, len(self._frames) // 2)
        kept = [place for place in range(middle) if self._seqs[place] in self._greetings]
        self._frames[:middle] = [self._frames[place] for place in kept]
        self._seqs[:middle] = [self._seqs[place] for place in kept]
        self._ends = list(accumulate(map(len, self._frames)))
        self._bytes = self._ends[-1]
