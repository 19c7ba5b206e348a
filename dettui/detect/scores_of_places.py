"""Scores of detection and segmentation among the user's evaluations."""

from __future__ import annotations

from typing import Final

from dettui.detect.context import Context
from dettui.detect.evaluations import PREFIX, direction

_ALL: Final = 10_000  # evaluations


def _is_of_places(tag: str) -> bool:
    """True for a score that is 0 until something is found where it is: guessing a class brings nothing."""
    return any(word in tag.lower() for word in ("ap", "iou", "dice"))


def scores_of_places(context: Context) -> tuple[str, ...]:
    """Tags of such scores, of which more is better."""
    return tuple(tag for tag in context.tags_under(PREFIX) if direction(tag) > 0 and _is_of_places(tag))


def best_score(context: Context) -> float | None:
    """The greatest value that any of them ever had; None where there is none."""
    values = (context.window(tag, _ALL) for tag in scores_of_places(context))
    return max((float(seen.max()) for seen in values if len(seen)), default=None)


def best_precision(context: Context) -> float | None:
    """The same of average precisions alone: of regions, a part is met by a guess."""
    precisions = (tag for tag in scores_of_places(context) if "ap" in tag.lower())
    values = (context.window(tag, _ALL) for tag in precisions)
    return max((float(seen.max()) for seen in values if len(seen)), default=None)
