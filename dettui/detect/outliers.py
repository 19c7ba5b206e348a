"""Single batches whose inputs are far outside all others, again and again (diagnosis.md S37)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, first_told, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import median, usable_of
from dettui_probe import tags

WATCHED = (tags.IMAGE_STD, tags.BATCH_STD)


@dataclass(frozen=True)
class OutlierPolicy:
    """A few in a hundred, each far off: more of them would be a mixture, fewer an accident."""

    least: int = 60  # measured steps
    factor: float = 4.0  # times the usual deviation of the inputs
    times: int = 3  # that it came
    most: float = 0.1  # share of the batches
    beside: int = 2  # steps on either side of a jump of the loss, in which its batch is
    before: int = 60  # steps before that tell what is usual
    after: int = 12  # and after it


def wild_batch(context: Context, step: int, policy: OutlierPolicy | None = None) -> Evidence | None:
    """That the inputs of a batch next to *step* were far outside those before and after it; None where they were not,
    or were not measured."""
    policy = policy or OutlierPolicy()
    for tag in WATCHED:
        series = context.series(tag)
        if series is None:
            continue
        at = series.between(step - policy.beside, step + policy.beside)
        others = [series.between(step - policy.before, step - policy.beside - 1).values,
                  series.between(step + policy.beside + 1, step + policy.beside + policy.after).values]  # fmt: skip
        if len(at) and all(map(len, others)):
            usual, wildest = (max(median(usable_of(part)) for part in others), float(np.nanmax(at.values)))
            if wildest > policy.factor * usual > 0:
                text = f"the inputs of a batch there vary {wildest / usual:.0f} times as much as those before and after"
                return Evidence(tag, (int(at.steps[0]), int(at.steps[-1])), wildest / usual, policy.factor, ">", text)
    return None


@dataclass(frozen=True)
class OutlierBatches:
    """Inputs that were not prepared like the rest."""

    policy: OutlierPolicy = OutlierPolicy()
    name: str = "outlier_batches"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        return first_told(self.name, context, WATCHED, self._judge)

    def _judge(self, context: Context, tag: str) -> Symptom | None:
        series, policy = context.series(tag), self.policy
        if series is None or len(series) < policy.least:
            return None
        values = series.values[-2000:].astype(np.float64)
        usual = median(values[np.isfinite(values)]) if np.isfinite(values).any() else 0.0
        if usual <= 0:
            return None
        wild = np.flatnonzero(values > policy.factor * usual)
        if not policy.times <= len(wild) <= policy.most * len(values):
            return None
        steps = series.steps[-2000:][wild]
        ratio = float(median(values[wild]) / usual)
        text = (
            f"{len(wild)} of {len(values)} batches, the newest at step {steps[-1]}, have inputs that vary {ratio:.0f} "
            "times as much as usual"
        )
        proof = Evidence(tag, (int(series.steps[-2000:][0]), int(steps[-1])), ratio, policy.factor, ">", text)
        title = "Single batches are far outside all others"
        return told_by([proof], "bad_inputs", "warning", title, key="outliers")
