"""Targets among the local variables of whoever calls the model: for a loss that is a plain function, or a method, which
no hook sees.  Variables are read, never written."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType
from typing import Final

MOST_CALLERS: Final = 8
CALLERS_TOLD_APART: Final = 4
_NOT_ASKED: Final = ("torch", "dettui_probe")  # packages whose functions stand between the model and its callers
_SNAPSHOTS: Final = sys.version_info < (3, 13)  # frame.f_locals is a copy there, which keeps alive what it holds


class Callers:
    """Finds a variable once, and reads it in every later call that comes the same way."""

    def __init__(self) -> None:
        self._code: CodeType | None = None
        self._name = ""

    @property
    def is_found(self) -> bool:
        """Whether ``search`` found one."""
        return self._code is not None

    def search(self, is_wanted: Callable[[object], bool]) -> object:
        """The first wanted one among the variables of the nearest callers; None where there is none, or where a
        debugger looks at them."""
        for frame in _callers():
            name = next((name for name, value in _variables(frame) if is_wanted(value)), None)
            if name is not None:
                self._code, self._name = frame.f_code, name
                return self.read()
        return None

    def is_kept(self, value: object) -> bool:
        """False where the variable, still there, holds another object than the *value* that was read: whoever binds
        it only after the model has answered had that of the batch before in it."""
        frame = next((frame for frame in _callers() if frame.f_code is self._code), None)
        return frame is None or any(held is value for name, held in _variables(frame) if name == self._name)

    def give_up(self) -> None:
        """What was found is not what was looked for."""
        self._code = None

    def read(self) -> object:
        """What the variable holds now; None where nobody is calling that has it."""
        frame = next((frame for frame in _callers() if frame.f_code is self._code), None)
        if frame is None:
            return None
        return next((value for name, value in _variables(frame) if name == self._name), None)


def call_site() -> int:
    """Where the script, and whoever called it there, stand now: the same in each turn of a loop, another in another
    loop, and in another call of the same function."""
    places: list[int] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and len(places) < 2 * CALLERS_TOLD_APART:
        if _is_asked(str(frame.f_globals.get("__name__", ""))):
            places += (id(frame.f_code), frame.f_lasti)
        frame = frame.f_back
    return hash(tuple(places))


@functools.lru_cache(maxsize=256)
def _is_asked(module: str) -> bool:
    return module.partition(".")[0] not in _NOT_ASKED


def _callers() -> Iterator[FrameType]:
    """From the nearest on."""
    frame, left = sys._getframe(1), MOST_CALLERS
    while frame is not None and left and sys.gettrace() is None:
        if _is_asked(str(frame.f_globals.get("__name__", ""))):
            left -= 1
            yield frame
        frame = frame.f_back  # type: ignore[assignment]


def _variables(frame: FrameType) -> list[tuple[str, object]]:
    variables = frame.f_locals
    listed = list(variables.items())
    if _SNAPSHOTS and frame.f_code.co_flags & CO_OPTIMIZED:
        variables.clear()  # or the loss and the outputs of a step would live as long as the function runs
    return listed
