"""Notices that a script trains another model by now: the next fold, the student of a teacher, the next trial."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Final

from dettui_probe.capture.torchlib import Optimizer

LEAST_STEPS: Final = 100
"""Of our model's own.  Whoever trains two in turn, such as a policy and a value, changes sooner for the first time."""
PASSES: Final = 8
"""Backward passes in a row that were of somebody else's."""

_stepped: Final[weakref.WeakSet[Optimizer]] = weakref.WeakSet()
"""Optimizers of this process that have stepped."""


class Heirs:
    """Whether somebody else is trained in our model's place, which is told once, by *when_over*.

    That is so where backward passes of others come one after the other, between which our model is not called to be
    trained, and where an optimizer steps with them that never stepped before.  Models that are trained in turn are not
    taken for it: their optimizers are known by the time that our model has come far enough.
    """

    def __init__(self, when_over: Callable[[], None] | None) -> None:
        self._when_over = when_over
        self._passes = 0
        self._newcomer = False

    def ours_is_called(self) -> None:
        """Our model is called to be trained."""
        self._passes, self._newcomer = 0, False

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimizer of the process steps, of whatever model."""
        if optimizer not in _stepped:
            _stepped.add(optimizer)
            self._newcomer = True

    def others_backward(self, own_steps: int) -> None:
        """A backward pass begins that our model had no part in."""
        self._passes += 1
        if self._when_over and self._newcomer and self._passes >= PASSES and own_steps >= LEAST_STEPS:
            self._when_over()
            self._when_over = None
