"""Boxes, classes, pairing and assignment, as numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dettui.detect.assignment import AssignmentPolicy, read_likeness, read_matches
from dettui.detect.classes import are_of_parts, foreground, named_background, parts_unseen
from dettui.detect.context import Context
from dettui.detect.signals.fields import Signals
from dettui.detect.targets.checks import (
    batches_with_one_image,
    fits_no_format,
    is_another_format,
    share_outside,
    without_area,
)
from dettui.detect.targets.formats import READINGS, read_format, read_misreading
from dettui.detect.targets.pairing import aside, learnt, mirrors, own_place, same_batch, swapped
from dettui.detect.targets.policy import DEFAULT_POLICY
from dettui.detect.targets.reading import MISREADINGS, read_targets
from dettui.detect.targets.surest import read_surest
from dettui.numerics.proportions import entropy
from dettui_probe import tags


def add_boxes(context: Context, known: Signals) -> Signals:
    reading = read_targets(context, DEFAULT_POLICY.horizon)
    if reading is None:
        return known
    legal = reading.legal_shares()
    others = {name: share for name, share in legal.items() if name != (reading.declared_format or "xyxy")}
    images, empty = reading.count(tags.BATCH_SIZE), reading.count(tags.TARGET_EMPTY)
    misread = is_another_format(reading, DEFAULT_POLICY) or fits_no_format(reading)  # of other sizes than it seems
    flat, wrong = without_area(reading, DEFAULT_POLICY), read_misreading(reading, DEFAULT_POLICY)
    return replace(
        known,
        boxes_seen=reading.boxes,
        images_seen=images,
        batches_with_one_image=batches_with_one_image(reading, DEFAULT_POLICY),
        share_empty=empty / images if images and empty is not None else None,
        share_degenerate=reading.share(flat) if flat else None,
        share_nonfinite_boxes=reading.share(tags.TARGET_NONFINITE),
        share_outside=share_outside(reading, DEFAULT_POLICY),
        share_tiny=None if misread else reading.share(tags.TARGET_TINY),
        share_top_left=reading.share(tags.TARGET_TOP_LEFT),
        share_legal_xyxy=legal.get("xyxy"),
        share_legal_xywh=legal.get("xywh"),
        share_legal_cxcywh=legal.get("cxcywh"),
        share_legal_yxyx=legal.get("yxyx"),
        share_duplicates=reading.share(tags.TARGET_DUPLICATES),
        share_legal_declared=legal.get(reading.declared_format or "xyxy"),
        share_legal_other=max(others.values(), default=None),
        misread_as=None if wrong is None else list(MISREADINGS).index(wrong.name),
        misread_legal=None if wrong is None else wrong.legal,
        max_coord=reading.greatest(tags.TARGET_MAX_COORD),
        min_image_side=reading.least(tags.TARGET_IMAGE_SIDE),
    )


def add_format(context: Context, known: Signals) -> Signals:
    reading = read_targets(context, DEFAULT_POLICY.horizon)
    format = None if reading is None else read_format(reading, DEFAULT_POLICY)
    if format is None:
        return known
    return replace(
        known,
        read_as=READINGS.index(format.name),
        read_legal=format.legal,
        read_start=format.start,
        read_reach=format.reach,
        read_fits=format.fits,
        read_fits_at_least=format.fits_at_least,
    )


def add_labels(context: Context, known: Signals) -> Signals:
    reading = read_targets(context, DEFAULT_POLICY.horizon)
    if reading is None:
        return known
    counts = context.counts("targets")
    return replace(
        known,
        label_min=reading.least(tags.TARGET_LABEL_MIN),
        label_max=reading.greatest(tags.TARGET_LABEL_MAX),
        labels_illegal=reading.count(tags.TARGET_LABEL_ILLEGAL),
        labels_background=reading.count(tags.TARGET_BACKGROUND),
        share_below_zero=reading.share(tags.TARGET_BELOW_ZERO),
        labels_named_background=None if counts is None else named_background(counts),
        length_mismatches=reading.count(tags.TARGET_MISMATCH),
    )


def add_classes(context: Context, known: Signals) -> Signals:
    counts = context.counts("targets")
    if counts is None or counts.seen.sum() == 0:
        return known
    seen, _ = foreground(context, counts)
    occurring = seen[seen > 0]
    known = replace(
        known,
        num_classes=len(seen) if context.model is not None and context.model.num_classes else len(occurring),
        class_entropy=entropy(seen),
    )
    if are_of_parts(context):
        return replace(known, parts_unseen_share=parts_unseen(context, counts))
    return replace(
        known,
        imbalance_ratio=float(occurring.max() / occurring.min()) if len(occurring) else None,
        classes_unseen=int(np.count_nonzero(seen == 0)),
    )


def add_pairing(context: Context, known: Signals) -> Signals:
    own, mirrored = own_place(context, DEFAULT_POLICY), mirrors(context, DEFAULT_POLICY)
    turned, elsewhere = swapped(context, DEFAULT_POLICY), same_batch(context, DEFAULT_POLICY)
    told, tight = learnt(context, DEFAULT_POLICY), aside(context, DEFAULT_POLICY)
    best = max(mirrored, key=lambda wins: wins.share, default=None)
    return replace(
        known,
        pairing_boxes=None if own is None else own.compared,
        own_place_wins=None if own is None else own.share,
        own_place_wins_at_most=None if own is None else own.at_most,
        mirror_wins=None if best is None else best.share,
        mirror_wins_at_least=max((wins.at_least for wins in mirrored), default=None),
        mirror_wins_at_most=None if best is None else best.at_most,
        swap_wins=None if turned is None else turned.share,
        swap_wins_at_least=None if turned is None else turned.at_least,
        batch_wins=None if elsewhere is None else elsewhere.share,
        batch_wins_at_least=None if elsewhere is None else elsewhere.at_least,
        aside_wins=None if tight is None else tight.share,
        aside_wins_at_most=None if tight is None else tight.at_most,
        learnt_wins=None if told is None else told.share,
        learnt_wins_at_most=None if told is None else told.at_most,
    )


def add_surest(context: Context, known: Signals) -> Signals:
    read = read_surest(context)
    if read is None:
        return known
    return replace(known, surest_unexplained=read.share_unexplained, surest_overlap=read.overlap or None)


def add_assignment(context: Context, known: Signals) -> Signals:
    def per_object(tag: str) -> float | None:
        matches = read_matches(context, tag, AssignmentPolicy.window)
        return None if matches is None or matches.objects < AssignmentPolicy.objects else matches.per_object

    likeness = read_likeness(context, AssignmentPolicy.unlike_rows)
    if likeness is not None and likeness.objects < AssignmentPolicy.unlike_objects:
        likeness = None
    return replace(
        known,
        unlike_anchors=None if likeness is None else likeness.unlike,
        anchor_times=None if likeness is None else likeness.times,
        rpn_positives=per_object(tags.ASSIGN_RPN),
        roi_foreground=per_object(tags.ASSIGN_ROI),
        head_positives=per_object(tags.ASSIGN_POSITIVES),
        point_size=context.last(tags.ASSIGN_POINT_SIZE),
    )
