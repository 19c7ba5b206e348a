"""All series as of one moment, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dettui.domain.series import Series
from dettui.store.columns import Family, Rows
from dettui_probe import tags as vocabulary


class Snapshot(Mapping[str, Series]):
    """The series of a store by name, in order of first arrival.  Later rows do not show.

    A frame holds hundreds of series and a screen reads a dozen of them.  Any thread may read it: the rows that it
    holds never change, and two threads that ask at once make the same series twice.
    """

    def __init__(self, homes: Mapping[str, Family]) -> None:
        """*homes* is never changed any more: snapshots share it."""
        self._homes = homes
        self._rows: dict[Family, Rows] = {family: family.rows() for family in dict.fromkeys(homes.values())}
        self._made: dict[str, Series] = {}

    def __getitem__(self, tag: str) -> Series:
        made = self._made.get(tag)
        if made is None:
            family = self._homes[tag]
            made = self._made[tag] = family.column(tag, vocabulary.unit_of(tag), self._rows[family])
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def __contains__(self, tag: object) -> bool:
        return tag in self._homes
