"""Where the time of a step goes."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from dettui_probe import tags

Phase: TypeAlias = Literal["data", "forward", "backward", "optimizer", "idle"]

_TAGS: Final[dict[Phase, str]] = {
    "data": tags.TIME_DATA,
    "forward": tags.TIME_FORWARD,
    "backward": tags.TIME_BACKWARD,
    "optimizer": tags.TIME_OPTIMIZER,
}


class StepClock:
    """Adds up the phases of a step.  Idle time (an evaluation between two steps) belongs to no step.

    On a device these are the host's times: launches are short, and whoever waits for the device gets the wait.
    """

    def __init__(self, now: float) -> None:
        self.phase: Phase = "idle"
        self._since = now
        self._seconds: dict[Phase, float] = dict.fromkeys(_TAGS, 0.0)

    def enter(self, phase: Phase, now: float) -> None:
        """The current phase ends at *now* (seconds of a monotonic clock) and *phase* begins."""
        if self.phase != "idle":
            self._seconds[self._owner_of_time(phase)] += now - self._since
        self.phase, self._since = phase, now

    def _owner_of_time(self, following: Phase) -> Phase:
        """Between the micro-batches of an accumulated step no optimizer runs: that time went to the data."""
        return "data" if self.phase == "optimizer" and following == "forward" else self.phase

    def close_step(self) -> dict[str, float]:
        """The times of the step by tag, in seconds; counts from zero again."""
        values = {tag: self._seconds[phase] for phase, tag in _TAGS.items()}
        values[tags.TIME_STEP] = sum(values.values())
        self._seconds = dict.fromkeys(_TAGS, 0.0)
        return values
