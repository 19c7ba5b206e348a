"""How the classes are spread over the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.run import ModelInfo
from dettui.domain.series import ClassCounts
from dettui.numerics.proportions import wilson_bounds
from dettui_probe import tags

TARGET_COUNTS = "counts/targets"
"""Named by abstentions: class counts are no series."""


@dataclass(frozen=True)
class ClassPolicy:
    """detection.md A15, M3, M4; diagnosis.md S21."""

    at_least: int = 300  # objects before anything is said
    ratio_info: float = 10.0  # [S21]
    ratio_warning: float = 50.0  # [A15: datumaro's figure]
    long_tail_classes: int = 30  # with more classes than this a long tail is the nature of the data: info
    z: float = 2.5
    unseen_expected: float = 100.0  # objects of a class expected under even odds before its absence is news
    coco_heads: tuple[int, ...] = (90, 91)  # COCO leaves holes in its ids
    many_per_row: float = 4.0  # class targets of one input, from which on they are no classes of inputs


BACKGROUND_NAMES = ("background", "bg", "none", "void", "unlabeled", "n/a")


def foreground(context: Context, counts: ClassCounts) -> tuple[NDArray[np.int64], int]:
    """(counts of the foreground classes of the head, id of the first of them)."""
    model = context.model
    size = model.num_classes if model is not None and model.num_classes else len(counts.seen)
    first = 1 if model is not None and _leaves_zero_out(model, counts) else 0
    padded = np.zeros(max(size, 1), dtype=np.int64)
    known = counts.seen[: len(padded)]
    padded[: len(known)] = known
    if model is not None and not padded[-1] and first == 0 and _may_end_with_no_object(context, model, counts):
        padded = padded[:-1]
    return padded[first:], first


def _may_end_with_no_object(context: Context, model: ModelInfo, counts: ClassCounts) -> bool:
    """Whether the last id of a detector's head may be kept for "no object", as DETR has it: nobody knows the head, no
    names tell its classes, and its objects come with ids."""
    are_of_objects = context.series(tags.TARGET_BOXES) is not None and context.series(tags.TARGET_LABEL_MAX) is not None
    return are_of_objects and not are_named(counts) and not model.family.startswith("torchvision.")


def are_named(counts: ClassCounts) -> bool:
    """False where the script named no class, so that ids stand for names."""
    return any(name != str(class_id) for class_id, name in enumerate(counts.names))


def _leaves_zero_out(model: ModelInfo, counts: ClassCounts) -> bool:
    """True where id 0 is no class: the head keeps it for background, or it never came and nothing says that it should.

    Heads of sigmoids (RetinaNet, FCOS) have no background, and are often given the ids of one that has.
    """
    if model.background == 0:
        return True
    if len(counts.seen) and counts.seen[0] > 0:
        return False
    if are_named(counts):
        return _begins_with_background(counts)
    return model.family.startswith("torchvision.")


def _begins_with_background(counts: ClassCounts) -> bool:
    return bool(counts.names) and counts.names[0].strip("_ ").lower() in BACKGROUND_NAMES


def named_background(counts: ClassCounts) -> int:
    """How many carry id 0, where the script itself named that id background."""
    return int(counts.seen[0]) if len(counts.seen) and _begins_with_background(counts) else 0


def are_of_parts(context: Context, policy: ClassPolicy | None = None) -> bool:
    """Whether the classes are those of many parts of each input: tokens, pixels, queries that match an object or
    nothing.  There one class (O, the blank, no object) outnumbers the others by nature, and so does the tail of any
    language."""
    per_row = context.median(tags.TARGETS_PER_ROW, 200)
    return per_row is not None and per_row >= (policy or ClassPolicy()).many_per_row


def parts_unseen(context: Context, counts: ClassCounts, policy: ClassPolicy | None = None) -> float | None:
    """Share of the few classes of parts that never occur; None of a vocabulary, which has room for more."""
    policy = policy or ClassPolicy()
    seen, _ = foreground(context, counts)
    if len(seen) > policy.long_tail_classes or seen.sum() < policy.unseen_expected * len(seen):
        return None
    return float(np.count_nonzero(seen == 0)) / len(seen)


@dataclass(frozen=True)
class Imbalance:
    """Some classes of inputs, or of objects, are far rarer than others."""

    policy: ClassPolicy = ClassPolicy()
    name: str = "imbalance"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; classes that never occur are another rule's."""
        counts = context.counts("targets")
        if counts is None:
            return Abstention(self.name, (TARGET_COUNTS,))
        if are_of_parts(context, self.policy):
            return ()
        seen, first = foreground(context, counts)
        occurring = np.flatnonzero(seen)
        if len(occurring) < 2 or seen.sum() < self.policy.at_least:
            return ()
        rare, common = (int(occurring[pick(seen[occurring])]) for pick in (np.argmin, np.argmax))
        ratio = self._least_ratio(int(seen[rare]), int(seen[common]))
        if ratio < self.policy.ratio_info:
            return ()
        return (self._symptom(counts, (rare + first, common + first), ratio, len(seen)),)

    def _least_ratio(self, rare: int, common: int) -> float:
        """The smallest ratio of the two rates that the counts allow."""
        share = wilson_bounds(rare, rare + common, self.policy.z)[1]
        return (1 - share) / share

    def _symptom(self, counts: ClassCounts, pair: tuple[int, int], ratio: float, classes: int) -> Symptom:
        rare, common = pair
        severity: Severity = "info"
        if ratio >= self.policy.ratio_warning and classes <= self.policy.long_tail_classes:
            severity = "warning"
        few, many = int(counts.seen[rare]), int(counts.seen[common])
        return Symptom(
            kind="imbalance",
            severity=severity,
            first_step=counts.first_step,
            last_step=counts.last_step,
            title=f"{_name(counts, common)} occurs {many / few:.0f} times as often as {_name(counts, rare)}",
            evidence=(
                Evidence(TARGET_COUNTS, (counts.first_step, counts.last_step), ratio,
                         self.policy.ratio_warning if severity == "warning" else self.policy.ratio_info, ">",
                         f"{many} of {_name(counts, common)}, {few} of {_name(counts, rare)}: "
                         f"at least {ratio:.0f} to 1 at 99 %"),
            ),
            facts={"ratio": ratio, "rare": float(few), "common": float(many)},
        )  # fmt: skip


