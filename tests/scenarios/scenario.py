"""What a scenario is, and the register of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dettui_probe import wire

Build = Callable[[np.random.Generator], list[wire.AnyMessage]]


@dataclass(frozen=True)
class Scenario:
    """A named synthetic run.  Healthy ones expect nothing, and must raise no warning."""

    name: str
    build: Build
    kinds: tuple[str, ...] = ()  # findings of warning or worse that must be raised
    cause: str | None = None
    by_step: int | None = None  # the latest step at which the first of them may be raised
    also: tuple[str, ...] = ()  # further findings that are true of it

    @property
    def is_healthy(self) -> bool:
        """True where nothing is wrong."""
        return not self.kinds

    def messages(self, seed: int = 0) -> list[wire.AnyMessage]:
        """What the probe would have sent: the same seed gives the same messages."""
        return self.build(np.random.default_rng([seed, len(self.name)]))
