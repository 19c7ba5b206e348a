"""How the boxes are spread over classes and images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dettui.audit.dataset import Dataset
from dettui.audit.finding import AuditFinding, listed, on_images
from dettui.audit.policy import AuditPolicy


def nothing_to_learn(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """No boxes at all, or mostly images without any (A13; datumaro MissingAnnotation)."""
    if not len(data.boxes):
        yield AuditFinding(
            "no_boxes", "certain", "There is not one readable box", data.declared_boxes, data.declared_boxes, "rows",
            "look at the findings below: names, ids or the place of the labels do not fit", cause="empty_targets",
        )  # fmt: skip
        return
    empty = np.flatnonzero(data.boxes_per_image == 0).astype(np.int64)
    if len(empty):
        many = len(empty) > policy.empty_images_warning * len(data.images)
        yield on_images(
            data, "images_without_boxes", "warning" if many else "info", "Images have no boxes", empty,
            remedy="keep them only where they show no object: an object without a box trains as background",
            cause="empty_targets",
        )  # fmt: skip


def delivered(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Fewer usable boxes than the files hold (A14)."""
    usable = int((data.boxes.sound & (data.boxes.classes >= 0)).sum())
    if 0 < usable < policy.delivered_share * data.declared_boxes:
        lost = data.declared_boxes - usable
        yield AuditFinding(
            "boxes_lost", "warning", f"Of {data.declared_boxes:,} boxes in the files, {usable:,} can be used", lost,
            data.declared_boxes, "rows", "mend the other findings first: this one sums them up", cause="empty_targets",
        )  # fmt: skip


def unused(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Classes that no box has (datumaro LabelDefinedButNotFound), few boxes (FewSamplesInLabel), one class only."""
    counts = data.boxes_per_class
    if not len(data.boxes) or not len(counts):
        return
    yield from _classes(
        data, "class_unused", "Classes are defined and no box has them", np.flatnonzero(counts == 0).tolist(),
        remedy="drop them from the head, or find out why no box arrives", cause="class_missing",
    )  # fmt: skip
    few = np.flatnonzero((counts > 0) & (counts <= policy.few_boxes)).tolist()
    yield from _classes(
        data,
        "class_has_one_box",
        "Classes have a single box",
        few,
        remedy="annotate more, or merge classes",
        cause="class_imbalance",
    )
    if len(counts) == 1 and data.classes.is_declared:
        yield from _classes(data, "only_one_class", "There is one class", [0], remedy="fine where one is meant")


def imbalance(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """The most frequent class against the rarest (A15, datumaro ImbalancedLabels): to know, not to mend at once."""
    counts = data.boxes_per_class
    present = counts[counts > 0]
    if counts.sum() < policy.imbalance_least_boxes or not len(present):
        return
    ratio = present.max() / present.min()
    if ratio > policy.imbalance_ratio:
        often, seldom = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max() + 1).argmin())
        yield AuditFinding(
            "class_imbalance", "info",
            f"{data.classes.name(often)} occurs {ratio:,.0f} times as often as {data.classes.name(seldom)}",
            len(present), len(counts), "classes",
            "sample images of rare classes more often if their AP stays behind; it is rarely why nothing is learnt",
            cause="class_imbalance",
        )  # fmt: skip


def background(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Ids from 0 or from 1 (M6): right for one family of heads, wrong for the other."""
    if data.format != "torch" or not len(data.boxes):
        return
    lowest = int(data.boxes.class_ids.min())
    if lowest in (0, 1):
        text = (
            "torchvision's FasterRCNN, MaskRCNN and SSD keep 0 for background: add 1 for them"
            if lowest == 0
            else "RetinaNet, FCOS, DETR and YOLO count from 0: subtract 1 for them"
        )
        yield AuditFinding(
            "class_ids_start", "info", f"Class ids start at {lowest}", 1, len(data.classes), "classes", text,
            cause="background_label_used",
        )  # fmt: skip


def _classes(
    data: Dataset, id: str, title: str, classes: list[int], *, remedy: str, cause: str | None = None
) -> Iterator[AuditFinding]:
    if classes:
        names = [data.classes.name(index) for index in classes]
        yield AuditFinding(
            id, "info", f"{title}: {listed(names)}", len(classes), len(data.classes), "classes", remedy, cause
        )
