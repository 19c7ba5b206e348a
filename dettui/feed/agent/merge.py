"""One strand of frames out of two paths, each of which may lack, delay or repeat some."""

from __future__ import annotations

from dettui_probe.framing import Frame

PATIENCE_S = 0.5
"""How long a frame waits for the ones before it: ten batches of the probe's writer."""
MAX_WAITING = 256
"""Frames that may wait; with at most 1 MiB each and 16 KiB usually, some 4 MiB."""


class Merge:
    """Puts frames in the order of their sequence numbers, each once.

    A frame that is ahead waits for the missing ones, which the other path may still bring; then the gap is given
    up, and shows as a jump in the sequence numbers.
    """

    def __init__(self, expected: int | None, patience_s: float = PATIENCE_S) -> None:
        """Begin with the frame *expected*; None: with whatever comes first."""
        self._expected = expected
        self._patience_s = patience_s
        self._waiting: dict[int, Frame] = {}
        self._waiting_since = 0.0

    @property
    def is_waiting(self) -> bool:
        """True where frames are held back behind a gap."""
        return bool(self._waiting)

    def offer(self, frame: Frame, now: float) -> list[Frame]:
        """The frames that *frame* lets go, in order; *now* is monotonic, in seconds."""
        if self._expected is None or frame.seq == self._expected:
            return self._release(frame)
        if frame.seq > self._expected:
            if not self._waiting:
                self._waiting_since = now
            self._waiting[frame.seq] = frame
        return self.overdue(now) if len(self._waiting) > MAX_WAITING else []

    def overdue(self, now: float) -> list[Frame]:
        """The frames that have waited long enough for the ones before them."""
        late = now - self._waiting_since > self._patience_s or len(self._waiting) > MAX_WAITING
        if not self._waiting or not late:
            return []
        self._waiting_since = now
        return self._release(self._waiting.pop(min(self._waiting)))

    def _release(self, frame: Frame) -> list[Frame]:
        released = [frame]
        while (following := self._waiting.pop(released[-1].seq + 1, None)) is not None:
            released.append(following)
        self._expected = released[-1].seq + 1
        return released
