"""Ids and file names: what evaluators look things up by."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from dettui.audit.dataset import Dataset, Flags, Ints
from dettui.audit.finding import AuditFinding, listed, on_boxes, on_images
from dettui.audit.policy import AuditPolicy


def annotation_ids(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Ids that restart, and the id 0 (E5): pycocotools takes a match with id 0 for no match, AP 0.25 instead of 1."""
    ids = data.boxes.ids
    if ids is None:
        return
    repeated = _repeats(ids)
    if repeated.any():
        yield on_boxes(
            data, "annotation_id_repeated", "certain", "Annotation ids occur more than once", repeated,
            remedy="number the annotations through, from 1: an evaluator keeps one of those that share an id",
            cause="evaluator_broken", describe=lambda index: f"id {ids[index]}",
        )  # fmt: skip
    if (ids == 0).any():
        yield on_boxes(
            data, "annotation_id_zero", "certain", "An annotation has the id 0", ids == 0,
            remedy="number the annotations from 1: pycocotools takes a match with id 0 for no match",
            cause="evaluator_broken", describe=lambda index: "id 0",
        )  # fmt: skip


def image_ids(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """One id for two images, one file under two ids."""
    again = _seen_before(data.images.ids)
    if len(again):
        yield on_images(
            data, "image_id_repeated", "certain", "Image ids occur more than once", again,
            remedy="give every image an id of its own: annotations of one go to the other", cause="labels_shuffled",
            describe=lambda index: f"id {data.images.ids[index]}",
        )  # fmt: skip
    twice = _seen_before(data.images.files)
    if len(twice):
        yield on_images(
            data, "file_listed_twice", "warning", "Files are listed as more than one image", twice,
            remedy="merge the entries: each trains without the boxes of the other", cause="missing_annotations",
            describe=lambda index: f"id {data.images.ids[index]}",
        )  # fmt: skip


def class_ids(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Classes that boxes use and no table defines (datumaro UndefinedLabel, M2)."""
    undefined = data.boxes.classes < 0
    if undefined.any():
        used = np.unique(data.boxes.class_ids[undefined]).tolist()
        yield on_boxes(
            data, "class_undefined", "certain", "Boxes use class ids that are not defined", undefined,
            remedy=_shift_text(data)
            or f"define {listed(used)}, or drop the boxes: they crash the loss, or train another class",
            cause="labels_out_of_range", describe=lambda index: f"class id {data.boxes.class_ids[index]}",
        )  # fmt: skip


def class_table(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """The table of classes by itself: ids and names that repeat, holes (M4, M5)."""
    ids, names = data.classes.ids, data.classes.names
    if not data.classes.is_declared:
        return
    for kind, values in (("id", ids), ("name", names)):
        again = [values[index] for index in _seen_before(values).tolist()]
        if again:
            yield AuditFinding(
                f"class_{kind}_repeated", "certain" if kind == "id" else "warning",
                f"Two classes have the same {kind}: {listed(again)}", len(again), len(ids), "classes",
                f"give every class {kind} of its own", cause="class_names_mismatch",
            )  # fmt: skip
    holes = sorted(set(range(min(ids), max(ids) + 1)) - set(ids)) if ids and max(ids) - min(ids) < 100_000 else []
    if holes:
        yield AuditFinding(
            "class_ids_have_holes", "info", f"Class ids {min(ids)} to {max(ids)} leave out {listed(holes)}", len(holes),
            max(ids) - min(ids) + 1, "classes",
            "map the ids to consecutive ones for the head, and back for the evaluation: COCO itself is such a case",
        )  # fmt: skip


def all_crowd(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Every object marked as a crowd: AP is then -1 (0.5)."""
    if len(data.boxes) and data.boxes.crowd.all():
        yield on_boxes(
            data, "all_boxes_are_crowds", "certain", "Every box is marked iscrowd: evaluators ignore them all",
            data.boxes.crowd, remedy="set iscrowd to 0 for single objects", cause="evaluator_broken",
        )  # fmt: skip


def _shift_text(data: Dataset) -> str:
    """What to do where a shift by one would make all ids fit; "" where it would not."""
    used, known = set(np.unique(data.boxes.class_ids).tolist()), set(data.classes.ids)
    for shift in (1, -1):
        if {id + shift for id in used} <= known:
            way = "add" if shift == 1 else "subtract"
            return f"{way} 1: ids {min(used)} to {max(used)} are used, {min(known)} to {max(known)} are defined"
    return ""


def _repeats(ids: Ints) -> Flags:
    """(n,) ids that an earlier row has."""
    first = np.unique(ids, return_index=True)[1]
    mask = np.ones(len(ids), np.bool_)
    mask[first] = False
    return mask


def _seen_before(values: Sequence[Hashable]) -> Ints:
    """Indices of the values that occurred before."""
    seen: set[Hashable] = set()
    again = []
    for index, value in enumerate(values):
        if value in seen:
            again.append(index)
        seen.add(value)
    return np.asarray(again, np.int64)
