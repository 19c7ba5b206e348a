"""Where the panes of a run stand: a pure function of the room there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

from textual.geometry import Region, Size, Spacing

PaneName: TypeAlias = Literal["loss", "lr", "grad", "update", "classes", "findings", "eval"]

PANES: tuple[PaneName, ...] = ("loss", "lr", "grad", "update", "classes", "findings", "eval")
"""In the order of their number keys."""

SMALLEST = Size(60, 16)
"""Below this nothing useful fits; the screen then says so in one line."""

_TWO_COLUMNS_FROM = 110  # cells: a chart of 64 beside findings of 46 that still read as sentences
_LOWER_ROW_FROM = 30  # rows: loss, learning rate and a second row of charts, each with room for an axis
_THREE_CHARTS_FROM = 120  # cells: side by side each has 40, a title with its newest and its best value
_CLASSES_FROM = 34  # rows: findings keep 20 of them

_GAP = Spacing(0, 1, 0, 0)
"""Blank cells between neighbours: what one says at its right end must not run into the other's title."""


def plan(
    room: Size, focused: PaneName, is_maximised: bool, there: Collection[PaneName] = PANES
) -> Mapping[PaneName, Region]:
    """The panes to be shown and where, for the *room* between header and foot; the others are hidden.

    Only panes that the run has, *there*, take room.  The focused pane, one of them, is always shown.
    """
    if is_maximised:
        return {focused: room.region}
    if room.width < _TWO_COLUMNS_FROM:
        return _stacked(room, focused)
    return _two_columns(room, focused, there)


def _stacked(room: Size, focused: PaneName) -> Mapping[PaneName, Region]:
    """One chart over the findings; the chart is the focused pane, or the loss."""
    main = focused if focused != "findings" else "loss"
    share = 0.55 if focused != "findings" else 0.42
    upper, lower = room.region.split_horizontal(max(8, round(room.height * share)))
    if upper.height < 20 or main != "loss":
        return {main: upper, "findings": lower}
    loss, lr = upper.split_horizontal(upper.height - 6)
    return {"loss": loss, "lr": lr, "findings": lower}


def _two_columns(room: Size, focused: PaneName, there: Collection[PaneName]) -> Mapping[PaneName, Region]:
    charts, side = room.region.split_vertical(room.width - _side_width(room.width))
    panes: dict[PaneName, Region] = {**_charts(charts.shrink(_GAP), focused, there), **_side(side, focused)}
    return panes if focused in panes else {**panes, "loss": room.region, focused: panes["loss"]}


def _side_width(width: int) -> int:
    """The findings column: wide enough for sentences, never more than two fifths."""
    return min(72, round(width * 0.38))


def _charts(area: Region, focused: PaneName, there: Collection[PaneName]) -> Mapping[PaneName, Region]:
    if area.height < _LOWER_ROW_FROM:
        main = focused if focused in ("grad", "update", "eval") else "loss"
        upper, lower = area.split_horizontal(area.height - 6)
        return {main: upper, "lr": lower}
    upper, lower = area.split_horizontal(area.height - round(area.height * 0.28))
    loss, lr = upper.split_horizontal(upper.height - max(6, area.height // 7))
    return {"loss": loss, "lr": lr, **_side_by_side(lower, _lower_row(lower.width, focused, there))}


def _lower_row(width: int, focused: PaneName, there: Collection[PaneName]) -> tuple[PaneName, ...]:
    """Evaluations beside the gradient norm; where two charts fill the row, the update ratio waits for its key."""
    if "eval" not in there:
        return ("grad", "update")
    if width >= _THREE_CHARTS_FROM:
        return ("grad", "update", "eval")
    return ("grad", "update" if focused == "update" else "eval")


def _side_by_side(area: Region, names: tuple[PaneName, ...]) -> Mapping[PaneName, Region]:
    """*names* from left to right in equal shares of *area*, with a gap between neighbours."""
    if len(names) == 1:
        return {names[0]: area}
    first, rest = area.split_vertical(area.width // len(names))
    return {names[0]: first.shrink(_GAP), **_side_by_side(rest, names[1:])}


def _side(area: Region, focused: PaneName) -> Mapping[PaneName, Region]:
    if area.height >= _CLASSES_FROM:
        findings, classes = area.split_horizontal(area.height - round(area.height * 0.28))
        return {"findings": findings, "classes": classes}
    return {"classes": area} if focused == "classes" else {"findings": area}
