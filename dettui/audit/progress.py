"""How long work tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called often, from one thread; must be cheap."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """*done* of *total*, for example of "files read"."""
        ...


def silent(what: str, done: int, total: int) -> None:
    """Says nothing."""
