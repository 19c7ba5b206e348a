"""Optimizers of other models that take turns with ours, each after a loss of its own: those of a GAN."""

from __future__ import annotations


class Rivals:
    """Counts steps of optimizers that hold nothing of the watched model, with a backward pass between them and ours.

    One that steps after the same backward pass, as for the parameters of a loss, has no loss of its own.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._newest = 0  # steps that count where a backward pass comes before ours
        self._has_loss = False  # a backward pass came since our last step

    def backward_begins(self) -> None:
        """Of any loss."""
        self._steps, self._newest, self._has_loss = self._steps + self._newest, 0, True

    def other_stepped(self) -> None:
        """An optimizer that is not ours."""
        self._newest += self._has_loss

    def ours_stepped(self) -> None:
        """What stepped after the same backward pass is no rival."""
        self._newest, self._has_loss = 0, False

    def take(self) -> int:
        """Steps of theirs since it was asked before."""
        steps, self._steps = self._steps, 0
        return steps
