"""Steps that do nothing but shrink the weights (diagnosis.md S10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.chance import guess_of
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import median, usable_of
from dettui_probe import tags

USUAL_DECAY: Final[Mapping[str, float]] = MappingProxyType({"SGD": 2e-3, "AdamW": 0.3})
"""The most that recipes ask for, where lr * weight_decay is what a step takes: ViT trains with 0.3."""


@dataclass(frozen=True)
class DecayPolicy:
    """In a healthy run a step is nearly at right angles to the weights: its cosine with them lies below 0.2."""

    newest: int = 100
    at_least: int = 12
    share: float = 0.5  # cosine of the step with the weights pointing to zero, at three in four steps
    shrunk: float = 0.7  # of the first norm of the weights
    soon: int = 400  # steps; by the usual lr * weight_decay, 1e-4 at most, weights lose 4 % in so many
    shrunk_soon: float = 0.75
    forgetting: float = 4e-3  # lr * weight_decay, by which a step shrinks every weight; 5e-4 in usual recipes
    lifetimes: float = 3.0  # 1 / that, in steps: by then nothing is left of how the weights were drawn
    unlearnt: float = 0.6  # of a guesser's loss, or of the first: trained so fast, a network of norms may still learn
    share_soon: float = 0.22  # median cosine meanwhile; healthy runs show 0.13 at most


@dataclass(frozen=True)
class DecayRules:
    """Weight decay rules the step, and the weights have shrunk."""

    policy: DecayPolicy = DecayPolicy()
    name: str = "decay_rules"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.UPDATE_DECAY, tags.WEIGHT_NORM)
        if missing and not context.tags_under(tags.WEIGHT_DECAY):
            return Abstention(self.name, missing)
        evidence = self._now(context) or self._soon(context) or self._forgets(context)
        if not evidence:
            return ()
        return (told_by(evidence, "config_smell", "warning", "Weight decay rules the steps", key="decay"),)

    def _now(self, context: Context) -> Sequence[Evidence]:
        """Steps that shrink the weights and do little else."""
        low = context.lower_quartile(tags.UPDATE_DECAY, self.policy.newest, self.policy.at_least)
        left = context.ratio_to_first(tags.WEIGHT_NORM, 5)
        if low is None or left is None or low <= self.policy.share or left >= self.policy.shrunk:
            return ()
        window = context.span(tags.UPDATE_DECAY, self.policy.newest)
        return [
            Evidence(tags.UPDATE_DECAY, window, low, self.policy.share, ">",
                     f"three in four steps point to zero more than anywhere else (cosine over {low:.2f})"),
            Evidence(tags.WEIGHT_NORM, context.span(tags.WEIGHT_NORM, 5), left, self.policy.shrunk, "<",
                     f"the weights have shrunk to {left:.0%} of their first norm"),
        ]  # fmt: skip

    def _soon(self, context: Context) -> Sequence[Evidence]:
        """Weights that lost a quarter of their norm in a few hundred steps, with a steady pull towards zero."""
        policy, norms, shares = self.policy, context.series(tags.WEIGHT_NORM), context.series(tags.UPDATE_DECAY)
        if norms is None or shares is None or context.is_resumed:
            return ()
        first = int(norms.steps[0])
        early = norms.between(first, first + policy.soon)
        if not early.values[0] > 0:  # nothing to shrink, or no number
            return ()
        at = int(np.argmin(early.values))
        left, until = float(early.values[at] / early.values[0]), int(early.steps[at])
        pull = usable_of(shares.between(first, until).values)
        if not left < policy.shrunk_soon or len(pull) < policy.at_least or median(pull) < policy.share_soon:
            return ()
        return [
            Evidence(tags.WEIGHT_NORM, (first, until), left, policy.shrunk_soon, "<",
                     f"by step {until} the weights have shrunk to {left:.0%} of their first norm"),
            Evidence(tags.UPDATE_DECAY, (first, until), median(pull), policy.share_soon, ">",
                     f"on the way steps pointed to zero (median cosine {median(pull):.2f})"),
        ]  # fmt: skip

    def _forgets(self, context: Context) -> Sequence[Evidence]:
        """Settings by which the weights are gone before they learnt anything, and a loss that shows it."""
        policy, rate, curve = self.policy, forgetting_rate(context), context.loss
        if rate is None or rate < policy.forgetting or curve is None or curve.start <= 0:
            return ()
        if rate * context.points_past_warmup < policy.lifetimes:
            return ()
        level = curve.now / min(guess_of(context) or curve.start, curve.start)
        if level <= policy.unlearnt:
            return ()
        window = context.span(curve.tag, policy.newest)
        return [
            Evidence(tags.WEIGHT_DECAY + "*", window, rate, policy.forgetting, ">=",
                     f"each step shrinks the weights by {rate:.2%}: of what they were {1 / rate:.0f} steps ago, 37 % "
                     "is left"),
            Evidence(curve.tag, window, level, policy.unlearnt, ">",
                     f"the loss stands at {curve.now:.3g}, {level:.0%} of what knowing nothing costs"),
        ]  # fmt: skip


def forgetting_rate(context: Context) -> float | None:
    """By which share of itself a step shrinks a weight that has no gradient: lr * weight_decay, of the group with most
    of it, in the median over the run.  Momentum multiplies it by 1 / (1 - momentum).  None for optimizers that divide
    the decay by the size of the gradient, or that nobody knows; 0 where the decay is a usual one, for then it is the LR
    that makes it large."""
    model = context.model
    usual = None if model is None else USUAL_DECAY.get(model.optimizer)
    if model is None or usual is None:
        return None
    groups = (tag.removeprefix(tags.WEIGHT_DECAY) for tag in context.tags_under(tags.WEIGHT_DECAY))
    return max((_rate(context, group, usual) for group in groups), default=None)


def _rate(context: Context, group: str, usual: float) -> float:
    lr, decay = context.series(tags.LR + group), context.last(tags.WEIGHT_DECAY + group)
    if lr is None or decay is None or decay <= usual:
        return 0.0
    momentum = context.median(tags.MOMENTUM + group, 100) or 0.0 if usual == USUAL_DECAY["SGD"] else 0.0
    return median(lr.values) * decay / max(1 - momentum, 1e-3)
