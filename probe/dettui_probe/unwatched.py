"""Passes of our own through a copy of the model are nobody's training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class _Own:
    passes = 0  # how many such stretches are open in this process


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """Inside, whatever is trained is not the script's: the search for its model looks away."""
    _Own.passes += 1
    try:
        yield
    finally:
        _Own.passes -= 1


def is_unwatched() -> bool:
    """Whether the pass of now is our own."""
    return _Own.passes > 0
