"""What a host knows now, and no more: for a list, a diagnosis, a single frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dettui.domain.link import LinkState
from dettui.errors import HostUnreachable
from dettui.feed.base import Arrival
from dettui.feed.ssh.feed import SshFeed

_LOOK_S: Final = 0.1


class OnceFeed:
    """*feed* until everything that its host knows has come."""

    def __init__(self, feed: SshFeed) -> None:
        self._feed = feed
        self._ahead: list[Arrival] = []  # what came while the host was being reached

    def reach(self) -> None:
        """Wait until the host answers, before anything is made ready for what it says; raises HostUnreachable."""
        while self._feed.link.state is LinkState.CONNECTING:
            self._ahead += self._look(_LOOK_S)

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """What came; raises HostUnreachable where the host cannot be reached."""
        if self._ahead:
            ahead, self._ahead = self._ahead, []
            return ahead
        return self._look(wait_s) if self._feed.is_pending else ()

    def _look(self, wait_s: float) -> Sequence[Arrival]:
        arrivals = self._feed.poll(wait_s)
        if self._feed.link.state.is_down:
            raise HostUnreachable(self._feed.link.text)
        return arrivals

    def exhausted(self) -> bool:
        """True once everything has come."""
        return not (self._ahead or self._feed.is_pending)

    def close(self) -> None:
        """Hang up."""
        self._feed.close()