@dataclass(frozen=True)
class Unseen:
    """Classes of the head that never occur in the targets."""

    policy: ClassPolicy = ClassPolicy()
    name: str = "class_unseen"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, naming all unseen classes; info where the head is simply larger than the data, or keeps
        ids for padding and the like."""
        counts = context.counts("targets")
        if counts is None or context.model is None:
            return Abstention(self.name, (TARGET_COUNTS,))
        if not context.model.num_classes and not _is_detector_of_named_classes(context, counts):
            return Abstention(self.name, ("model/num_classes",))
        seen, first = foreground(context, counts)
        absent = [int(k) + first for k in np.flatnonzero(seen == 0)]
        total = int(seen.sum())
        if not absent or len(seen) < 2 or total < self.policy.unseen_expected * len(seen):
            return ()
        fits = is_made_to_measure(context.model, counts, len(seen))
        roomy = are_of_parts(context, self.policy) or self._is_roomy(len(absent), len(seen), fits)
        return (self._symptom(counts, absent, total, len(seen), roomy=roomy),)

    def _is_roomy(self, absent: int, classes: int, made_to_measure: bool) -> bool:
        if classes in self.policy.coco_heads or classes > self.policy.long_tail_classes:
            return True
        return absent > 1 and absent >= classes / 2 and not made_to_measure

    def _symptom(self, counts: ClassCounts, absent: Sequence[int], total: int, classes: int, *, roomy: bool) -> Symptom:
        names = ", ".join(_name(counts, k) for k in absent[:4]) + (", ..." if len(absent) > 4 else "")
        verb = "occurs" if len(absent) == 1 else "occur"
        window = (counts.first_step, counts.last_step)
        return Symptom(
            kind="class_unseen",
            severity="info" if roomy else "warning",
            first_step=window[0],
            last_step=window[1],
            title=f"{names} never {verb} in the targets",
            evidence=(
                Evidence(TARGET_COUNTS, window, float(len(absent)), 0.0, ">",
                         f"{len(absent)} of {classes} classes have no object among {total}"),
            ),
            facts={"unseen": float(len(absent)), "lowest": float(absent[0]), "highest": float(absent[-1])},
        )  # fmt: skip


def is_made_to_measure(model: ModelInfo, counts: ClassCounts, classes: int) -> bool:
    """True for a detection head whose *classes* the script named, all of them: it was built for the data set, where a
    classifier may come with more outputs than a task needs."""
    is_detector = model.family.startswith("torchvision.") or not model.num_classes
    return is_detector and are_named(counts) and len(counts.names) >= classes


def _is_detector_of_named_classes(context: Context, counts: ClassCounts) -> bool:
    """Whether the head is nobody's that is known, and the script says by their names which classes it is for."""
    return context.series(tags.TARGET_BOXES) is not None and are_named(counts)


def _name(counts: ClassCounts, class_id: int) -> str:
    return counts.names[class_id] if class_id < len(counts.names) else f"class {class_id}"
