"""A resumed run whose optimizer begins with nothing.  Exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.restart import how_it_goes_on
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Series
from dettui_probe import tags


@dataclass(frozen=True)
class ResumePolicy:
    """The first start of a run begins without state too; one that goes on should not."""

    horizon: int = 500  # steps for which it stays news


@dataclass(frozen=True)
class LostState:
    """The optimizer's state did not come along."""

    policy: ResumePolicy = ResumePolicy()
    name: str = "lost_state"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact."""
        series = context.series(tags.FRESH_STATE)
        if series is None:
            return Abstention(self.name, (tags.FRESH_STATE,))
        step = _newest_loss(series)
        if step is not None and step > series.steps[0]:
            return self._told(context, step, "")
        proof = _why_it_goes_on(context) if series.values[0] > 0 else None
        return () if proof is None else self._told(context, int(series.steps[0]), f"; {proof}")

    def _told(self, context: Context, step: int, proof: str) -> Sequence[Symptom]:
        if context.step - step > self.policy.horizon:
            return ()
        text = f"at step {step} the optimizer began without momentum or second moments, which it had before{proof}"
        evidence = Evidence(tags.FRESH_STATE, (step, step), 1.0, 0.0, ">", text)
        title = f"The optimizer began afresh at step {step}"
        return (told_by([evidence], "config_smell", "warning", title, exact=True, key="resume"),)


def _newest_loss(series: Series) -> int | None:
    """The newest step without state right after one with it: steps that a GradScaler skips first have none yet."""
    fresh = series.values > 0
    lost = np.flatnonzero(fresh[1:] & ~fresh[:-1])
    return int(series.steps[lost[-1] + 1]) if len(lost) else None


def _why_it_goes_on(context: Context) -> str | None:
    """Why the newest start, whose optimizer has no state, ought to have some; None where it need not."""
    if context.start_step > 0:
        return f"the script goes on from step {context.start_step}"
    return how_it_goes_on(context) if _had_state(context.before(tags.FRESH_STATE)) else None


def _had_state(earlier: Series | None) -> bool:
    return earlier is not None and bool((earlier.values == 0).any())
