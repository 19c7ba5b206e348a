"""Scores that were low when the run began and have not moved since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.evaluations import PREFIX, direction
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats, Series
from dettui_probe import tags


@dataclass(frozen=True)
class FlatScorePolicy:
    """Of the healthy runs of the fault bench the lowest score that is best of its run is 0.35."""

    evaluations: int = 8
    best: float = 0.2  # of a score between 0 and 1
    trend: float = 0.5  # rank correlation with time; beyond 0.64 in one of 20 series of ten without any
    of_run: float = 0.7  # share of the run
    learnt: float = 0.2  # of the first loss: below it the training set is learnt, and other rules tell why that is all


@dataclass(frozen=True)
class FlatScore:
    """No score of the run has risen, late in a run whose loss is not low either.  Of detectors a low mAP may be all
    that hard data give, and ``no_score`` tells of one that is next to nothing."""

    policy: FlatScorePolicy = FlatScorePolicy()
    name: str = "flat_score"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, of the first score; silent where one of them is better, or rises."""
        found = (context.series(tag) for tag in context.tags_under(PREFIX) if direction(tag) > 0)
        scores = [score for score in found if score is not None and len(score) >= self.policy.evaluations]
        total, curve = context.total_steps, context.loss
        if not scores or not total or curve is None or context.series(tags.TARGET_BOXES) is not None:
            return Abstention(self.name, (PREFIX + "*", "run/total_steps"))
        if context.step < self.policy.of_run * total or context.is_resumed:
            return ()
        if curve.now < self.policy.learnt * curve.start or not all(map(self._is_flat, scores)):
            return ()
        return (self._symptom(scores[0]),)

    def _is_flat(self, score: Series) -> bool:
        values = score.values
        if not np.isfinite(values).all() or values.min() < 0 or values.max() >= self.policy.best:
            return False
        return _rank_correlation(values) < self.policy.trend

    def _symptom(self, score: Series) -> Symptom:
        best, window = float(score.values.max()), (int(score.steps[0]), int(score.steps[-1]))
        trend = _rank_correlation(score.values)
        text = f"{best:.3g} at best in {len(score)} evaluations, with no trend (rank correlation {trend:.2f})"
        proof = Evidence(score.tag, window, best, self.policy.best, "<", text)
        return told_by([proof], "not_learning", "warning", f"{score.tag} has not moved", key="flat_score")


def _rank_correlation(values: Floats) -> float:
    """Of *values*, shape (n,), with their order; equal ones share a rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float(np.corrcoef(np.arange(len(values)), ranks)[0, 1]) if len(counts) > 1 else 0.0
