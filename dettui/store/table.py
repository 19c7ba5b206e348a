"""All numbers of one run: blocks of rows in, series out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dettui.domain.series import Floats, Series
from dettui.store.columns import Family, Rows, in_order
from dettui.store.rows import between
from dettui.store.snapshot import Snapshot
from dettui_probe import tags as vocabulary

_FEWEST_ROWS_TO_THIN = 64


class Block(NamedTuple):
    """Rows of named columns; the names all differ."""

    names: tuple[str, ...]
    rows: Rows


def rows_between(blocks: Sequence[Block], after: int | None, upto: int | None) -> list[Block]:
    """Of *blocks*, the rows whose step s satisfies ``after < s <= upto`` (None: no bound)."""
    cut = (Block(names, between(rows, after, upto)) for names, rows in blocks)
    return [block for block in cut if block.rows.height]


class _Stop(NamedTuple):
    """One family that a block goes to, and which of the block's columns it takes."""

    family: Family
    columns: list[int] | None  # None: all, as they are


class Table:
    """Families of columns, split so that every tag has one home; see ``columns``."""

    def __init__(self, max_points: int) -> None:
        self.points = 0
        self.thinned = False  # True once old rows had to be thinned
        self._max_points = max_points
        self._homes: dict[str, Family] = {}
        self._routes: dict[tuple[str, ...], tuple[_Stop, ...]] = {}
        self._views: dict[str, Series] = {}
        self._known_homes: dict[str, Family] | None = None  # as handed out to snapshots, while no tag has moved
        self._by_prefix: dict[str, tuple[str, ...]] = {}  # as asked for, while no tag has come

    @property
    def tags(self) -> Iterable[str]:
        """Names in order of first arrival."""
        return self._homes.keys()

    def tags_under(self, prefix: str) -> tuple[str, ...]:
        """Those names that begin with *prefix*, in order of first arrival."""
        if prefix not in self._by_prefix:
            self._by_prefix[prefix] = tuple(tag for tag in self._homes if tag.startswith(prefix))
        return self._by_prefix[prefix]

    def append(self, blocks: Sequence[Block]) -> None:
        """Take in the blocks of one message."""
        for block in blocks:
            if block.names not in self._routes:
                self._settle(block.names)
        pieces: dict[Family, list[Rows]] = {}
        for names, rows in blocks:
            for family, columns in self._route(names):
                piece = rows if columns is None else Rows(rows.steps, rows.times, rows.values[:, columns])
                pieces.setdefault(family, []).append(piece)
        for family, parts in pieces.items():
            family.append(in_order(parts))
        self.points += sum(block.rows.values.size for block in blocks)
        self._stay_within_bounds()

    def series(self, tag: str) -> Series | None:
        """All points of *tag*, None where it never came."""
        family = self._homes.get(tag)
        if family is None:
            return None
        known = self._views.get(tag)
        if known is None or len(known) != len(family):
            unit = known.unit if known is not None else vocabulary.unit_of(tag)
            known = self._views[tag] = family.series(tag, unit)
        return known

    def newest(self, tag: str, points: int, upto: int) -> Floats | None:
        """The newest *points* values of *tag* since the newest start of the run, up to the step *upto*; None where it
        never came."""
        family = self._homes.get(tag)
        return None if family is None else family.newest(tag, points, upto)

    def snapshot(self) -> Snapshot:
        """All series as they are now."""
        if self._known_homes is None:
            self._known_homes = dict(self._homes)
        return Snapshot(self._known_homes)

    @property
    def bytes(self) -> int:
        """Memory that all families take."""
        return sum(family.bytes for family in self._families())

    def strand_series(self, tag: str) -> Series | None:
        """The points of *tag* since the newest start of the run."""
        whole = self.series(tag)
        if whole is None or not self._homes[tag].strand_starts:
            return whole
        since = slice(self._homes[tag].strand_start, None)
        return Series(tag, whole.steps[since], whole.values[since], whole.times[since], whole.unit)

    def begin_strand(self) -> None:
        """What comes from here on is of another boot."""
        for family in self._families():
            family.begin_strand()

    def _families(self) -> tuple[Family, ...]:
        return tuple(dict.fromkeys(self._homes.values()))

    def _settle(self, names: tuple[str, ...]) -> None:
        """Give every name a home, so that the block fills whole families only."""
        arriving = frozenset(names)
        for family in dict.fromkeys(self._homes[name] for name in names if name in self._homes):
            self._split(family, arriving)
        newcomers = [name for name in names if name not in self._homes]
        if newcomers:
            self._move_in(Family(newcomers))
            self._by_prefix.clear()

    def _split(self, family: Family, arriving: frozenset[str]) -> None:
        staying = [tag for tag in family.tags if tag not in arriving]
        if not staying:
            return
        self._move_in(family.part([tag for tag in family.tags if tag in arriving]))
        self._move_in(family.part(staying))
        self._routes.clear()

    def _move_in(self, family: Family) -> None:
        self._homes.update(dict.fromkeys(family.tags, family))
        self._known_homes = None

    def _route(self, names: tuple[str, ...]) -> tuple[_Stop, ...]:
        known = self._routes.get(names)
        if known is None:
            known = self._routes[names] = self._find_route(names)
        return known

    def _find_route(self, names: tuple[str, ...]) -> tuple[_Stop, ...]:
        place = {name: index for index, name in enumerate(names)}
        families = dict.fromkeys(self._homes[name] for name in names)
        if len(families) == 1 and next(iter(families)).tags == names:
            return (_Stop(next(iter(families)), None),)
        return tuple(_Stop(family, [place[tag] for tag in family.tags]) for family in families)

    def _stay_within_bounds(self) -> None:
        while self.points > self._max_points:
            largest = max(self._families(), key=lambda family: family.points)
            if len(largest) < _FEWEST_ROWS_TO_THIN:
                return
            before = largest.points
            largest.thin_oldest_half()
            self.points -= before - largest.points
            self.thinned = True
            self._views.clear()
