"""What viewers and the agent say to each other, over a local socket or through ssh.  Version 2.

A viewer sends one request and waits for its one reply; the agent answers in at most PARK_S seconds.  One request in
flight bounds memory and staleness at both ends: nobody pushes.

    viewer                              agent
    Open(version, runs, have)    ->
                                 <-     Opened(version, pid)      or Refused(text)
    Next(budget, patience)       ->
                                 <-     News(portions, ...)       as soon as there is some, empty after PARK_S;
                                                                  or Refused where the session is not known (any more)

A portion carries whole frames (``dettui_probe.framing``), of one strand, in order, as the probe packed them: their
checksums hold from the training process to the viewer.  A jump in their sequence numbers is a loss.  Only where more
than *patience* bytes of a strand wait are they thinned, by the agent, and packed anew: such a portion says up to which
frame it reaches and how many rows were left out.

Probes (PUSH) send multipart messages [run, boot, rank in decimal, frame] and never hear anything.

A message is one line of JSON, then the bytes of its portions one after the other.  The line is a list: the name of
the message, then its fields; fields are only ever appended.  Standard library only, for the same code speaks on a host
that has nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

VERSION = 2
PARK_S = 1.0
MAX_BUDGET = 1 << 20
MAX_MESSAGE = 4 << 20
"""Of the query socket; that of the probes takes 1 MiB and a little."""


class Have(NamedTuple):
    """The viewer has the frames of this strand up to *seq*."""

    run: str
    boot: str
    rank: int
    seq: int


class Open(NamedTuple):
    """Begin a session, or begin anew."""

    version: int
    runs: tuple[str, ...] = ()  # ids, names, or beginnings of them; none: all
    have: tuple[Have, ...] = ()


class Next(NamedTuple):
    """Ask for news of at most about *budget* bytes."""

    budget: int
    patience: int = 0  # of more bytes than this the viewer wants an extract; 0: never


class Opened(NamedTuple):
    """The session stands."""

    version: int
    pid: int


class Refused(NamedTuple):
    """The request cannot be served; *text* is one line for the user."""

    text: str


class State(NamedTuple):
    """A run's state: see ``dettui.domain.run.Liveness``."""

    state: str
    reason: str = ""
    exit_code: int | None = None


class Portion(NamedTuple):
    """News of one strand."""

    run: str
    boot: str
    rank: int
    data: bytes = b""  # whole frames
    state: State | None = None  # where it changed
    upto: int = -1  # of an extract: the last frame that it covers; -1 where nothing was thinned
    left_out: int = 0  # rows of these frames that are not in *data*
    lost: int = 0  # frames among these that the log does not hold


class News(NamedTuple):
    """The answer to ``Next``."""

    portions: tuple[Portion, ...] = ()
    received: float = 0.0  # when the question came and when the answer left, by the agent's clock
    sent: float = 0.0
    waiting: int = 0  # about how many bytes more there are already


Request: TypeAlias = "Open | Next"
Reply: TypeAlias = "Opened | Refused | News"


def encode(message: Request | Reply) -> bytes:
    """*message* as bytes."""
    line = [type(message).__name__.lower(), *message]
    if not isinstance(message, News):
        return _line(line)
    line[1] = [portion._replace(data=len(portion.data)) for portion in message.portions]  # type: ignore[arg-type]
    return b"".join([_line(line), *(portion.data for portion in message.portions)])


def request_of(data: bytes) -> Request | None:
    """The request in *data*; None where it is none.  Never raises."""
    try:
        name, fields, _ = _parsed(data)
        return _open(fields) if name == "open" else _next(fields) if name == "next" else None
    except (ValueError, RecursionError):
        return None


def reply_of(data: bytes) -> Reply | None:
    """The reply in *data*; None where it is none.  Never raises."""
    try:
        name, fields, body = _parsed(data)
        if name == "opened":
            return Opened(*_typed(fields, int, int))
        if name == "refused":
            return Refused(*_typed(fields, str))
        return _news(fields, body) if name == "news" else None
    except (ValueError, RecursionError):
        return None


def _line(fields: list[Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def _parsed(data: bytes) -> tuple[str, list[Any], bytes]:
    """Name, fields and body of a message.  Raises ValueError."""
    line, _, body = data.partition(b"\n")
    fields = json.loads(line)
    (name,) = _typed(fields, str)
    return name, fields[1:], body


def _typed(fields: object, *kinds: type) -> list[Any]:
    """The first of *fields*, which have to be of these *kinds*.  Raises ValueError."""
    if not isinstance(fields, list) or list(map(type, fields[: len(kinds)])) != list(kinds):
        raise ValueError("not the fields that were expected")
    return fields[: len(kinds)]


def _open(fields: list[Any]) -> Open:
    version, runs, have = _typed(fields, int, list, list)
    return Open(
        version,
        tuple(_typed(runs, *[str] * len(runs))),
        tuple(Have(*_typed(one, str, str, int, int)) for one in have),
    )


def _next(fields: list[Any]) -> Next:
    return Next(*_typed(fields, int, int))


def _news(fields: list[Any], body: bytes) -> News:
    portions, received, sent, waiting = _typed(fields, list, float, float, int)
    found: list[Portion] = []
    at = 0
    for portion in portions:
        run, boot, rank, size = _typed(portion, str, str, int, int)
        if not 0 <= size <= len(body) - at:
            raise ValueError("a portion is cut")
        state, *numbers = portion[4:8]
        found.append(Portion(run, boot, rank, body[at : at + size], _state(state), *_typed(numbers, int, int, int)))
        at += size
    return News(tuple(found), received, sent, waiting)


def _state(fields: object) -> State | None:
    if fields is None:
        return None
    state, reason = _typed(fields, str, str)
    code = fields[2] if isinstance(fields, list) and len(fields) > 2 else None
    return State(state, reason, code if isinstance(code, int) else None)
