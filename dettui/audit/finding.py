"""What an audit finds, and what it could not look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from dettui.audit.dataset import Dataset, Flags, Ints

AuditSeverity: TypeAlias = Literal["certain", "warning", "info"]
Unit: TypeAlias = Literal["boxes", "images", "classes", "rows", "files", "ids"]

ORDER: dict[AuditSeverity, int] = {"certain": 0, "warning": 1, "info": 2}
"""Worst first."""

EXAMPLES = 3


def _none() -> Ints:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Example:
    """One place where a finding can be seen."""

    file: str
    row: int | None  # as the format counts: index of the annotation, number of the line or object
    text: str


@dataclass(frozen=True, eq=False)
class AuditFinding:
    """One fault of the data: how often, where, and what to do."""

    id: str
    severity: AuditSeverity
    title: str
    count: int
    total: int  # how many were looked at
    unit: Unit
    remedy: str
    cause: str | None = None  # id in the catalogue of causes that it would become in training
    examples: tuple[Example, ...] = ()
    boxes: Ints = field(default_factory=_none)  # indices of all boxes that are concerned
    images: Ints = field(default_factory=_none)  # indices of all images that are concerned

    @property
    def share(self) -> float:
        """Of what was looked at; 0 where nothing was."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True)
class Unchecked:
    """A check that lacked what it needs."""

    check: str
    reason: str


Describe: TypeAlias = Callable[[int], str]


def on_boxes(
    dataset: Dataset,
    id: str,
    severity: AuditSeverity,
    title: str,
    flagged: Flags,
    *,
    remedy: str,
    cause: str | None = None,
    total: int | None = None,
    describe: Describe | None = None,
) -> AuditFinding:
    """A finding about the boxes where *flagged*, (n,), is true; *describe* says of one index what is wrong with it."""
    boxes = np.flatnonzero(flagged).astype(np.int64)
    say = describe or (lambda index: box_text(dataset, index))
    return AuditFinding(
        id, severity, title, len(boxes), len(dataset.boxes) if total is None else total, "boxes", remedy, cause,
        examples=tuple(box_example(dataset, index, say(index)) for index in boxes[:EXAMPLES].tolist()),
        boxes=boxes,
        images=np.unique(dataset.boxes.images[boxes]),
    )  # fmt: skip


def on_images(
    dataset: Dataset,
    id: str,
    severity: AuditSeverity,
    title: str,
    flagged: Ints,
    *,
    remedy: str,
    cause: str | None = None,
    total: int | None = None,
    describe: Describe = lambda _: "",
) -> AuditFinding:
    """A finding about the images at the indices *flagged*."""
    shown = flagged[:EXAMPLES].tolist()
    return AuditFinding(
        id, severity, title, len(flagged), len(dataset.images) if total is None else total, "images", remedy, cause,
        examples=tuple(Example(dataset.images.files[index], None, describe(index)) for index in shown),
        images=np.asarray(flagged, np.int64),
    )  # fmt: skip


def listed(names: Sequence[object], most: int = 6) -> str:
    """*names* with commas, the first *most* of them."""
    shown = ", ".join(str(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def box_example(dataset: Dataset, index: int, text: str) -> Example:
    """Where the box at *index* stands, and *text* on it."""
    boxes = dataset.boxes
    return Example(dataset.images.files[int(boxes.images[index])], int(boxes.rows[index]), text)


def box_text(dataset: Dataset, index: int) -> str:
    """The box at *index* in words: its class, its corners, the size of its image."""
    name = dataset.classes.name(int(dataset.boxes.classes[index]))
    corners = ", ".join(f"{value:.6g}" for value in dataset.boxes.xyxy[index])
    width, height = dataset.box_sizes[index]
    size = f" in {width:.0f}x{height:.0f}" if np.isfinite(width) and dataset.box_in_pixels[index] else ""
    return f"{name} [{corners}]{size}"
