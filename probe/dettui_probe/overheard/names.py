"""What the measures of others are called here: ``val_acc`` and ``metrics/accuracy`` become ``eval/accuracy``."""

from __future__ import annotations

import re
from typing import Final

PREFIX: Final = "eval/"
_OF_EVALUATION: Final = frozenset({"val", "valid", "validation", "eval", "evaluation", "test", "dev"})
_NO_MEASURE: Final = re.compile(r"(^|_)(runtime|per_second|epoch|step|steps|time|jit_compilation_time)$")
_SEPARATORS: Final = re.compile(r"([/_.\s]+)")
_KNOWN: Final = {
    "loss": "loss",
    "acc": "accuracy",
    "accuracy": "accuracy",
    "map": "mAP",
    "ap": "mAP",
    "map50-95": "mAP",
    "map_50_95": "mAP",
    "bbox_map": "mAP",
    "map50": "mAP50",
    "map_50": "mAP50",
    "map@50": "mAP50",
    "map@0.5": "mAP50",
    "ap50": "mAP50",
    "map75": "mAP75",
    "map_75": "mAP75",
    "ap75": "mAP75",
}  # fmt: skip


def of_evaluation(name: str) -> str | None:
    """The tag of a measure that a tracker is told under *name*; None where that does not say it is an evaluation's."""
    return tag_of(name) if len(_measure(name)) < len(name) else None


def tag_of(name: str) -> str | None:
    """The tag of what an evaluation measured as *name*; None where that is no measure of the model (its run time)."""
    measure = _measure(name)
    if not measure or _NO_MEASURE.search(measure.lower()):
        return None
    return PREFIX + _KNOWN.get(measure.lower(), measure)


def _measure(name: str) -> str:
    """*name* without the words that say it is of an evaluation."""
    first, *rest = _SEPARATORS.split(name)
    pieces = [("", first), *zip(rest[::2], rest[1::2], strict=True)]
    kept = [mark + word for mark, word in pieces if word.lower() not in _OF_EVALUATION]
    return "".join(kept).strip("/_. \t")
