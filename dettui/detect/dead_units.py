"""Units that stopped learning: gradients that became exactly zero and stay so (diagnosis.md S13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import quantile
from dettui_probe import tags


@dataclass(frozen=True)
class DeadUnitsPolicy:
    """Half to two thirds of exact zeros are normal behind ReLU, and so is any share that was there from the start, as
    with sparse embeddings (diagnosis.md section 5)."""

    newest: int = 5  # measured shares in a row; thousands of elements each, so that one says much
    quantile: float = 0.25  # of them that is compared: now and then a unit fires
    dead: float = 0.9  # [S13]
    alive: float = 0.5  # share at the first measured step
    solved: float = 0.05  # share of the first loss below which nothing is left to learn


@dataclass(frozen=True)
class DeadUnits:
    """Nearly all gradient elements are exactly zero, and were not at the start."""

    policy: DeadUnitsPolicy = DeadUnitsPolicy()
    name: str = "dead_units"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.GRAD_ZERO)
        curve, policy = context.loss, self.policy
        if missing or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        newest = context.window(tags.GRAD_ZERO, policy.newest)
        first = context.early_median(tags.GRAD_ZERO, 1)
        if first is None or len(newest) < policy.newest or curve.now <= policy.solved * curve.start:
            return ()
        least = quantile(newest, policy.quantile)
        return (self._symptom(context, first, least),) if first < policy.alive and least > policy.dead else ()

    def _symptom(self, context: Context, first: float, least: float) -> Symptom:
        window = context.span(tags.GRAD_ZERO, self.policy.newest)
        text = (
            f"{least:.0%} or more of the gradient elements are exactly 0 at most steps; at the first {first:.0%} were"
        )
        return Symptom(
            kind="dead_units",
            severity="warning",
            first_step=window[0],
            last_step=window[1],
            title=f"{least:.0%} of the gradient is exactly zero, step after step",
            evidence=(Evidence(tags.GRAD_ZERO, window, least, self.policy.dead, ">", text),),
            facts={"zero_share": least, "zero_share_first": first},
        )
