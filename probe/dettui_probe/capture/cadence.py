"""At which steps something is read that need not be read in every one."""

from __future__ import annotations

from typing import NamedTuple


class Cadence(NamedTuple):
    """Every step up to *full*, then every *every*-th."""

    full: int
    every: int

    def due(self, step: int) -> bool:
        """Whether to read in *step*."""
        return step <= self.full or step % self.every == 0
