"""A resumed run whose optimizer begins with nothing.  Exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class ResumePolicy:
    """The first start of a run begins without state too; a later one should not."""

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
        fresh = series.steps[np.flatnonzero(series.values > 0)]
        later = fresh if context.is_resumed else fresh[fresh > series.steps[0]]
        if len(later) == 0 or context.step - later[-1] > self.policy.horizon:
            return ()
        step = int(later[-1])
        text = f"at step {step} the optimizer began without momentum or second moments, which it had before"
        proof = Evidence(tags.FRESH_STATE, (step, step), 1.0, 0.0, ">", text)
        title = f"The optimizer began afresh at step {step}"
        return (told_by([proof], "config_smell", "warning", title, exact=True, key="resume"),)
