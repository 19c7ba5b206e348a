"""What the readers could not take in, as findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final, NamedTuple

from dettui.audit.dataset import Complaint, Dataset
from dettui.audit.finding import EXAMPLES, AuditFinding, AuditSeverity, Example, Unit
from dettui.audit.policy import AuditPolicy


class _Kind(NamedTuple):
    severity: AuditSeverity
    title: str
    unit: Unit
    remedy: str
    cause: str | None = None


KINDS: Final[Mapping[str, _Kind]] = {
    "malformed_row": _Kind(
        "certain", "Rows cannot be read", "rows", "mend or drop them; trainers stop at them or skip the whole image",
        "empty_targets",
    ),
    "unreadable_label_file": _Kind(
        "certain", "Label files cannot be read", "files", "write them again: their images train as if empty",
        "empty_targets",
    ),
    "annotation_of_unknown_image": _Kind(
        "certain", "Annotations belong to images that the file does not list", "rows",
        "list the images, or drop the annotations", "labels_boxes_mismatch",
    ),
    "unreadable_item": _Kind(
        "certain", "Items of the Dataset cannot be had", "images", "run dataset[index] for one of them", None
    ),
    "malformed_target": _Kind(
        "certain", "Targets cannot be read", "images",
        "return a dict with 'boxes' (n, 4) and 'labels' (n,); for no boxes, the shape (0, 4)", None,
    ),
    "lengths_differ": _Kind(
        "certain", "Targets have more boxes than labels, or fewer", "images",
        "filter labels together with boxes; with albumentations, name them in label_fields", "labels_boxes_mismatch",
    ),
    "no_class_table": _Kind(
        "warning", "Nothing names the classes", "files",
        "add the categories, or names in data.yaml: ids alone cannot be checked", "class_names_mismatch",
    ),
    "names_not_a_list": _Kind(
        "certain", "The names of the classes are one text", "files", "write a list: every letter becomes a class",
        "class_names_mismatch",
    ),
    "names_count_differs": _Kind(
        "certain", "nc and names disagree", "files", "drop nc: the trainer counts the names", "class_names_mismatch"
    ),
    "split_missing": _Kind(
        "certain", "A set leads to no image", "files", "mend its path in data.yaml", "empty_targets"
    ),
    "label_file_missing": _Kind(
        "info", "Images have no label file, and train as background", "files",
        "fine for images without objects; an empty file says that it is meant", "empty_targets",
    ),
    "evaluation_field_missing": _Kind(
        "warning", "Fields that COCO's evaluation reads are missing", "files",
        "write area (w * h will do) and iscrowd (0): pycocotools stops with a KeyError", "evaluator_broken",
    ),
}  # fmt: skip


def complaints(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """One finding for each kind of complaint."""
    ordered = sorted(data.complaints, key=lambda complaint: complaint.kind)  # stable: the order of the file stays
    for kind, group in groupby(ordered, key=lambda complaint: complaint.kind):
        yield _finding(kind, list(group), data)


def _finding(kind: str, group: list[Complaint], data: Dataset) -> AuditFinding:
    known = KINDS[kind]
    totals: dict[Unit, int] = {"rows": data.declared_boxes, "images": len(data.images)}
    total = totals.get(known.unit, len(group))
    examples = tuple(Example(c.file, c.row, c.text) for c in group[:EXAMPLES])
    return AuditFinding(
        kind, known.severity, known.title, len(group), max(total, len(group)), known.unit, known.remedy, known.cause,
        examples=examples,
    )  # fmt: skip
