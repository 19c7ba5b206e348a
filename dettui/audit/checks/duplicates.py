"""Pairs of boxes: the same object drawn twice, or under two names; one annotation copied to every image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from dettui.audit.dataset import Dataset, Flags, Ints
from dettui.audit.finding import AuditFinding, AuditSeverity, box_text, on_boxes
from dettui.audit.policy import AuditPolicy
from dettui.domain.series import Floats

NEIGHBOURS: Final = 256
PARTNERS: Final = 8
"""Bounds of the work where one box is repeated without end: how many boxes further along a sorted image are compared,
and after how many partners a box is known well enough."""


class Pairs(NamedTuple):
    """Boxes ``first`` and ``second``, both (m,), that overlap almost wholly."""

    first: Ints
    second: Ints


def same_place(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Exact duplicates, near duplicates, and two classes at one place (A9; ultralytics removes exact ones silently)."""
    copies = exact_copies(data)
    yield from _finding(
        data, policy, "duplicate_box", "The same box of the same class stands there twice", copies,
        remedy="drop the copies: evaluation counts each as an object that was missed",
    )  # fmt: skip
    pairs = overlapping(data, policy.same_box_iou, data.boxes.sound & ~copies & ~data.boxes.crowd)
    same = data.boxes.classes[pairs.first] == data.boxes.classes[pairs.second]
    same &= data.boxes.class_ids[pairs.first] == data.boxes.class_ids[pairs.second]
    yield from _finding(
        data, policy, "near_duplicate_box", f"Boxes of one class overlap by more than {policy.same_box_iou:.0%}",
        _mask(data, pairs.second[same]), remedy="keep one of each pair: most come from merging two sets of annotations",
    )  # fmt: skip
    yield from _finding(
        data, policy, "conflicting_classes", "One place carries two classes", _mask(data, pairs.second[~same]),
        remedy="decide for one class, or set the head to several labels per box",
    )  # fmt: skip


def copied(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """The annotation of one image on all of them (A11): an index that stands still while files are written."""
    judged = data.boxes.sound
    count, images = int(judged.sum()), len(np.unique(data.boxes.images[judged]))
    if count < policy.copied_least_boxes or images < policy.copied_least_images:
        return
    rounded = np.column_stack([np.round(data.boxes.xyxy[judged], 0 if data.box_in_pixels.all() else 3)])
    share = len(np.unique(rounded, axis=0)) / count
    if share >= policy.copied_unique_share:
        return
    severity: AuditSeverity = "warning" if share < policy.copied_warning_share else "info"
    yield on_boxes(
        data, "boxes_repeat_across_images", severity, f"Only {share:.1%} of the boxes differ, over {images:,} images",
        judged, remedy="look at some images: a fixed camera may explain it, an annotation copied to every file too",
        cause="labels_shuffled",
    )  # fmt: skip


def exact_copies(data: Dataset) -> Flags:
    """(n,) boxes of which an earlier row of the same image has the class and all coordinates."""
    boxes = data.boxes
    keys = np.column_stack([boxes.images, boxes.class_ids, boxes.xyxy, boxes.crowd])
    order = np.lexsort(keys.T[::-1])
    is_copy = np.zeros(len(boxes), np.bool_)
    if len(boxes) > 1:
        equal = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
        is_copy[order[1:][equal]] = True  # lexsort is stable: the first of equal rows comes first
    return is_copy & boxes.sound


def overlapping(data: Dataset, least_iou: float, among: Flags) -> Pairs:
    """Pairs of one image *among* the boxes that overlap by more than *least_iou*, PARTNERS of each box at most.

    Sorted by image and left side, partners are close: an IoU above t leaves the left sides at most (1/t - 1) of the
    width of the wider box apart, and widths differ by 1/t at most.
    """
    index = np.flatnonzero(among).astype(np.int64)
    index = index[np.lexsort((data.boxes.xyxy[index, 0], data.boxes.images[index]))]
    xyxy, images = data.boxes.xyxy[index], data.boxes.images[index]
    reach = (1 / least_iou - 1) / least_iou * (xyxy[:, 2] - xyxy[:, 0])
    firsts, seconds = [], []
    active, partners = np.arange(len(index)), np.zeros(len(index), np.int64)
    for step in range(1, NEIGHBOURS + 1):
        active = active[active + step < len(index)]
        partner = active + step
        near = (images[active] == images[partner]) & (xyxy[partner, 0] - xyxy[active, 0] <= reach[active])
        active = active[near & (partners[active] < PARTNERS)]
        if not len(active):
            break
        hits = active[iou(xyxy[active], xyxy[active + step]) > least_iou]
        partners[hits] += 1
        firsts.append(index[hits])
        seconds.append(index[hits + step])
    none = np.empty(0, np.int64)
    return Pairs(np.concatenate([none, *firsts]), np.concatenate([none, *seconds]))


def iou(one: Floats, other: Floats) -> Floats:
    """(n,) overlap of the boxes of two arrays (n, 4), row by row."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1)
    result: Floats = shared / (areas - shared)
    return result


def _mask(data: Dataset, boxes: Ints) -> Flags:
    mask = np.zeros(len(data.boxes), np.bool_)
    mask[boxes] = True
    return mask


def _finding(
    data: Dataset, policy: AuditPolicy, id: str, title: str, flagged: Flags, *, remedy: str
) -> Iterator[AuditFinding]:
    if flagged.any():
        is_many = flagged.mean() > policy.duplicate_warning and flagged.sum() >= policy.duplicate_least
        severity: AuditSeverity = "warning" if is_many else "info"
        yield on_boxes(
            data, id, severity, title, flagged, remedy=remedy, cause="boxes_duplicated",
            describe=lambda index: box_text(data, index),
        )  # fmt: skip
