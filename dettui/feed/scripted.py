"""A feed that plays what it was given: for tests, and for anything that has its messages in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dettui.feed.base import Arrival


class ScriptedFeed:
    """Brings one arrival a poll, in order, without waiting; exhausted at the end."""

    def __init__(self, arrivals: Iterable[Arrival]) -> None:
        self._coming = iter(arrivals)
        self._next = next(self._coming, None)

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """The next arrival; *wait_s* is ignored, there is nothing to wait for."""
        now, self._next = self._next, next(self._coming, None)
        return () if now is None else (now,)

    def exhausted(self) -> bool:
        """True once every arrival was brought."""
        return self._next is None

    def close(self) -> None:
        """Forget what was not brought yet."""
        self._coming, self._next = iter(()), None
