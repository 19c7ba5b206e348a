"""One line that says what is being checked; nothing where nobody watches."""

from __future__ import annotations

from typing import Final, TextIO

BAR: Final = 20


class Progress:
    """Rewrites its line on a terminal.  To a file or a pipe it writes nothing."""

    def __init__(self, out: TextIO | None, stages: int) -> None:
        self._out = out if out is not None and out.isatty() else None
        self._stages = stages
        self._done = 0

    def begin(self, stage: str) -> None:
        """*stage* begins now."""
        filled = BAR * self._done // self._stages
        self._write(f"preflight [{'#' * filled}{'.' * (BAR - filled)}] {stage}")
        self._done += 1

    def end(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._out is not None:
            self._out.write(f"\r\x1b[K{text}")
            self._out.flush()
