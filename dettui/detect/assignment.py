"""Whether the detector finds anything to learn from: positives at its anchors, foreground among its proposals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Series
from dettui.numerics.common import common_places, is_increasing
from dettui_probe import tags


@dataclass(frozen=True)
class AssignmentPolicy:
    """detection.md 2.5, rows R1 and R2; 3.2 row c."""

    objects: float = 20.0  # before no positive at all is said to be no accident
    window: int = 50  # rows
    only_themselves: float = 1.05  # foreground per object: each object is a proposal of its own [R2; healthy: 3.5]
    settled: int = 200  # the step from which on an RPN proposes well
    only_the_best: float = 0.9  # share of rows with no positive beyond the one that each object is given; healthy: 0.02
    objects_of_best: float = 200.0
    points_apart: float = 2.5  # factor between the size of FCOS points and their distance; torchvision's own: 1
    unlike_rows: int = 500
    unlike_objects: float = 100.0  # held against the anchors of a head that is not known
    unlike: float = 0.8  # share of them that no anchor meets, even laid upon them; of chosen ones few


@dataclass(frozen=True)
class Matches:
    """Sums over the rows that carry both."""

    tag: str
    window: tuple[int, int]
    rows: int
    objects: float
    matched: float
    rows_of_best: int  # those in which no more places than objects are positives

    @property
    def per_object(self) -> float:
        """Positives for each object."""
        return self.matched / self.objects


def read_matches(context: Context, tag: str, rows: int | None = None) -> Matches | None:
    """Positives under *tag* over the newest *rows* with objects (None: all); None where there are none."""
    objects, matched = context.series(tags.ASSIGN_OBJECTS), context.series(tag)
    if objects is None or matched is None:
        return None
    if rows is not None:  # nearly always among the newest few, since most rows have objects
        newest = objects.newest(4 * rows), matched.newest(4 * rows)
        if all(is_increasing(series.steps) for series in newest):
            found = _matches(*newest, rows)
            if found is not None and found.rows == rows:
                return found
    return _matches(objects, matched, rows)


def _matches(objects: Series, matched: Series, rows: int | None) -> Matches | None:
    mine, theirs = common_places(objects.steps, matched.steps)
    counts, hits = objects.values[mine], matched.values[theirs]
    usable = np.flatnonzero((counts > 0) & np.isfinite(hits))[-rows if rows else 0 :]
    if len(usable) == 0:
        return None
    span = int(objects.steps[mine[usable[0]]]), int(objects.steps[mine[usable[-1]]])
    there, met = counts[usable], hits[usable]
    only_best = int(np.count_nonzero((met > 0) & (met <= there)))
    return Matches(matched.tag, span, len(usable), float(there.sum()), float(met.sum()), only_best)


@dataclass(frozen=True)
class Likeness:
    """How the shapes of objects and of the anchors of a head that nobody knows go together."""

    window: tuple[int, int]
    objects: float
    unlike: float  # share of the objects that no anchor meets, even laid upon them
    times: float  # how much larger the side of the likest anchor is, the geometric mean


def read_likeness(context: Context, rows: int) -> Likeness | None:
    """Over the newest *rows*; None where nothing was held against anchors."""
    objects = context.total(tags.ASSIGN_OWN_OBJECTS, rows)
    if objects <= 0:
        return None
    unlike, octaves = (context.total(tag, rows) for tag in (tags.ASSIGN_OWN_UNLIKE, tags.ASSIGN_OWN_OCTAVES))
    window = context.span(tags.ASSIGN_OWN_OBJECTS, rows)
    return Likeness(window, objects, unlike / objects, 2.0 ** (octaves / objects))


@dataclass(frozen=True)
class Unassigned:
    """Objects that the head never sees."""

    policy: AssignmentPolicy = AssignmentPolicy()
    name: str = "assignment"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom for each place of assignment."""
        watched = (tags.ASSIGN_RPN, tags.ASSIGN_ROI, tags.ASSIGN_POSITIVES)
        found = {tag: read_matches(context, tag, self.policy.window) for tag in watched}
        likeness = read_likeness(context, self.policy.unlike_rows)
        if likeness is None and all(matches is None for matches in found.values()):
            return Abstention(self.name, (tags.ASSIGN_OBJECTS, *watched, tags.ASSIGN_OWN_OBJECTS))
        symptoms = [self._nothing(matches) for matches in found.values() if matches is not None]
        symptoms.append(self._only_themselves(context, found[tags.ASSIGN_ROI]))
        symptoms.append(self._only_the_best(context, found[tags.ASSIGN_POSITIVES]))
        symptoms.append(self._points_of_another_size(context))
        symptoms.append(self._unlike(likeness))
        return tuple(symptom for symptom in symptoms if symptom is not None)

    def _nothing(self, matches: Matches) -> Symptom | None:
        """Not one positive [R1]."""
        if matches.matched > 0 or matches.objects < self.policy.objects:
            return None
        where = _WHERE[matches.tag]
        text = f"none of {matches.objects:.0f} objects in {matches.rows} steps became a positive {where}"
        title = f"No object becomes a positive {where}"
        return _symptom("critical", title, matches, (matches.matched, 0.0, "=="), text, exact=True)

    def _only_themselves(self, context: Context, matches: Matches | None) -> Symptom | None:
        """No proposal meets an object but the object itself [R2]."""
        if matches is None or matches.rows < self.policy.window or context.step < self.policy.settled:
            return None
        if not 0 < matches.per_object <= self.policy.only_themselves:
            return None
        text = (
            f"{matches.per_object:.2f} proposals for each of {matches.objects:.0f} objects, the object itself included"
        )
        title = "No proposal of the network meets an object"
        measured = (matches.per_object, self.policy.only_themselves, "<")
        return _symptom("warning", title, matches, measured, text, exact=False)

    def _only_the_best(self, context: Context, matches: Matches | None) -> Symptom | None:
        """A head that gives each object its best anchor, whatever their overlap, and finds no second one for any."""
        policy, family = self.policy, "" if context.model is None else context.model.family
        if matches is None or family not in _FORCES_THE_BEST or matches.objects < policy.objects_of_best:
            return None
        share = matches.rows_of_best / matches.rows
        if matches.rows < policy.window or share < policy.only_the_best:
            return None
        text = (
            f"in {matches.rows_of_best} of {matches.rows} steps no object had a positive beyond the one that it is "
            "given in any case, however little they overlap"
        )
        title = "No anchor fits an object: each has only the one that it is given in any case"
        return _symptom("warning", title, matches, (share, policy.only_the_best, ">"), text, exact=False)

    def _points_of_another_size(self, context: Context) -> Symptom | None:
        """FCOS answers boxes in units of the size of its points, and assigns objects to levels by it."""
        size, apart = context.last(tags.ASSIGN_POINT_SIZE), self.policy.points_apart
        if size is None or 1 / apart < size < apart:
            return None
        window = context.span(tags.ASSIGN_POINT_SIZE, 1)
        text = f"the head takes its points to be {size:.3g} times as large as they are far apart; they should be alike"
        limit = (apart, ">") if size > 1 else (1 / apart, "<")
        proof = Evidence(tags.ASSIGN_POINT_SIZE, window, size, *limit, text)
        return told_by(
            [proof], "bad_targets", "warning", "The anchor sizes are not the strides of the levels", exact=True,
            key=tags.ASSIGN_POINT_SIZE,
        )  # fmt: skip

    def _unlike(self, likeness: Likeness | None) -> Symptom | None:
        """Anchors of a head of somebody's own that could meet hardly any object, wherever they lie."""
        policy = self.policy
        if likeness is None or likeness.objects < policy.unlike_objects or likeness.unlike < policy.unlike:
            return None
        text = (
            f"{likeness.unlike:.0%} of {likeness.objects:.0f} objects would meet no anchor of the head (IoU below "
            f"0.3), even if one were laid upon them: the likest is {likeness.times:.2g} times as wide"
        )
        proof = Evidence(tags.ASSIGN_OWN_UNLIKE, likeness.window, likeness.unlike, policy.unlike, ">", text)
        title = "The anchors have other sizes than the objects"
        return told_by([proof], "bad_targets", "warning", title, exact=False, key=tags.ASSIGN_OWN_UNLIKE)


_FORCES_THE_BEST = ("torchvision.SSD", "torchvision.RetinaNet")
"""Families whose matcher makes the best anchor of each object a positive."""

_WHERE = {
    tags.ASSIGN_RPN: "of the RPN",
    tags.ASSIGN_ROI: "of the RoI head",
    tags.ASSIGN_POSITIVES: "of the head",
}


def _symptom(
    severity: Severity,
    title: str,
    matches: Matches,
    comparison: tuple[float, float, str],
    text: str,
    *,
    exact: bool,
) -> Symptom:
    measured, limit, relation = comparison
    return Symptom(
        kind="bad_targets",
        severity=severity,
        first_step=matches.window[0],
        last_step=matches.window[1],
        title=title,
        evidence=(Evidence(matches.tag, matches.window, measured, limit, relation, text),),
        facts={"per_object": matches.per_object, "objects": matches.objects},
        exact=exact,
        key=matches.tag,
    )
