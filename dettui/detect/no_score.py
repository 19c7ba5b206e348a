"""The loss goes its way and no evaluation ever scores: the commonest complaint about detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.evaluations import PREFIX, direction
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Series
from dettui_probe import tags

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


@dataclass(frozen=True)
class NoScorePolicy:
    """A detector that trains is above it by a third of any schedule."""

    evaluations: int = 5
    of_run: float = 0.4  # share of a declared run
    undeclared: int = 2000  # steps, where the length was not told
    best: float = 0.02  # of a score between 0 and 1
    empty: float = 0.6  # share of images without a box, beside which a score of best_empty is no better
    best_empty: float = 0.1


@dataclass(frozen=True)
class NoScore:
    """A score that has never left zero."""

    policy: NoScorePolicy = NoScorePolicy()
    name: str = "no_score"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for the first score of detection or segmentation that stays at nothing."""
        scores = scores_of_places(context)
        if not scores:
            return Abstention(self.name, (PREFIX + "mAP",))
        total = context.total_steps
        if context.step < (self.policy.of_run * total if total else self.policy.undeclared):
            return ()
        found = (self._judge(context, context.series(tag)) for tag in scores)
        return tuple(symptom for symptom in found if symptom is not None)[:1]

    def _judge(self, context: Context, series: Series | None) -> Symptom | None:
        if series is None or len(series) < self.policy.evaluations or not np.isfinite(series.values).all():
            return None
        best = float(series.values.max())
        limit = self.policy.best_empty if self._mostly_empty(context) else self.policy.best
        if not 0 <= best < limit:
            return None
        window = (int(series.steps[0]), int(series.steps[-1]))
        text = f"{best:.3g} at best in {len(series)} evaluations"
        proof = Evidence(series.tag, window, best, limit, "<", text)
        return told_by([proof], "not_learning", "warning", f"{series.tag} has stayed at nothing", key="score")

    def _mostly_empty(self, context: Context) -> bool:
        empty, images = context.window(tags.TARGET_EMPTY, 500), context.window(tags.BATCH_SIZE, 500)
        return len(empty) >= 20 and images.sum() > 0 and float(empty.mean() / images.mean()) > self.policy.empty
