"""What the exception says with which a run ended.  Exact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence

LABEL_BEYOND = "event/label_out_of_bounds"
BOX_WITHOUT_AREA = "event/box_without_area"
"""Named by evidence: an exception is no series."""


@dataclass(frozen=True)
class _Saying:
    pattern: str
    tag: str
    title: str


_SAYINGS = (
    _Saying(r"Target -?\d+ is out of bounds|Class values must be smaller than num_classes", LABEL_BEYOND,
            "A label outside the classes of the head ended the run"),
    _Saying(r"[Bb]oundings? boxes should have positive height and width|boxes.* positive height", BOX_WITHOUT_AREA,
            "A box without area ended the run"),
)  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """Exceptions that name their cause."""

    name: str = "ending"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact."""
        text = context.last_words
        for saying in _SAYINGS:
            if re.search(saying.pattern, text):
                line = text.strip().rpartition("\n")[2]
                proof = Evidence(saying.tag, (context.step, context.step), None, None, "", line[:160])
                return (told_by([proof], "bad_targets", "critical", saying.title, exact=True, key="ending"),)
        return ()
