"""Where the steps of one rank stood still."""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

from dettui.domain.ranks import Pause

_SHORTEST_S: Final = 5.0
_UNUSUAL_STEPS: Final = 4.0
_LAST_MOVES: Final = 64
_MOST_KEPT: Final = 256  # the oldest go first


class PauseLog:
    """The pauses of one start of one rank, by its own clock, as its beats and rows tell them in order."""

    def __init__(self) -> None:
        self.step = 0
        self.phase = ""
        self._closed: deque[Pause] = deque(maxlen=_MOST_KEPT)
        self._moved_at: float | None = None
        self._last_word: float | None = None
        self._silent_s = 0.0
        self._evaluated = False
        self._step_s: deque[float] = deque(maxlen=_LAST_MOVES)

    def beat(self, time: float, step: int, phase: str) -> None:
        """A sign of life."""
        self._hear(time)
        self.move(time, step)
        self.phase = phase
        self._evaluated = self._evaluated or phase == "idle"

    def move(self, time: float, step: int) -> None:
        """The step counter stood at *step* at *time*."""
        self._hear(time)
        if self._moved_at is not None and step <= self.step:
            return
        if self._moved_at is not None:
            still_s = time - self._moved_at
            if still_s > max(_SHORTEST_S, _UNUSUAL_STEPS * (self._usual_s or still_s)):
                self._closed.append(self._pause(still_s, is_open=False))
            elif still_s > 0:
                self._step_s.append(still_s / (step - self.step))
        self.step, self._moved_at = step, time
        self._silent_s, self._evaluated = 0.0, False

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """All of them, the one that is still open last."""
        if self._moved_at is None or self._last_word is None:
            return tuple(self._closed)
        return (*self._closed, self._pause(self._last_word - self._moved_at, is_open=True))

    @property
    def is_calm(self) -> bool:
        """Whether no step ever took long, nor does the one that is due: then there is no pause worth a look."""
        still_s = 0.0 if self._moved_at is None or self._last_word is None else self._last_word - self._moved_at
        return not self._closed and still_s <= _SHORTEST_S

    @property
    def closed(self) -> tuple[Pause, ...]:
        """Those after which a step came."""
        return tuple(self._closed)

    def _hear(self, time: float) -> None:
        if self._last_word is not None:
            self._silent_s = max(self._silent_s, time - self._last_word)
        self._last_word = time

    def _pause(self, still_s: float, *, is_open: bool) -> Pause:
        silent_s = min(self._silent_s, still_s)
        return Pause(self.step, self.phase, still_s, silent_s, is_open, self._evaluated, self._usual_s)

    @property
    def _usual_s(self) -> float | None:
        return statistics.median(self._step_s) if len(self._step_s) >= 2 else None
