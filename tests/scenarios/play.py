"""Scenarios through the real store, rules and lifecycle, in the way the engine does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.battery import evaluate_all
from dettui.detect.lifecycle import Lifecycle
from dettui.domain.finding import Abstention, Finding
from dettui.store.run_store import RunStore
from dettui_probe import wire

EVERY = 20
"""Steps between evaluations."""


@dataclass(frozen=True)
class Played:
    """What a run came to."""

    store: RunStore
    findings: tuple[Finding, ...]
    abstained: tuple[Abstention, ...]

    def kinds(self, *, info: bool = False) -> set[str]:
        """Kinds of findings that were ever active; of warning or worse unless *info*."""
        return {f.kind for f in self.findings if info or f.severity != "info"}

    def first(self, *kinds: str) -> Finding | None:
        """The finding of one of *kinds* that was raised first as a warning or worse."""
        found = [f for f in self.findings if f.kind in kinds and f.severity != "info"]
        return min(found, key=lambda f: f.raised_at_step, default=None)


def store_of(messages: Sequence[wire.AnyMessage]) -> RunStore:
    """The store after all *messages*."""
    store = RunStore()
    for message in messages:
        store.apply(message)
    return store


def play(messages: Sequence[wire.AnyMessage], every: int = EVERY) -> Played:
    """Evaluate after every cell of *every* steps, once a row beyond it came, while *messages* are taken in."""
    store, lifecycle = RunStore(), Lifecycle()
    played = Played(store, (), ())
    cell: int | None = None  # the newest one, not evaluated yet
    for message in messages:
        if not isinstance(message, wire.Batch):
            store.apply(message)
            continue
        after: int | None = None
        for end in _cell_ends(message, every):
            if cell is not None and end > cell:
                played = _evaluate(store, lifecycle)
            store.apply_rows(message, after=after, upto=end)
            after, cell = end, max(end, cell or end)
    return played if cell is None else _evaluate(store, lifecycle)


def _evaluate(store: RunStore, lifecycle: Lifecycle) -> Played:
    symptoms, abstained = evaluate_all(store, store.last_step)
    return Played(store, lifecycle.update(symptoms, store.last_step), abstained)


def _cell_ends(message: wire.Batch, every: int) -> list[int]:
    steps = np.concatenate([np.frombuffer(block.steps, dtype="<i8") for block in message.blocks])
    return [int(end) for end in np.unique(-(-steps // every) * every)]
