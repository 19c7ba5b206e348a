"""What a guesser would lose: a reference for "knows nothing" where the head is known."""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np

from dettui.detect.context import Context
from dettui.domain.series import Floats
from dettui.numerics.proportions import entropy
from dettui_probe import tags

_FIRST: Final = 3  # measured answers
_NEWEST: Final = 12
_MORE: Final = (1.4, 8.0)
"""Times its cross-entropy that a loss of several terms costs: less may be weights of classes, or smoothing; more is a
sum over the batch, of which other rules tell."""


def has_other_terms(context: Context) -> bool:
    """Whether the cross-entropy is a part of the loss only, from the start and still: boxes beside classes, a second
    head, Dice; or has a margin in it.  What a guesser loses is then no level of the total."""
    if context.last(tags.GRAPH_COSINES):
        return True
    if context.last(tags.GRAPH_PENALTY) or context.last(tags.GRAPH_SUMMED):
        return False
    total, part = context.early_median(tags.LOSS_TOTAL, 10), context.early_median(tags.FIT_LOSS_MEAN, _FIRST)
    now, part_now = (context.median(tag, _NEWEST, _NEWEST // 2) for tag in (tags.LOSS_TOTAL, tags.FIT_LOSS_MEAN))
    if not total or not part or not now or not part_now:
        return False
    return _MORE[0] * part < total < _MORE[1] * part and now > _MORE[0] * part_now


def level_over_chance(context: Context, points: int | None) -> float | None:
    """The class loss as a share of a guesser's, over the newest *points* or, with None, over the first ten.

    Known for classification (guesser: entropy of the classes seen, diagnosis.md H(pi)) and for the two-stage
    detectors of torchvision, whose untrained class loss is ln K (measured 1.40 against ln 4, detection.md 0.1).
    """
    model = context.model
    if model is None or not model.num_classes or model.num_classes < 2:
        return None
    if model.family == "classification":
        if has_other_terms(context):
            return None
        return _share(context, tags.LOSS_TOTAL, class_entropy(context) or log(model.num_classes), points)
    if model.family.endswith("RCNN") and points is None:
        return _share(context, tags.LOSS + "loss_classifier", log(model.num_classes), points)
    return None


def _share(context: Context, tag: str, guess: float, points: int | None) -> float | None:
    series = context.series(tag)
    if series is None or guess <= 0:
        return None
    values: Floats = series.values[:10] if points is None else series.values[-points:]
    return float(np.median(values)) / guess


def guess_of(context: Context) -> float | None:
    """What a guesser of classes would lose: H of the classes seen or, until they are counted, ln K of a classifier."""
    model = context.model
    known = class_entropy(context)
    if (
        known is not None
        or has_other_terms(context)
        or model is None
        or model.family != "classification"
        or not model.num_classes
    ):
        return known
    return log(model.num_classes)


def class_entropy(context: Context) -> float | None:
    """H of the classes seen in the targets, in nats: the loss of a guesser.  None where too few were counted, and for a
    detector, whose loss has other terms and whose places are background for the most part."""
    counts = context.counts("targets")
    if counts is None or counts.seen.sum() < 100 or context.series(tags.TARGET_BOXES) is not None:
        return None
    if has_other_terms(context):
        return None
    return entropy(counts.seen)
