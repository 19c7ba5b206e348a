"""A momentum that few would choose, and weights that it carried away (diagnosis.md S6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class MomentumPolicy:
    """A gradient acts for 1 / (1 - momentum) steps, and as often its length.

    0.9 and 0.95 are usual, 0.99 is that of a few recipes (nnU-Net), whose learning rate is made for it: there only
    weights that were carried far away speak against it.
    """

    heavy: float = 0.97
    unheard_of: float = 0.993  # beyond 0.99, however it is rounded
    carried: float = 1.5  # newest norm of all weights over the first one
    carried_far: float = 4.0  # the same of a momentum that is not unheard of
    after_step: int = 100
    to_learn: float = 0.2  # share of the first loss that is left


@dataclass(frozen=True)
class HeavyMomentum:
    """SGD that gathers speed for hundreds of steps, and a loss that does not go with it."""

    policy: MomentumPolicy = MomentumPolicy()
    name: str = "heavy_momentum"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on a resumed run, whose first weights are not those of a start."""
        missing = context.missing(tags.MOMENTUM + "0", tags.WEIGHT_NORM)
        curve, policy = context.loss, self.policy
        if missing or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        momentum, carried = context.last(tags.MOMENTUM + "0"), context.ratio_to_first(tags.WEIGHT_NORM, 5)
        if momentum is None or carried is None or context.is_resumed or context.step < policy.after_step:
            return ()
        limit = policy.carried if momentum > policy.unheard_of else policy.carried_far
        if momentum <= policy.heavy or carried <= limit or curve.now <= policy.to_learn * curve.start:
            return ()
        evidence = [
            Evidence(tags.MOMENTUM + "0", context.span(tags.MOMENTUM + "0", 1), momentum, policy.heavy, ">",
                     f"with momentum {momentum:g} a gradient acts for {1 / (1 - min(momentum, 0.9999)):.0f} steps, and "
                     "as many times its length"),
            Evidence(tags.WEIGHT_NORM, context.span(tags.WEIGHT_NORM, 5), carried, limit, ">",
                     f"the norm of the weights has grown {carried:.1f}-fold"),
        ]  # fmt: skip
        title = f"Momentum of {momentum:g} has carried the weights to {carried:.1f} times their size"
        return (told_by(evidence, "config_smell", "warning", title, key="momentum"),)
