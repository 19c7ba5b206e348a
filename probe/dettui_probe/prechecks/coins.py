"""Shares of wins, and how far they may lie off by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dettui_probe.prechecks import policy


class Coin(NamedTuple):
    """How often one side won, in clusters that may share a fate."""

    wins: float
    compared: float
    error: float  # standard error of the share, never below that of independent coins

    @property
    def share(self) -> float:
        return self.wins / self.compared

    @property
    def at_least(self) -> float:
        """The share, less the policy's standard errors."""
        return self.share - policy.PAIRING_ERRORS * self.error

    @property
    def at_most(self) -> float:
        """The share, and the policy's standard errors more."""
        return self.share + policy.PAIRING_ERRORS * self.error


def coin_of(wins: Sequence[float], compared: Sequence[float]) -> Coin | None:
    """The coin over clusters of comparisons; None where there are too few of them."""
    total = sum(compared)
    clusters = sum(count > 0 for count in compared)
    if total < policy.PAIRING_MIN_BOXES or clusters < policy.PAIRING_MIN_CLUSTERS:
        return None
    share = sum(wins) / total
    between = sum((won - share * count) ** 2 for won, count in zip(wins, compared, strict=True))
    variance = max(between * clusters / (clusters - 1) / total**2, share * (1 - share) / total, 0.25 / total**2)
    return Coin(sum(wins), total, math.sqrt(variance))
