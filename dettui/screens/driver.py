"""Where the dashboard draws.  Textual draws on stderr, which `dettui 2>log` sends away: the screen would stay empty."""

from __future__ import annotations

import sys
from typing import Any

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver


class StdoutDriver(LinuxDriver):
    """Draws on stdout."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if sys.__stdout__ is not None:
            self._file = sys.__stdout__


def driver_for_this_terminal(usual: type[Driver]) -> type[Driver]:
    """*usual*, or one that draws on stdout where only that is a terminal."""
    if usual is not LinuxDriver or _is_terminal(sys.__stderr__) or not _is_terminal(sys.__stdout__):
        return usual
    return StdoutDriver


def _is_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and stream.isatty()
