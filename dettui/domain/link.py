"""A link: how this viewer and one host are connected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class LinkState(str, Enum):
    """What a link is doing."""

    CONNECTING = "connecting"  # no answer yet
    UP = "up"
    LOST = "lost"  # no answer any more, or none ever: it is tried again by itself
    NEEDS_LOGIN = "needs_login"  # only an answer of the user (a password, a host key) brings it up
    FAILED = "failed"  # nothing will come before something is changed by hand

    @property
    def is_down(self) -> bool:
        """True where what is shown of the host is only what is known from before."""
        return self in (LinkState.LOST, LinkState.NEEDS_LOGIN, LinkState.FAILED)


@dataclass(frozen=True)
class Link:
    """One link as of now.  Strings are fit for a terminal."""

    host: str  # as the user typed it
    state: LinkState
    since: float  # when the state began, seconds since the epoch on this machine's clock
    text: str = ""  # one line: why it is down, and what to do
    retry_at: float | None = None  # when it is tried again
    clock_offset_s: float = 0.0  # the host's clock minus ours, as far as round trips tell
    round_trip_s: float | None = None
    bytes_per_s: float | None = None  # what it carries, where it was full enough to tell
