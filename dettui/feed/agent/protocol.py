"""What viewers and the agent say to each other.  Version 1.

A viewer (DEALER) sends one request and waits for its one reply; the agent (ROUTER) answers in at most PARK_S seconds.
One request in flight bounds memory and staleness at both ends: nobody pushes.

    viewer                              agent
    Open(version, runs, have)    ->
                                 <-     Opened(version, pid)      or Refused(text)
    Next(budget)                 ->
                                 <-     News(portions)            as soon as there is some, empty after PARK_S;
                                                                  or Refused where the session is not known (any more)

A portion carries whole frames (``dettui_probe.framing``), of one strand, in order, as the probe packed them: their
checksums hold from the training process to the viewer.  A jump in their sequence numbers is a loss.

Probes (PUSH) send multipart messages [run, boot, rank in decimal, frame] and never hear anything.

Messages are msgpack arrays tagged by name; fields are appended, with defaults.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

VERSION: Final = 1
PARK_S: Final = 1.0
MAX_BUDGET: Final = 1 << 20
MAX_MESSAGE: Final = 4 << 20
"""Of the query socket; that of the probes takes 1 MiB and a little."""


class _Message(msgspec.Struct, array_like=True, frozen=True):
    """Base of all messages."""


class Have(_Message, frozen=True):
    """The viewer has the frames of this strand up to *seq*."""

    run: str
    boot: str
    rank: int
    seq: int


class Open(_Message, frozen=True, tag="open"):
    """Begin a session, or begin anew."""

    version: int
    runs: list[str] = []  # none: all
    have: list[Have] = []


class Next(_Message, frozen=True, tag="next"):
    """Ask for news of at most about *budget* bytes."""

    budget: int


class Opened(_Message, frozen=True, tag="opened"):
    """The session stands."""

    version: int
    pid: int


class Refused(_Message, frozen=True, tag="refused"):
    """The request cannot be served; *text* is one line for the user."""

    text: str


class State(_Message, frozen=True):
    """A run's state: see ``dettui.domain.run.Liveness``."""

    state: str
    reason: str = ""
    exit_code: int | None = None


class Portion(_Message, frozen=True):
    """News of one strand."""

    run: str
    boot: str
    rank: int
    data: bytes = b""  # whole frames
    state: State | None = None  # where it changed


class News(_Message, frozen=True, tag="news"):
    """The answer to ``Next``."""

    portions: list[Portion] = []


Request: TypeAlias = "Open | Next"
Reply: TypeAlias = "Opened | Refused | News"

_ENCODER: Final = msgspec.msgpack.Encoder()
_REQUESTS: Final = msgspec.msgpack.Decoder(Open | Next)
_REPLIES: Final = msgspec.msgpack.Decoder(Opened | Refused | News)


def encode(message: Request | Reply) -> bytes:
    """*message* as msgpack."""
    return _ENCODER.encode(message)


def request_of(data: bytes) -> Request | None:
    """The request in *data*; None where it is none.  Never raises."""
    try:
        request: Request = _REQUESTS.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    return request


def reply_of(data: bytes) -> Reply | None:
    """The reply in *data*; None where it is none.  Never raises."""
    try:
        reply: Reply = _REPLIES.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    return reply
