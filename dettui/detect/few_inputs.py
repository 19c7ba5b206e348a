"""A few inputs, met again and again, and learnt by heart, whatever the loss (diagnosis.md S19, S25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.detect.evaluations import PREFIX, direction
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Series
from dettui_probe import tags


@dataclass(frozen=True)
class FewInputsPolicy:
    """Augmented inputs are never met twice, so they are not counted here."""

    newest: int = 16  # measured steps
    new_share: float = 0.05  # of their inputs, while new ones hardly come any more
    few: int = 500  # distinct inputs
    times: float = 20.0  # that each was met; 16 at most in the healthy runs of the fault bench
    fingerprinted: int = 32  # inputs of a batch, at most: of larger batches in one order the rest is not seen
    evaluations: int = 4
    apart: float = 2.5  # times the training loss that evaluations cost
    apart_of_more: float = 3.0  # times, of more inputs than very_few
    come_far: float = 0.3  # share of the first evaluation loss; of more inputs than very_few it is news only below it
    least_loss: float = 0.1  # of the first training loss: below it an evaluation loss is small all the same
    very_few: int = 100  # distinct inputs, too few for nearly any task, where each was met so often
    very_often: float = 50.0
    far_apart: float = 8.0  # times the training loss that evaluations cost then
    least_loss_of_few: float = 0.05
    by_heart: float = 0.05  # share of its start to which the training loss fell, where evaluations give a score only
    score: float = 0.5  # of one between 0 and 1: half of what is to be found is not


@dataclass(frozen=True)
class Met:
    """The inputs of training, once no new ones come."""

    distinct: int
    times: float  # that each was met


def read_met(context: Context, policy: FewInputsPolicy) -> Met | None:
    """None while new ones come, and where it is not known how many there are."""
    rows, new, lag = context.series(tags.ROWS), context.series(tags.ROWS_NEW), context.median(tags.BATCH_LAG, 24)
    if rows is None or new is None or len(rows) != len(new) or len(rows) < policy.newest or context.is_resumed:
        return None
    of_step, distinct = context.median(tags.ROWS, 50), float(np.nansum(new.values))
    if (
        not of_step
        or not distinct
        or context.total(tags.ROWS_NEW, policy.newest) > policy.new_share * of_step * policy.newest
    ):
        return None
    if of_step >= policy.fingerprinted and lag:
        return None
    return Met(round(distinct), of_step * context.step / distinct)


@dataclass(frozen=True)
class FewInputs:
    """What is learnt of the few does not hold for others."""

    policy: FewInputsPolicy = FewInputsPolicy()
    name: str = "few_inputs"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        if context.missing(tags.ROWS_NEW) or context.loss is None:
            return Abstention(self.name, (tags.ROWS_NEW, tags.LOSS_TOTAL))
        met, policy = read_met(context, self.policy), self.policy
        if met is None or met.distinct > policy.few or met.times < policy.times:
            return ()
        gap = self._dearer(context, met) or self._unfound(context)
        if gap is None:
            return ()
        text = f"there are {met.distinct} inputs, and each was met {met.times:.0f} times, unchanged"
        window = (context.span(tags.ROWS, 1_000_000)[0], context.step)
        few = Evidence(tags.ROWS, window, float(met.distinct), float(policy.few), "<", text)
        title = f"{met.distinct} inputs are learnt by heart, and what is learnt does not hold for others"
        severity: Severity = "info" if met.distinct > policy.very_few and self._have_come_far(context) else "warning"
        return (told_by([few, gap], "overfit", severity, title, key="few_inputs"),)

    def _have_come_far(self, context: Context) -> bool:
        """Whether evaluations show that much of what is learnt does hold for others."""
        series = eval_loss(context)
        return series is not None and float(np.median(series.values[-3:])) < self.policy.come_far * series.values[0]

    def _dearer(self, context: Context, met: Met) -> Evidence | None:
        """Evaluations that cost far more than training: by how much, and from where on, is less a question the fewer
        inputs there are."""
        curve, series, policy = context.loss, eval_loss(context), self.policy
        if curve is None or series is None or len(series) < policy.evaluations or curve.now <= 0:
            return None
        since = curve.values[curve.steps >= series.steps[-3]]
        if not len(since):
            return None
        theirs, ours = float(np.median(series.values[-3:])), float(np.median(since))
        apart = policy.apart if met.distinct <= policy.very_few else policy.apart_of_more
        costs_much = theirs >= apart * ours and theirs >= policy.least_loss * curve.start
        if ours <= 0 or not (costs_much or self._costs_more_than_the_few(met, theirs, ours, curve.start)):
            return None
        window = (int(series.steps[-3]), int(series.steps[-1]))
        text = f"evaluations cost {theirs:.3g}, {theirs / ours:.1f} times as much as training"
        return Evidence(series.tag, window, theirs / ours, policy.apart, ">", text)

    def _costs_more_than_the_few(self, met: Met, theirs: float, ours: float, start: float) -> bool:
        policy = self.policy
        if met.distinct > policy.very_few or met.times < policy.very_often:
            return False
        return theirs >= policy.far_apart * ours and theirs >= policy.least_loss_of_few * start

    def _unfound(self, context: Context) -> Evidence | None:
        """A training loss of next to nothing, and a score that is far from all."""
        curve, policy = context.loss, self.policy
        if curve is None or eval_loss(context) is not None or not 0 <= curve.now < policy.by_heart * curve.start:
            return None
        found = (context.series(tag) for tag in context.tags_under(PREFIX) if direction(tag) > 0)
        return next((proof for series in found if (proof := self._low(series)) is not None), None)

    def _low(self, series: Series | None) -> Evidence | None:
        policy = self.policy
        if series is None or len(series) < policy.evaluations or not np.isfinite(series.values).all():
            return None
        newest = float(np.median(series.values[-3:]))
        if not 0 <= newest < policy.score or series.values.max() > 1:
            return None
        window = (int(series.steps[-3]), int(series.steps[-1]))
        text = f"the training loss is next to nothing, and {series.tag} is {newest:.2g}"
        return Evidence(series.tag, window, newest, policy.score, "<", text)
