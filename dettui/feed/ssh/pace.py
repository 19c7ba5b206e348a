"""How much to ask of a link, by what it has carried so far; and what its round trips tell of the host's clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from dettui.feed.agent.protocol import MAX_BUDGET, Next


@dataclass(frozen=True)
class PacePolicy:
    """What is shown must not grow old: an answer may take *answer_s*, and what waits *patience_s* before it is thinned.

    On a link that loses segments an answer takes *lossy_answer_s*: each segment that is lost holds up everything
    behind it for another round trip, so fewer are hit, and there is time for one more.

    A history is waited for longer, *patience_start_s*: it comes once, and whole it tells more.

    Over a link of *fast* bytes per second a long history comes whole, though it takes longer: it is the catching up of
    a new viewer, and on such a link it ends.
    """

    start: int = 8 << 10  # bytes of the first answer of any size: 0.4 s at 20 kB/s
    least: int = 1 << 10
    answer_s: float = 0.25
    lossy_answer_s: float = 0.12
    patience_s: float = 0.5
    patience_start_s: float = 2.0
    fast: float = 1e6
    patience_fast_s: float = 10.0
    growth: int = 4  # of the budget after an answer that was full and took no time
    told_apart_s: float = 0.1  # a transfer shorter than this tells no rate: hosts are busy, and late by that much
    loss_memory: int = 32  # answers, some 15 s, for which a link that has lost something counts as one that does
    memory: int = 512  # round trips: on a slow link those of some minutes, of which some were almost empty


class _Trip(NamedTuple):
    delay_s: float
    clock_offset_s: float


class Pace:
    """Fed with every answer; says how much to ask for next."""

    def __init__(self, policy: PacePolicy | None = None) -> None:
        self._policy = policy or PacePolicy()
        self._budget = self._policy.start
        self._trips: deque[_Trip] = deque(maxlen=self._policy.memory)
        self._rates: deque[float] = deque(maxlen=2)  # of the newest answers that filled the link
        self._held_up: deque[bool] = deque(maxlen=self._policy.loss_memory)
        self._is_starting = True

    @property
    def bytes_per_s(self) -> float | None:
        """What the link carries, by the better of its two newest full answers: a single one may have been held up.
        None where it was never full enough to tell."""
        return max(self._rates) if len(self._rates) > 1 else None

    @property
    def round_trip_s(self) -> float | None:
        """The least of late, which is what the way itself takes."""
        return min((trip.delay_s for trip in self._trips), default=None)

    @property
    def clock_offset_s(self) -> float:
        """The host's clock minus ours, by the quickest round trip of late: half of its delay bounds the error."""
        return min(self._trips, key=lambda trip: trip.delay_s).clock_offset_s if self._trips else 0.0

    def question(self) -> Next:
        """The next one.  The first asks for next to nothing: its answer tells what the way alone takes."""
        if not self._trips:
            return Next(1)
        return Next(self._budget, self._patience())

    def caught_up(self) -> None:
        """Everything that the host knew has come: from here on, what comes is new."""
        self._is_starting = False

    def note(self, asked: float, took_s: float, received: float, sent: float, size: int) -> None:
        """An answer of *size* bytes came *took_s* after the question, which was *asked* by our clock; *received* and
        *sent* are by the host's."""
        delay_s = max(took_s - (sent - received), 0.0)
        self._trips.append(_Trip(delay_s, received - asked - delay_s / 2))
        self._held_up.append(self._is_held_up(delay_s, size))
        # One that did not fill the link, or was held up once, tells how late it was, not what the link carries.
        if 2 * size >= self._budget and list(self._held_up)[-2:] not in ([True], [False, True]):
            self._learn(size, delay_s - (self.round_trip_s or 0.0))
        elif any(self._held_up) and self.bytes_per_s is not None:
            self._budget = min(self._budget, max(round(self.bytes_per_s * self._answer_s), self._policy.least))

    def _is_held_up(self, delay_s: float, size: int) -> bool:
        """Whether an answer took half a round trip longer than its bytes and the way do."""
        rate, way_s = self.bytes_per_s, self.round_trip_s
        if rate is None or way_s is None:
            return False
        return delay_s - way_s - size / rate > max(way_s / 2, self._policy.told_apart_s)

    @property
    def _answer_s(self) -> float:
        return self._policy.lossy_answer_s if any(self._held_up) else self._policy.answer_s

    def _learn(self, size: int, transfer_s: float) -> None:
        policy = self._policy
        if transfer_s >= policy.told_apart_s:
            self._rates.append(size / transfer_s)
            self._budget = round(size / transfer_s * self._answer_s)
        else:
            self._rates.clear()
            self._budget *= policy.growth
        self._budget = min(max(self._budget, policy.least), MAX_BUDGET)

    def _patience(self) -> int:
        """Bytes that may wait before they are thinned; 0, without end, while the rate is not known."""
        if self.bytes_per_s is None:
            return 0
        policy = self._policy
        patience_s = policy.patience_start_s if self._is_starting else policy.patience_s
        if self.bytes_per_s >= policy.fast:
            patience_s = policy.patience_fast_s
        return max(round(self.bytes_per_s * patience_s), 1)
