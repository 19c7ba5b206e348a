"""What a low score says of evaluations, where training is known to go well."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import Clue
from dettui.diagnose.conditions import Seen, over

FINDS_ITS_OBJECTS: Final = Clue(
    "score",
    1,
    Seen("bad_evaluation", "surest/"),
    "in training what it is surest of meets objects and fits them, and evaluations score next to nothing",
)
"""For whatever makes evaluations differ."""

IS_LOST: Final = over("score_fallen_from", 0)
"""A score that stood, and is next to nothing while training goes on to learn."""

LOST: Final = Clue(
    "score",
    1,
    IS_LOST,
    "the better training fits its targets, the less evaluations agree: {score_fallen_from:.3g} at best, "
    "{score_fallen_to:.3g} now",
)
"""The same, for whatever makes evaluations ask for something else."""
