"""How often each class occurred, as rows of text: rare and unseen classes carry a word, not only a colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from dettui.charts import numbers
from dettui.charts.plotext_bars import horizontal_bars
from dettui.domain.series import ClassCounts

Standing: TypeAlias = Literal["usual", "rare", "unseen", "hidden"]

RARE_BELOW = 0.1
"""A class is called rare where it has less than this share of what it would have if all classes were equal."""

_WORDS: dict[Standing, str] = {"usual": "", "rare": "rare", "unseen": "none", "hidden": ""}
_NAME_WIDTH = 18
_NARROW_NAME_WIDTH = 10
_NARROW = 56  # cells: below this the names make room for the bars


@dataclass(frozen=True)
class BarRow:
    """One row: the text before the bar, the bar, and how the class stands."""

    text: str
    bar: str
    standing: Standing


def class_bars(
    counts: ClassCounts, width: int, height: int, *, predicted: ClassCounts | None = None
) -> tuple[BarRow, ...]:
    """The classes of *counts*, most frequent first, on at most *height* rows of *width* cells.

    *predicted* adds the share that each class has of the predictions.  Where there are more classes than rows, those in
    the middle are left out and counted.
    """
    if height < 1 or not len(counts.seen):
        return ()
    order = [k for k in np.argsort(-counts.seen, kind="stable").tolist() if not _is_background(counts, k)]
    shown, hidden = _shown(order, height)
    names = _NAME_WIDTH if width >= _NARROW else _NARROW_NAME_WIDTH
    labels = [_label(counts, k, names, predicted) for k in shown]
    rows = _rows(labels, [float(counts.seen[k]) for k in shown], [standing(counts, k) for k in shown], width)
    if hidden:
        rows.insert((height - 1) // 2, BarRow(f"… {hidden} more classes …"[:width], "", "hidden"))
    return tuple(rows)


def standing(counts: ClassCounts, class_id: int) -> Standing:
    """How often *class_id* occurred beside the others."""
    seen, total = int(counts.seen[class_id]), int(counts.seen.sum())
    if not seen:
        return "unseen"
    return "rare" if seen * len(counts.seen) < RARE_BELOW * total else "usual"


def of_kind(classes: Sequence[ClassCounts], kind: str) -> ClassCounts | None:
    """The counts of *kind* among *classes*."""
    return next((c for c in classes if c.kind == kind), None)


def _is_background(counts: ClassCounts, class_id: int) -> bool:
    """Whether *class_id* is the one that a head keeps for nothing: to be unseen is its normal state."""
    name = counts.names[class_id] if class_id < len(counts.names) else ""
    return class_id == 0 and not counts.seen[0] and name.strip("_ ").lower() == "background"


def _rows(labels: Sequence[str], values: Sequence[float], standings: Sequence[Standing], width: int) -> list[BarRow]:
    split = len(labels[0]) + 1
    if width <= split + 2:  # no room for bars: the numbers say it all
        return [BarRow(label[:width], "", s) for label, s in zip(labels, standings, strict=True)]
    drawn = horizontal_bars(labels, values, width)
    return [BarRow(row[:split], row[split:], s) for row, s in zip(drawn, standings, strict=True)]


def _shown(order: list[int], height: int) -> tuple[list[int], int]:
    if len(order) <= height:
        return order, 0
    kept = height - 1
    head = kept // 2
    return order[:head] + order[len(order) - (kept - head) :], len(order) - kept


def _label(counts: ClassCounts, class_id: int, name_width: int, predicted: ClassCounts | None) -> str:
    name = counts.names[class_id] if class_id < len(counts.names) else f"class {class_id}"
    word = _WORDS[standing(counts, class_id)]
    label = f"{_cut(name, name_width)} {numbers.number(int(counts.seen[class_id])):>6} {_share(counts, class_id)}"
    if predicted is not None:
        label += f"  pred {_share(predicted, class_id).strip():<6}"
    return f"{label} {word:<4}"


def _share(counts: ClassCounts, class_id: int) -> str:
    total = int(counts.seen.sum())
    known = class_id < len(counts.seen) and total > 0
    return f"{numbers.percent(int(counts.seen[class_id]) / total if known else None):>6}"


def _cut(name: str, width: int) -> str:
    return f"{name:<{width}}" if len(name) <= width else name[: width - 1] + "…"
