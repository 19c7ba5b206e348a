"""How long to wait between two attempts."""

from __future__ import annotations

import random

LONGEST_S = 30.0
JITTER = 0.2
"""Either way, so that viewers of a host that comes back do not all call at once."""


class Backoff:
    """1, 2, 4 ... LONGEST_S seconds, and from the beginning again after a success."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._failures = 0

    def failed(self) -> float:
        """Seconds to wait after one more failure."""
        wait_s = min(2.0**self._failures, LONGEST_S)
        self._failures = min(self._failures + 1, 10)
        return wait_s * self._random.uniform(1 - JITTER, 1 + JITTER)

    def succeeded(self) -> None:
        """Begin again with the shortest wait."""
        self._failures = 0
