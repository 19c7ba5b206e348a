"""What a low score says of evaluations, where training is known to go well."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import Clue
from dettui.diagnose.conditions import Seen

FINDS_ITS_OBJECTS: Final = Clue(
    "score",
    1,
    Seen("bad_evaluation", "surest/"),
    "in training what it is surest of meets objects and fits them, and evaluations score next to nothing",
)
"""For whatever makes evaluations differ."""
