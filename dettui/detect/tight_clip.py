"""Gradients that are clipped to next to nothing at every step (CAUSES.md: clip_too_tight)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.run import ModelInfo
from dettui.domain.series import Floats
from dettui.numerics.common import common_places
from dettui.numerics.robust import median
from dettui_probe import tags


@dataclass(frozen=True)
class ClipPolicy:
    """A limit is meant for outliers; one at a tenth of the usual norm sets the size of each step."""

    wait_points: int = 150
    window: int = 200
    over: float = 10.0  # usual norm over the limit
    every: float = 0.95  # share of the steps
    hardly_moved: float = 0.8  # share of the first loss
    small_update: float = 1e-3  # ||dw||/||w|| below which a loss that falls, but not by half, is held back too
    held_back: float = 0.5  # share of the first loss


def norms_over_limit(context: Context, points: int) -> Floats:
    """Gradient norm over the norm that it was clipped to, of the newest *points* at which both are known."""
    norm, limit = context.series(tags.GRAD_NORM), context.series(tags.GRAD_CLIP)
    if norm is None or limit is None:
        return np.empty(0)
    mine, theirs = common_places(norm.steps[-points:], limit.steps[-points:])
    limits = limit.values[-points:][theirs].astype(np.float64)
    return norm.values[-points:][mine].astype(np.float64)[limits > 0] / limits[limits > 0]


def sets_the_step(model: ModelInfo | None) -> bool:
    """False for an adaptive optimizer, which undoes a common factor of all its gradients."""
    return model is not None and "SGD" in model.optimizer


@dataclass(frozen=True)
class TightClip:
    """The limit rules the step, and the loss hardly moves."""

    policy: ClipPolicy = ClipPolicy()
    name: str = "tight_clip"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        model, curve = context.model, context.loss
        missing = (*context.missing(tags.GRAD_CLIP, tags.LOSS_TOTAL), *(("model",) if model is None else ()))
        if missing or curve is None or model is None:
            return Abstention(self.name, missing)
        if not sets_the_step(model) or context.points_past_warmup < self.policy.wait_points:
            return ()
        over = norms_over_limit(context, self.policy.window)
        if len(over) < self.policy.wait_points // 2 or curve.now <= self._most_left(context) * curve.start:
            return ()
        if np.mean(over > self.policy.over) < self.policy.every:
            return ()
        usual = median(over)
        window = context.span(tags.GRAD_CLIP, self.policy.window)
        text = f"the gradient is {usual:.0f} times as long as the norm it is clipped to, at nearly every step"
        proof = Evidence(tags.GRAD_CLIP, window, usual, self.policy.over, ">", text)
        title = f"Every gradient is clipped to a {usual:.0f}th of its length"
        return (told_by([proof], "config_smell", "warning", title, key="clip"),)

    def _most_left(self, context: Context) -> float:
        """Share of the first loss that a run which does not suffer has left behind by now."""
        update = context.median(tags.UPDATE_RATIO, 10**6)
        is_small = update is not None and update < self.policy.small_update
        return self.policy.held_back if is_small else self.policy.hardly_moved
