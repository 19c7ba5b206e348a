"""The fence: keeps a fault of ours out of the user's training loop.

Every call from the user's code into ours goes through a Fence, one for each named part of the probe.  A fault is
caught, counted, told once in the stream, and switches its part off; after that the part costs one attribute look-up.
Twenty faults in a row, of whatever parts, turn the whole probe off.  Nothing is ever printed: the terminal is the
user's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

FAULTS_IN_A_ROW: Final = 20


class Ledger:
    """The faults of one run's probe, and all its fences.

    *report* is called with the name of a part and one line about the fault, once for each part.
    """

    def __init__(self, report: Callable[[str, str], None]) -> None:
        self._report = report
        self._fences: list[Fence] = []
        self.faults = 0
        self.in_a_row = 0

    def fence(self, part: str, *, patience: int = 1) -> Fence:
        """A fence for *part* that gives the part up after *patience* faults in a row."""
        fence = Fence(part, self, patience)
        self._fences.append(fence)
        return fence

    def close_all(self) -> None:
        """Switch every part off, for good."""
        for fence in self._fences:
            fence.open = False

    def note(self, part: str, fault: Exception, *, first: bool) -> None:
        """Count a fault; the first of its part is reported."""
        self.faults += 1
        self.in_a_row += 1
        if first:
            self._report(part, _one_line(fault))
        if self.in_a_row == FAULTS_IN_A_ROW:
            self._report("probe", f"{FAULTS_IN_A_ROW} faults in a row, everything is switched off")
            self.close_all()


class Fence:
    """Stands around one part of the probe.  ``open`` is False once the part is switched off."""

    __slots__ = ("_faults", "_in_a_row", "_ledger", "_patience", "open", "part")

    def __init__(self, part: str, ledger: Ledger, patience: int = 1) -> None:
        self.part = part
        self.open = True
        self._ledger = ledger
        self._patience = patience
        self._faults = 0
        self._in_a_row = 0

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What *function* returns; None where it failed or where the part is off."""
        if not self.open:
            return None
        try:
            result = function(*args, **kwargs)
        except Exception as fault:  # noqa: BLE001 - the fence: the one broad except of the project
            self._fell(fault)
            return None
        self._in_a_row = self._ledger.in_a_row = 0
        return result

    def __call__(self, function: Callable[P, T]) -> Callable[P, T | None]:
        """As a decorator: *function* behind this fence."""

        @functools.wraps(function)
        def fenced(*args: P.args, **kwargs: P.kwargs) -> T | None:
            return self.run(function, *args, **kwargs) if self.open else None

        return fenced

    def _fell(self, fault: Exception) -> None:
        self._faults += 1
        self._in_a_row += 1
        self.open = self.open and self._in_a_row < self._patience
        self._ledger.note(self.part, fault, first=self._faults == 1)


def _one_line(fault: Exception) -> str:
    """Type, message and place of *fault*, at most 500 characters; copes with a message that fails itself."""
    try:
        text = str(fault)
    except (TypeError, ValueError, AttributeError, RuntimeError):
        text = "(no text)"
    place = fault.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" ({place.tb_frame.f_code.co_name}:{place.tb_lineno})"
    return f"{type(fault).__name__}: {text}{where}"[:500].replace("\n", " ")
