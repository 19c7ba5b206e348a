"""BatchNorm statistics that lost touch with what training computes: one broken batch is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.detect.evaluations import PREFIX, direction
from dettui.detect.loss_curve import LossCurve
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Series
from dettui_probe import tags

_NOTHING: Final = np.empty(0)


@dataclass(frozen=True)
class ExtremeNormPolicy:
    """Training normalises by its own batch and does not read the running statistics; evaluations do."""

    evaluations: int = 3  # since the channels were met
    apart: float = 1.25  # evaluation over training loss, at every one of them
    around: int = 20  # points on either side of that step, for the level of the training loss there
    fallen: float = 0.95  # share of it: where training suffers as well, the statistics are a consequence
    learnt: float = 0.1  # a score that was there to be lost
    score_left: float = 0.9  # share of the best score before that none reached since, while training went on


@dataclass(frozen=True)
class ExtremeNorms:
    """Channels whose running variance left those of the model by far, while training goes on and evaluations suffer."""

    policy: ExtremeNormPolicy = ExtremeNormPolicy()
    name: str = "extreme_norms"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on channels that were extreme from the start, as behind inputs of 0 to 255."""
        channels, curve = context.series(tags.NORM_EXTREME), context.loss
        if channels is None or curve is None or not context.tags_under(PREFIX):
            return Abstention(self.name, (tags.NORM_EXTREME, PREFIX + "*"))
        since = appeared(context)
        if since is None or curve.now <= 0 or curve.now > self.policy.fallen * _level_at(curve, since, self.policy):
            return ()
        harm = self._dear_evaluations(context, curve, since) or self._lost_score(context, since)
        if harm is None:
            return ()
        count = channels.values[-1]
        text = f"{count:.0f} channels have a running variance over 10,000 times the median of the model"
        proof = Evidence(tags.NORM_EXTREME, (since, context.step), count, 0.0, ">", text)
        title = f"Running statistics of {count:.0f} BatchNorm channels became extreme"
        return (told_by([proof, harm], "bad_evaluation", "warning", title, key="extreme_norms"),)

    def _dear_evaluations(self, context: Context, curve: LossCurve, since: int) -> Evidence | None:
        policy, evaluations = self.policy, eval_loss(context)
        after = _NOTHING if evaluations is None else evaluations.values[evaluations.steps >= since]
        if evaluations is None or len(after) < policy.evaluations:
            return None
        apart = float(after[-policy.evaluations :].min()) / curve.now
        if apart < policy.apart:
            return None
        text = f"since then evaluations, which use it, cost {apart:.1f} times the training loss or more"
        return Evidence(evaluations.tag, (since, context.step), apart, policy.apart, ">", text)

    def _lost_score(self, context: Context, since: int) -> Evidence | None:
        """Where no loss is evaluated, as of detectors."""
        scores = (context.series(tag) for tag in context.tags_under(PREFIX) if direction(tag) > 0)
        found = (self._fallen(score, since) for score in scores if score is not None)
        return next((proof for proof in found if proof is not None), None)

    def _fallen(self, score: Series, since: int) -> Evidence | None:
        policy, is_after = self.policy, score.steps >= since
        before, after = score.values[~is_after], score.values[is_after]
        if not len(before) or len(after) < policy.evaluations or not np.isfinite(score.values).all():
            return None
        best, best_since = float(before.max()), float(after.max())
        if best < policy.learnt or best_since >= policy.score_left * best:
            return None
        text = f"{best:.3g} at best before, and {best_since:.3g} since then in {len(after)} evaluations, which use it"
        window = since, int(score.steps[-1])
        return Evidence(score.tag, window, best_since, policy.score_left * best, "<", text)


def _level_at(curve: LossCurve, step: int, policy: ExtremeNormPolicy) -> float:
    """Of the training loss around *step*."""
    at = int(np.searchsorted(curve.steps, step))
    return float(np.median(curve.values[max(0, at - policy.around) : at + policy.around]))


def appeared(context: Context) -> int | None:
    """The step at which more channels were extreme than at first, and they still are; None where there is none."""
    channels = context.series(tags.NORM_EXTREME)
    if channels is None or not channels.values[-1] > channels.values[0]:
        return None
    return int(channels.steps[np.flatnonzero(channels.values > channels.values[0])[0]])
