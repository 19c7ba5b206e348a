"""A calm list: a row whose figures move is written anew twice a second, one whose state changes at once.

Digits that change ten times a second cannot be read, and over ssh bytes are the product: 64 runs of 100 steps a second
would send 20 KB/s.  Rows take turns, so that the list as a whole goes on with every frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dettui.domain.frame import RunFrame
from dettui.widgets.runs_items import Head, Item, Row
from dettui.widgets.runs_text import Look, lines_of
from dettui.widgets.text import Line

STEADY_S = 0.5
_TURNS = 5
"""Frames between two writings of a row, at ten frames a second."""


class _Written(NamedTuple):
    run: RunFrame
    turn: int
    key: tuple[object, ...]
    lines: tuple[Line, ...]


class Steady:
    """What was written last of each run.  Not safe for concurrent use."""

    def __init__(self) -> None:
        self._written: dict[str, _Written] = {}

    def lines(
        self,
        items: Sequence[Item],
        look: Look,
        now: float,
        write: Callable[[Item], tuple[Line, ...]],
        sight: range | None = None,
    ) -> list[tuple[Line, ...]]:
        """The lines of each item as of *now*, the time of the frame; *write* makes those that are due.

        Figures that move out of *sight*, the lines that are seen (None: all), are written once they come into it.
        """
        kept: dict[str, _Written] = {}
        found: list[tuple[Line, ...]] = []
        top = 0
        for place, item in enumerate(items):
            height = lines_of(item, look.width)
            is_seen = sight is None or (top < sight.stop and top + height > sight.start)
            top += height
            if isinstance(item, Head):
                found.append(write(item))
                continue
            key = _key(item, look)
            before = self._written.get(item.id)
            turn = _turn(now, place)
            if before is None or before.key != key or (is_seen and before.run is not item.run and before.turn != turn):
                before = _Written(item.run, turn, key, write(item))
            kept[item.id] = before
            found.append(before.lines)
        self._written = kept
        return found


def _turn(now: float, place: int) -> int:
    """A number that changes twice a second, for the row in *place* at another moment than for its neighbours."""
    return math.floor(now / STEADY_S + (place % _TURNS) / _TURNS)


def _key(row: Row, look: Look) -> tuple[object, ...]:
    """What is shown at once where it changes."""
    run = row.run
    return (
        look.width,
        look.has_hosts,
        row.id == look.selected,
        look.picked.get(row.id),
        row.id in look.by_chance,
        run.liveness,
        run.diagnosis.worst,
        run.info.name,
        run.link.state if run.link else None,
    )
