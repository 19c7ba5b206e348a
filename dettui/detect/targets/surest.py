"""Do the targets explain what the detector is surest of?  Statistical, and late: an untrained detector is surest of
nothing in particular.

A quarter as many answers are looked at as there are positives.  At so low a recall, whatever a settled detector names
is an object.  Where none is labelled there its annotation is missing: objects with one and without look alike, so that
about the share of those without stays unexplained.  Where the boxes that it answers overlap those of its objects by
half, although it has learnt to find them, it is the boxes that scatter: the best answer to that is their mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.scores_of_places import best_score
from dettui.detect.targets import checks
from dettui.detect.targets.pairing import pairing
from dettui.detect.targets.policy import DEFAULT_POLICY, TargetPolicy
from dettui.detect.targets.reading import TargetReading
from dettui.domain.finding import Evidence
from dettui.domain.series import Floats
from dettui.numerics.proportions import clustered_bounds
from dettui_probe import tags


@dataclass(frozen=True, eq=False)
class Surest:
    """The surest answers, row by row over the newest half of the rows."""

    places: Floats  # looked at
    unexplained: Floats  # of them
    overlaps: Floats  # sum of the IoU of the others with their objects
    window: tuple[int, int]

    @property
    def looked_at(self) -> float:
        """How many there are."""
        return float(self.places.sum())

    @property
    def explained(self) -> float:
        """How many of them meet an object."""
        return self.looked_at - float(self.unexplained.sum())

    @property
    def share_unexplained(self) -> float:
        """Of all of them."""
        return 1.0 - self.explained / self.looked_at

    @property
    def overlap(self) -> float:
        """Mean IoU of those that meet an object; 0 where none does."""
        return float(self.overlaps.sum()) / self.explained if self.explained > 0 else 0.0


def read_surest(context: Context, policy: TargetPolicy = DEFAULT_POLICY) -> Surest | None:
    """None until the training has come far enough for them to tell anything."""
    rows = context.series(tags.SUREST)
    if rows is None or len(rows) < policy.surest_rows or not _is_settled(context, policy):
        return None
    newest = len(rows) - len(rows) // 2
    places, unexplained, overlaps = (
        context.window(tag, newest) for tag in (tags.SUREST, tags.SUREST_UNEXPLAINED, tags.SUREST_OVERLAP)
    )
    if not len(places) == len(unexplained) == len(overlaps) or places.sum() < policy.surest_places:
        return None
    return Surest(places, unexplained, overlaps, context.span(tags.SUREST, newest))


def _is_settled(context: Context, policy: TargetPolicy) -> bool:
    """Whether the second half of the training has begun, as far as anything tells how long it is."""
    if context.step < policy.settled_step or context.is_resumed:
        return False
    schedule, total, epoch = context.schedule, context.total_steps, context.steps_per_epoch
    if total is not None:
        return context.step >= total / 2
    if schedule is not None and schedule.decayed_share <= policy.settled_lr:
        return True
    return epoch is not None and context.step >= policy.settled_epochs * epoch


def surest(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Objects without a box, or boxes that lie about their objects.  Silent where another check explains it."""
    read = read_surest(reading.context, policy)
    if read is None:
        return None
    if not _is_sparse(reading, policy) and _is_weak(reading.context, policy):
        return None
    found = _loose(reading, read, policy) or _unexplained(read, policy)
    return None if found is None or _is_explained(reading, policy) else found


def _is_weak(context: Context, policy: TargetPolicy) -> bool:
    """Whether no evaluation found much, or, where none scores, little was learnt: answers then tell of the detector
    and not of its targets."""
    best, curve = best_score(context), context.loss
    if best is not None:
        return best < policy.weak_score
    return curve is None or curve.now > policy.weak_loss * curve.start


def _is_sparse(reading: TargetReading, policy: TargetPolicy) -> bool:
    """Whether hardly an image has a box to learn from."""
    images, empty = reading.count(tags.BATCH_SIZE), reading.count(tags.TARGET_EMPTY)
    return bool(images) and (empty or 0.0) > policy.empty_share * (images or 0.0)


def _unexplained(read: Surest, policy: TargetPolicy) -> Symptom | None:
    share = read.share_unexplained
    if not policy.unexplained <= share <= policy.nearly_all or read.explained < policy.surest_explained:
        return None
    at_least = clustered_bounds(read.unexplained, read.places, policy.surest_z)[0]
    if at_least < policy.unexplained_surely:
        return None
    text = (
        f"{share:.0%} of the {read.looked_at:.0f} answers that the detector was surest of meet no object of their "
        f"image; the others overlap theirs by {read.overlap:.0%}"
    )
    proof = Evidence(tags.SUREST_UNEXPLAINED, read.window, share, policy.unexplained, ">", text)
    title = f"{share:.0%} of what the detector is surest of is not labelled"
    return checks.bad_targets("surest", "warning", title, (proof,), exact=False, facts={"unexplained": share})


def _loose(reading: TargetReading, read: Surest, policy: TargetPolicy) -> Symptom | None:
    if (
        _is_sparse(reading, policy)
        or read.explained < policy.surest_explained
        or read.share_unexplained > policy.nearly_all
    ):
        return None
    if read.overlap >= policy.loose:
        return None
    text = (
        f"the {read.explained:.0f} answers that the detector was surest of, of those that meet an object, overlap it "
        f"by {read.overlap:.0%} on average"
    )
    proof = Evidence(tags.SUREST_OVERLAP, read.window, read.overlap, policy.loose, "<", text)
    title = f"Boxes that the detector is sure of overlap their targets by {read.overlap:.0%} only"
    return checks.bad_targets("surest", "warning", title, (proof,), exact=False, facts={"overlap": read.overlap})


_OTHERS: Final[tuple[Callable[[TargetReading, TargetPolicy], Symptom | None], ...]] = (
    checks.degenerate,
    checks.box_format,
    checks.scale,
    checks.outside,
    checks.length_mismatch,
    pairing,
)
"""Checks of faults that leave boxes where no object is."""


def _is_explained(reading: TargetReading, policy: TargetPolicy) -> bool:
    found = (check(reading, policy) for check in _OTHERS)
    return any(symptom is not None and symptom.severity != "info" for symptom in found)
