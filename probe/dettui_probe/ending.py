"""How the process ends: learnt from chained hooks, told in the goodbye.

No signal handler is installed; SIGTERM and os._exit end a run without a goodbye, and cost the last 50 ms.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, NoReturn

MAX_TRACE = 16_384


class Farewell(NamedTuple):
    """What a goodbye says: *reason* is "finished", "exception" or "exit"."""

    reason: str
    exit_code: int | None = None
    text: str = ""


def farewell_of(error: BaseException) -> Farewell:
    """The goodbye of a process that *error* ends."""
    if isinstance(error, SystemExit):
        return Farewell("exit", _exit_code(error.code))
    if isinstance(error, KeyboardInterrupt):
        return Farewell("exit", 130, "KeyboardInterrupt")
    import traceback  # noqa: PLC0415 - loads the tokenizer; only a failing run needs it

    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Farewell("exception", 1, trace[-MAX_TRACE:])


def _exit_code(code: object) -> int:
    """What Python makes of the argument of sys.exit."""
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


class EndWatch:
    """Listens on sys.excepthook, threading.excepthook and sys.exit; passes everything on to whoever was there."""

    def __init__(self, on_thread_death: Callable[[BaseException], None]) -> None:
        """*on_thread_death* is told of exceptions that ended a thread other than the main one."""
        self.farewell = Farewell("exit")
        self._on_thread_death = on_thread_death
        self._excepthook = sys.excepthook
        self._thread_hook = threading.excepthook
        self._exit = sys.exit

    def start(self) -> None:
        """Take the hooks."""
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception
        sys.exit = self._on_exit

    def stop(self) -> None:
        """Give the hooks back, where nobody has taken them since."""
        if sys.excepthook == self._on_exception:
            sys.excepthook = self._excepthook
        if threading.excepthook == self._on_thread_exception:
            threading.excepthook = self._thread_hook
        if sys.exit == self._on_exit:
            sys.exit = self._exit

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.farewell = farewell_of(error)
        self._excepthook(kind, error, trace)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._on_thread_death(args.exc_value)
        self._thread_hook(args)

    def _on_exit(self, code: str | int | None = None, /) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            self.farewell = Farewell("exit", _exit_code(code))
        self._exit(code)
