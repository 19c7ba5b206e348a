"""How long a test waits for what is bound to happen.

Long, for the wait ends when it happens: the limit only makes a failure of what would otherwise hang.  A machine that is
five times as slow, or as busy, must stay below it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 120.0
BETWEEN_LOOKS_S: Final = 0.01


def until(happened: Callable[[], object], tell: Callable[[], object] = lambda: "it never happened") -> None:
    """Wait until *happened*; fails after PATIENCE_S with what *tell* returns."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, tell()
        time.sleep(BETWEEN_LOOKS_S)
