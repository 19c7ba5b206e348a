"""What a host knows now, and no more: for a list, a diagnosis, a single frame."""

from __future__ import annotations

from collections.abc import Sequence

from dettui.errors import HostUnreachable
from dettui.feed.base import Arrival
from dettui.feed.ssh.feed import SshFeed


class OnceFeed:
    """*feed* until everything that its host knows has come."""

    def __init__(self, feed: SshFeed) -> None:
        self._feed = feed

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """What came; raises HostUnreachable where the host cannot be reached."""
        arrivals = self._feed.poll(wait_s) if self._feed.is_pending else ()
        if self._feed.link.state.is_down:
            raise HostUnreachable(self._feed.link.text)
        return arrivals

    def exhausted(self) -> bool:
        """True once everything has come."""
        return not self._feed.is_pending

    def close(self) -> None:
        """Hang up."""
        self._feed.close()
