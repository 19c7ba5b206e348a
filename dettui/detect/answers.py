"""The model gives the same answer whatever its input (diagnosis.md S18, S22; detection.md H6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.classes import are_of_parts
from dettui.detect.context import Context
from dettui.detect.own_targets import fits_nothing
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import quantile
from dettui_probe import tags


@dataclass(frozen=True)
class AnswersPolicy:
    """A young network answers alike too: nothing is said before it had time to learn."""

    after_step: int = 150
    newest: int = 16  # measured steps
    at_least: int = 8
    spread: float = 1e-3  # of the output over a batch, as a share of its size
    one_class: float = 0.98  # share of the answers that name one class, at most steps
    of_targets: float = 0.8  # share of the most frequent class in the targets, from which naming it alone is no news
    of_parts: float = 0.5  # the same of tokens or queries, where a young network names the most frequent class for long
    unlearnt: float = 0.5  # share of the first loss below which answers are no collapse


def common_share(context: Context) -> float | None:
    """Share of the most frequent class among the targets."""
    counts = context.counts("targets")
    if counts is None or counts.seen.sum() < 100:
        return None
    return float(counts.seen.max() / counts.seen.sum())


@dataclass(frozen=True)
class SameAnswer:
    """Outputs that do not depend on the input, or answers that all name one class."""

    policy: AnswersPolicy = AnswersPolicy()
    name: str = "same_answer"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.FIT_SPREAD, tags.FIT_TOP_SHARE)
        curve = context.loss
        if len(missing) == 2 or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        if context.step < max(self.policy.after_step, context.warmup_end + 50):
            return ()
        if curve.now <= self.policy.unlearnt * curve.start and not fits_nothing(context):
            return ()
        found = self._constant_output(context) or self._one_class(context)
        return () if found is None else (found,)

    def _constant_output(self, context: Context) -> Symptom | None:
        spread = context.window(tags.FIT_SPREAD, self.policy.newest)
        if len(spread) < self.policy.at_least:
            return None
        greatest = quantile(spread, 0.9)
        if greatest >= self.policy.spread:
            return None
        window = context.span(tags.FIT_SPREAD, self.policy.newest)
        text = f"over a batch the output varies by {greatest:.1e} of its size"
        proof = Evidence(tags.FIT_SPREAD, window, greatest, self.policy.spread, "<", text)
        return told_by([proof], "collapse", "warning", "The output is the same for every input", key="answers")

    def _one_class(self, context: Context) -> Symptom | None:
        policy = self.policy
        shares, common = context.window(tags.FIT_TOP_SHARE, policy.newest), common_share(context)
        if context.model is None or context.model.family != "classification":
            return None  # most proposals of a detector are background
        usual = policy.of_parts if are_of_parts(context) else policy.of_targets
        if len(shares) < policy.at_least or common is None or common >= usual:
            return None
        least = quantile(shares, 0.25)
        if least < policy.one_class:
            return None
        window = context.span(tags.FIT_TOP_SHARE, policy.newest)
        text = f"{least:.0%} or more of the answers name one class, which makes up {common:.0%} of the targets at most"
        proof = Evidence(tags.FIT_TOP_SHARE, window, least, policy.one_class, ">", text)
        return told_by([proof], "collapse", "warning", "Every answer names the same class", key="answers")
