"""What is shown of a long recording until it has been read in order."""

from __future__ import annotations

from collections.abc import Sequence

from dettui.domain.frame import Mark
from dettui.engine.marks import MarkBook
from dettui.store.run_store import RunStore, StorePolicy
from dettui_probe import wire


class Overview:
    """A store that was filled at once, and that no rule reads.

    A look that passes over parts of the log may miss how a column is called; such a column waits for the next look.
    """

    def __init__(self, messages: Sequence[wire.AnyMessage]) -> None:
        self.store = RunStore(StorePolicy(keeps_unnamed=False))
        for message in messages:
            self.store.apply(message)
        self._book = MarkBook()
        self._book.look(self.store)

    def is_reached(self, store: RunStore) -> bool:
        """True once *store*, which is read in order, knows as much."""
        return store.boots == self.store.boots and store.last_step >= self.store.last_step

    def marks(self) -> tuple[Mark, ...]:
        """On its curves, without findings."""
        return self._book.marks(())

    def progress(self, store: RunStore) -> str:
        """How far *store* has come, in one line."""
        reached, known = f"{store.last_step:,}", f"{self.store.last_step:,}"
        return f"still reading: the curves are a first look, findings are as of step {reached} of {known}"
