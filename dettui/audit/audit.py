"""The whole audit: read every set, look at its files, run the checks, compare the sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from dettui.audit import DEFAULT_LIMIT
from dettui.audit.checks import classes, complaints, distributions, duplicates, geometry, ids, images, layout, splits
from dettui.audit.dataset import Dataset
from dettui.audit.finding import ORDER, AuditFinding, Unchecked
from dettui.audit.policy import DEFAULT, AuditPolicy
from dettui.audit.progress import Progress, silent
from dettui.audit.reading.guess import Guess, guess
from dettui.audit.scan import EMPTY, Scan, measured, scan
from dettui.errors import MissingExtra

Check: TypeAlias = Callable[[Dataset, AuditPolicy], Iterator[AuditFinding]]
Verdict: TypeAlias = Literal["healthy", "findings"]

CHECKS: Final[tuple[Check, ...]] = (
    complaints.complaints,
    classes.nothing_to_learn,
    geometry.non_finite,
    geometry.degenerate,
    geometry.other_unit,
    layout.wrong_layout,
    geometry.outside,
    geometry.off_by_one,
    geometry.below_a_pixel,
    geometry.tiny,
    geometry.sliver,
    geometry.full_image,
    duplicates.same_place,
    duplicates.copied,
    ids.annotation_ids,
    ids.image_ids,
    ids.class_ids,
    ids.class_table,
    ids.all_crowd,
    classes.delivered,
    classes.unused,
    classes.imbalance,
    classes.background,
    distributions.far_from_mean,
    distributions.skewed_sizes,
    distributions.attributes,
)
"""Those that read no files.  Empty columns are their business: each is silent where it has nothing to judge."""


@dataclass(frozen=True, eq=False)
class AuditedSet:
    """One set of the data, its findings worst first."""

    name: str  # "train", "val", "test"; "" where the data are one set
    data: Dataset
    found: Scan
    findings: tuple[AuditFinding, ...]
    unchecked: tuple[Unchecked, ...]


@dataclass(frozen=True, eq=False)
class Audit:
    """What is known about the data."""

    source: str
    reason: str  # why the format was taken for what it is
    sets: tuple[AuditedSet, ...]

    @property
    def findings(self) -> tuple[tuple[str, AuditFinding], ...]:
        """Name of the set and finding, worst first over all sets."""
        found = [(audited.name, finding) for audited in self.sets for finding in audited.findings]
        return tuple(sorted(found, key=lambda pair: rank(pair[1])))

    @property
    def verdict(self) -> Verdict:
        """The one-word answer."""
        return "findings" if any(f.severity != "info" for _, f in self.findings) else "healthy"


def rank(finding: AuditFinding) -> tuple[int, float]:
    """Sorts the worst first: by severity, then by share."""
    return ORDER[finding.severity], -finding.share


@np.errstate(all="ignore")  # NaN and infinity in boxes are findings; numpy need not say it again on stderr
def audit(
    source: str,
    *,
    images: Path | None = None,
    val: str | None = None,
    limit: int = DEFAULT_LIMIT,
    policy: AuditPolicy = DEFAULT,
    progress: Progress = silent,
) -> Audit:
    """Audit what *source* names, with *val* as another set of it.  Raises DettuiError where nothing can be read."""
    guessed = guess(source, images, limit, progress)
    named = dict(guessed.sets)
    if val is not None:
        # A set that is compared with another is for training, whatever it calls itself.
        other = guess(val, images, limit, progress)
        named = {"train": _one_of(guessed, "train"), "val": _one_of(other, "val")}
    has_pair = len(named) > 1
    read = {name: _read(reader, limit, progress, with_pixels=has_pair) for name, reader in named.items()}
    compared = _compare(read, policy)
    sets = (
        AuditedSet(name, data, found, _sorted(chain(check(data, found, policy), compared.pop(name, ()))), unchecked)
        for name, (data, found, unchecked) in read.items()
    )
    return Audit(source, guessed.reason, tuple(sets))


Looked: TypeAlias = "tuple[Dataset, Scan, tuple[Unchecked, ...]]"


def _one_of(guessed: Guess, wanted: str) -> Callable[[], Dataset]:
    """The set called *wanted* among those guessed, else the first."""
    return guessed.sets.get(wanted) or next(iter(guessed.sets.values()))


def _read(reader: Callable[[], Dataset], limit: int, progress: Progress, *, with_pixels: bool) -> Looked:
    data = reader()
    try:
        found = scan(data, limit, progress, with_pixels=with_pixels)
    except MissingExtra as error:
        return data, EMPTY, (Unchecked("image files", str(error)),)
    return measured(data, found), found, tuple(_unchecked(data, found))


def _unchecked(data: Dataset, found: Scan) -> Iterator[Unchecked]:
    """What could not be looked at, and why."""
    if data.format == "torch":
        return
    if not found.headers:
        reason = "no image was found; --images DIR says where they are"
        yield Unchecked("image files: presence, size, EXIF, pixels", reason)
    elif len(found.headers) < len(data.images):
        present = sum(path is not None for path in data.images.paths)
        if len(found.headers) < present:
            reason = f"opened {len(found.headers):,} of {present:,}, evenly spread; --limit 0 opens all"
            yield Unchecked("the other image files", reason)


def check(data: Dataset, found: Scan, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Everything that one set shows by itself.  *data* is as ``measured`` left it."""
    for one in CHECKS:
        yield from one(data, policy)
    if found.headers:
        yield from images.missing(data)
        yield from images.headers(data, found, policy)


def _compare(read: dict[str, Looked], policy: AuditPolicy) -> dict[str, list[AuditFinding]]:
    """What sets show beside each other; told of the set that is not for training."""
    if "train" not in read:
        return {}
    train, ours, _ = read["train"]
    return {
        name: list(compare(train, data, ours, theirs, policy))
        for name, (data, theirs, _) in read.items()
        if name != "train"
    }


def compare(train: Dataset, val: Dataset, ours: Scan, theirs: Scan, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """What *train* and *val* show beside each other."""
    yield from splits.class_tables(train, val, policy)
    yield from splits.classes_seen(train, val, policy)
    yield from splits.shared_files(train, val, policy)
    yield from splits.leakage(train, val, ours, theirs, policy)


def _sorted(findings: Iterator[AuditFinding]) -> tuple[AuditFinding, ...]:
    return tuple(sorted(findings, key=rank))
