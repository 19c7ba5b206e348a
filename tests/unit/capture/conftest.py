"""A run without a writer thread: what was put is read by the test itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch

from dettui_probe import wire
from dettui_probe.capture.budget import Budget
from dettui_probe.recorder import Row
from dettui_probe.run import Run


class Told(NamedTuple):
    """Everything that a run has put so far, in order."""

    rows: list[Row]
    counts: list[wire.Counts]
    events: list[wire.Event]
    models: list[wire.Model]
    pictures: list[wire.Pictures]

    def values(self, tag: str) -> list[float]:
        return [row.values[tag] for row in self.rows if tag in row.values]

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Measured in full, however busy the machine is."""
    monkeypatch.setattr(Budget, "ALLOWANCE_S", math.inf)
    run = Run("test", "test")
    run.active = True
    yield run
    run.finish()


@pytest.fixture
def told(run: Run) -> Callable[[], Told]:
    """Resolves what was put, as the writer thread would."""

    def read() -> Told:
        told = Told([], [], [], [], [])
        kinds = (Row, wire.Counts, wire.Event, wire.Model, wire.Pictures)
        places = dict(zip(kinds, told, strict=True))
        while (item := run.recorder.take()) is not None:
            parts = [item] if type(item) in places else list(item.resolve())  # type: ignore[union-attr]
            for part in parts:
                places[type(part)].append(part)  # type: ignore[attr-defined]
        return told

    return read
