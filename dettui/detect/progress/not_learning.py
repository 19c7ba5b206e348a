"""The loss never left the level at which it started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom
from dettui.detect.chance import level_over_chance
from dettui.detect.context import Context
from dettui.detect.floors import FloorPolicy, has_waited
from dettui.detect.loss_curve import LossCurve
from dettui.detect.progress.flatness import slope_of_newest
from dettui.detect.progress.levels import drop_bounds, never_left_its_start
from dettui.detect.progress.policy import DEFAULT_POLICY, ProgressPolicy
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui_probe import tags


@dataclass(frozen=True)
class NotLearning:
    """The loss never left the level at which it started."""

    policy: ProgressPolicy = DEFAULT_POLICY
    name: str = "not_learning"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent where the network provably started from a trained state."""
        curve = context.loss
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        if context.lr_is_rising or context.is_resumed or context.points_past_warmup < self.policy.wait_points:
            return ()
        if not never_left_its_start(curve, self.policy) or self._beats_a_guesser(context, curve):
            return ()
        if context.points_past_warmup < self.policy.patience_points and self._is_falling(curve):
            return ()
        chance = level_over_chance(context, points=None)
        if (chance is not None and chance < self.policy.knows_something) or curve.now <= 0:
            return ()
        return (self._symptom(context, curve, chance),)

    def _beats_a_guesser(self, context: Context, curve: LossCurve) -> bool:
        """True where the newest quarter lies below a guesser's loss: little was gained, and it was learnt."""
        chance = level_over_chance(context, points=max(20, len(curve) // 4))
        return chance is not None and chance < self.policy.at_chance

    def _is_falling(self, curve: LossCurve) -> bool:
        """True where the loss falls beyond doubt, however little: a slow start deserves patience."""
        if len(curve) < self.policy.least_window:
            return False
        return slope_of_newest(curve, len(curve), self.policy).change_bounds(self.policy.z)[1] < 0

    def _symptom(self, context: Context, curve: LossCurve, chance: float | None) -> Symptom:
        drop, most = drop_bounds(curve, self.policy)
        window = (int(curve.steps[0]), int(curve.steps[-1]))
        return Symptom(
            kind="not_learning",
            severity=self._severity(context, curve, chance),
            first_step=window[0],
            last_step=window[1],
            title=f"Loss has not left its starting level in {len(curve)} steps",
            evidence=(
                Evidence(
                    curve.tag, window, drop, self.policy.never_drop, "<",
                    f"from {curve.start:.4g} to {curve.now:.4g}: a drop of {drop:.1%}, at most {most:.1%} at 99 %",
                ),
            ),
            facts={"drop": drop, "most_drop": most},
        )  # fmt: skip

    def _may_be_resting(self, context: Context) -> bool:
        """True where steps of usual size search at a guesser's loss, as networks do for a while before they find it."""
        if context.model is None or context.model.family != "classification":
            return False
        if _updates_are_idle(context, self.policy):
            return False
        return not has_waited(context, FloorPolicy(patience=0.35, patience_points=1000))

    def _severity(self, context: Context, curve: LossCurve, chance: float | None) -> Severity:
        """A warning where something besides the flat line says that the network knows nothing.

        A fine-tune that starts at its floor is as flat, but its loss is far below a guesser's and noisy.
        """
        if self._may_be_resting(context):
            return "info"
        if chance is not None or curve.sigma < self.policy.quiet_noise or _updates_are_idle(context, self.policy):
            return "warning"
        return "info"


def _updates_are_idle(context: Context, policy: ProgressPolicy) -> bool:
    update = context.median(tags.UPDATE_RATIO, 100)
    agreement = context.median(tags.GRAD_AGREEMENT, 100, at_least=policy.agreements)
    tiny = update is not None and update < 10**policy.tiny_update
    return tiny or (agreement is not None and agreement > policy.agreeing)
