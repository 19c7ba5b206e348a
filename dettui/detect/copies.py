"""Layers whose units are copies of each other: what began equal stays equal (diagnosis.md S15).  Exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class CopiesPolicy:
    """A layer that begins at zero on purpose, as the last one of a residual branch, leaves it with the first step."""

    after_steps: int = 8  # of training, before equal rows are news
    share: float = 0.3  # of the layers; fewer may be a branch that is not used


@dataclass(frozen=True)
class CopiedUnits:
    """Rows of a weight that are all equal after training has begun."""

    policy: CopiesPolicy = CopiesPolicy()
    name: str = "copied_units"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact; info where few layers are concerned."""
        series, layers = context.series(tags.WEIGHT_COPIES), context.last(tags.WEIGHT_LAYERS)
        if series is None or not layers:
            return Abstention(self.name, (tags.WEIGHT_COPIES,))
        first, last = int(series.steps[0]), int(series.steps[-1])
        copied = series.last
        if not copied or last - first < self.policy.after_steps:
            return ()
        text = f"in {copied:.0f} of {layers:.0f} weights every row equals the first, {last} steps into the training"
        proof = Evidence(tags.WEIGHT_COPIES, (first, last), copied, 0.0, ">", text)
        severe = copied >= self.policy.share * layers
        title = f"The units of {copied:.0f} layers are copies of each other"
        return (told_by([proof], "dead_units", "warning" if severe else "info", title, exact=True, key="copies"),)
