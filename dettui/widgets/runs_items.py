"""The items of the list of runs: runs, and the heads of their groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dettui.domain.frame import RunFrame
from dettui.domain.groups import group_names, group_of

Grouping: TypeAlias = Literal["", "host", "group", "name"]
GROUPINGS: tuple[Grouping, ...] = ("", "host", "group", "name")
"""In the order in which the key goes round; "" is one list, worst first."""


@dataclass(frozen=True, eq=False)
class Head:
    """The head of a group; its runs follow it, or are folded into it."""

    label: str
    runs: tuple[RunFrame, ...]
    is_folded: bool

    @property
    def id(self) -> str:
        """Tells it from runs and other heads."""
        return f"\0{self.label}"


@dataclass(frozen=True, eq=False)
class Row:
    """One run of the list."""

    run: RunFrame
    is_inside: bool = False  # a group

    @property
    def id(self) -> str:
        """Tells it from heads and other runs."""
        return self.run.info.id


Item: TypeAlias = "Head | Row"


def items_of(runs: Sequence[RunFrame], grouping: Grouping, folded: Collection[str]) -> tuple[Item, ...]:
    """*runs*, which come worst first, as items; groups come in the order of their worst run."""
    if not grouping:
        return tuple(Row(run) for run in runs)
    label = _labels(runs, grouping)
    groups: dict[str, list[RunFrame]] = {}
    for run in runs:
        groups.setdefault(label(run), []).append(run)
    items: list[Item] = []
    for name, members in groups.items():
        head = Head(name, tuple(members), name in folded)
        items += [head, *(() if head.is_folded else (Row(run, is_inside=True) for run in members))]
    return tuple(items)


def _labels(runs: Sequence[RunFrame], grouping: Grouping) -> Callable[[RunFrame], str]:
    if grouping == "host":
        return host_of
    if grouping == "name":
        return lambda run: run.info.name
    keys: Mapping[str, object] = {run.info.id: group_of(run.info) for run in runs}
    names = group_names([group_of(run.info) for run in runs])
    return lambda run: names[keys[run.info.id]]  # type: ignore[index]


def host_of(run: RunFrame) -> str:
    """The host as the user typed it, else as it calls itself."""
    return (run.link.host if run.link else "") or run.info.host or "this machine"


def next_grouping(grouping: Grouping) -> Grouping:
    """The grouping after *grouping*."""
    return GROUPINGS[(GROUPINGS.index(grouping) + 1) % len(GROUPINGS)]
