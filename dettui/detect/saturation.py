"""Squashing layers that are pinned to their ends from the first step on (diagnosis.md S14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class SaturationPolicy:
    """A gate, or an output of probabilities, is pinned once it is sure; a layer that begins so hardly learns."""

    pinned: float = 0.6  # share of the outputs of a layer [S14]
    of_layers: float = 0.5
    first_points: int = 3
    newest_points: int = 8
    after_step: int = 100
    unlearnt: float = 0.25  # share of the first loss


@dataclass(frozen=True)
class Saturated:
    """Half of the squashing layers or more, pinned from the start and still."""

    policy: SaturationPolicy = SaturationPolicy()
    name: str = "saturated"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on a resumed run, and where the loss is mostly gone."""
        layers, curve, policy = context.tags_under(tags.SATURATED), context.loss, self.policy
        if not layers or curve is None:
            return Abstention(self.name, (tags.SATURATED + "{layer}",))
        if context.is_resumed or context.step < policy.after_step or curve.now <= policy.unlearnt * curve.start:
            return ()
        pinned = [tag for tag in layers if self._stays_pinned(context, tag)]
        if len(pinned) < policy.of_layers * len(layers):
            return ()
        share = min(context.median(tag, policy.newest_points) or 0.0 for tag in pinned)
        text = f"in {len(pinned)} of {len(layers)} squashing layers {share:.0%} or more of the outputs are at an end"
        proof = Evidence(pinned[0], context.span(pinned[0], policy.newest_points), share, policy.pinned, ">", text)
        title = f"{len(pinned)} squashing layers have been pinned since the first step"
        return (told_by([proof], "gradient_vanishing", "warning", title, key="saturated"),)

    def _stays_pinned(self, context: Context, tag: str) -> bool:
        policy = self.policy
        first = context.early_median(tag, policy.first_points)
        newest = context.median(tag, policy.newest_points, at_least=policy.first_points)
        return first is not None and newest is not None and min(first, newest) > policy.pinned
