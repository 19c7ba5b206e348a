"""Which rank is this?  A launcher says so at once; a script that makes its processes itself says so later, when it
introduces them to each other.  Until the first row it may turn out, and from then on it stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from dettui_probe import wire
from dettui_probe.outlets import Outlets

REMEMBERED: Final = 256  # messages before the first row
LINGER_S: Final = 2.0  # of a log that was given up: who follows it is to read its goodbye


class Settled(NamedTuple):
    """The strand under its right rank."""

    hello: wire.Hello
    outlets: Outlets


class Settling:
    """Watches for another rank until the first row, and remembers what was said so far.  The writer thread's."""

    def __init__(self, hello: wire.Hello, look: Callable[[wire.Hello], Settled | None]) -> None:
        """*look* returns the strand under another rank than that of the hello it is given, None where it is right."""
        self._hello = hello
        self._look = look
        self._said: list[wire.AnyMessage] = []
        self._is_over = False
        self._given_up: list[tuple[float, Outlets]] = []

    def note(self, message: wire.AnyMessage) -> None:
        """*message* was told ahead of the first row."""
        if not self._is_over and len(self._said) < REMEMBERED:
            self._said.append(message)

    def look(self) -> Settled | None:
        """The strand under its right rank, where that has turned out since."""
        if self._is_over:
            return None
        settled = self._look(self._hello)
        if settled is not None:
            self._hello = settled.hello
        return settled

    def end(self) -> None:
        """The first row is there: the rank stands."""
        self._is_over = True
        self._said.clear()

    @property
    def is_over(self) -> bool:
        """True once the rank stands."""
        return self._is_over

    @property
    def said(self) -> tuple[wire.AnyMessage, ...]:
        """What was told ahead of the first row."""
        return tuple(self._said)

    def give_up(self, outlets: Outlets) -> None:
        """What was told through *outlets* is told again elsewhere: it is removed, soon."""
        self._given_up.append((time.monotonic() + LINGER_S, outlets))

    def clean(self, *, at_once: bool = False) -> None:
        """Remove what was given up for long enough."""
        while self._given_up and (at_once or time.monotonic() >= self._given_up[0][0]):
            self._given_up.pop(0)[1].remove()
