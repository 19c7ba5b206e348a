"""What has been read so far in the current step."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from dettui_probe.capture.budget import Budget, Instrument
from dettui_probe.capture.record import Message, Reading, Sheet, Signed
from dettui_probe.fence import Fence
from dettui_probe.run import Run

IMPORTANCE: Final = {
    "row": 1024.0,
    "loss": 1024.0,
    "schedule": 1024.0,
    "held_out": 1024.0,
    "targets": 32.0,
    "coverage": 16.0,
    "assignment": 4.0,
    "surest": 2.0,
    "gradients": 4.0,
    "norms": 4.0,
    "ranks": 4.0,
    "warnings": 4.0,
    "exhibits": 4.0,
    "classes": 4.0,
    "updates": 2.0,
    "graph": 8.0,
    "sketch": 1.0,
    "fit": 1.0,
    "rows": 1.0,
    "finite": 1.0,
    "output": 1.0,
    "copies": 2.0,
    "leftover": 2.0,
    "gain": 2.0,
    "untrained": 2.0,
    "moments": 0.5,
    "saturation": 1.0,
    "pixels": 1.0,
    "inputs": 1.0,
    "memory": 1.0,
    "weights": 0.25,
}
"""Order of thinning: first what a rule can wait for, then the exact checks, last the loss, which every rule and every
eye needs.  A weight costs at most some resolution."""

EXACT: Final = frozenset({"row", "loss", "targets"})  # never skipped in the first steps


class Collector:
    """Makes the instruments of a run, and gathers what they read until the row of the step is told."""

    def __init__(self, budget: Budget, run: Run) -> None:
        self._budget = budget
        self._run = run
        self.steps_before = run.recorder.before  # before this process
        self.values: dict[str, float] = {}
        self.messages: list[Message] = []
        self._signed: list[Signed] = []
        self._made: list[Instrument] = []

    def instrument(self, name: str, *, at_most_every: int = 1) -> Instrument:
        """A new instrument under the budget; *name* is a key of IMPORTANCE.  *at_most_every*: steps between its
        measurements by its own choice."""
        fences = self._run.fence(name), Fence(name, self._run.ledger)
        made = Instrument(name, *fences, IMPORTANCE[name], exact=name in EXACT, at_most_every=at_most_every)
        self._made.append(made)
        return self._budget.add(made)

    def keep_only(self, names: Collection[str]) -> None:
        """Switch off every instrument whose name is not among *names*."""
        for instrument in self._made:
            if instrument.name not in names:
                instrument.fence.open = False

    def keep(self, instrument: Instrument, reading: Reading | None) -> None:
        """Add *reading* to the step."""
        if reading is not None:
            self._signed.append((instrument, reading))

    def replace(self, instrument: Instrument, reading: Reading | None) -> None:
        """Add *reading* in place of what *instrument* read earlier in the step."""
        self._signed = [signed for signed in self._signed if signed[0] is not instrument]
        self.keep(instrument, reading)

    def close_step(self, sheet: Sheet) -> list[Signed]:
        """Move everything into *sheet*; returns the readings that are still to be decoded."""
        sheet.values.update(self.values)
        sheet.messages.extend(self.messages)
        signed = self._signed
        self.values, self.messages, self._signed = {}, [], []
        return signed
