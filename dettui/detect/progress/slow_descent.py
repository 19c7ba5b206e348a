"""The loss falls, and larger steps would be taken safely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.amounts import inputs_of_update
from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.detect.progress.policy import DEFAULT_POLICY, ProgressPolicy
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class SlowDescent:
    """The loss falls, and every sign says that larger steps would be taken safely (diagnosis.md S3)."""

    policy: ProgressPolicy = DEFAULT_POLICY
    name: str = "slow_descent"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.LOSS_TOTAL, tags.UPDATE_RATIO, tags.GRAD_AGREEMENT, tags.GRAD_NORM)
        curve, policy = context.loss, self.policy
        if missing or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        schedule = context.schedule
        if context.lr_is_rising or (schedule is not None and schedule.decayed_share < policy.decayed):
            return ()
        if context.points_past_warmup < policy.firm_points or curve.now <= policy.stalled_level * curve.start:
            return ()
        return self._judge(context, curve)

    def _limits(self, update: float, agreement: float, kept: float) -> tuple[float, float, float] | None:
        """The limits on update ratio, agreement and gradient norm that all three are beyond, else None.

        The stronger the agreement, the larger the updates may be and the more the gradient may have shrunk.
        """
        policy = self.policy
        for low, high, least in (
            (policy.tiny_update, policy.agreeing, policy.grad_kept),
            (policy.small_update, policy.nearly_equal, policy.grad_kept_equal),
        ):
            if 0 < update < 10**low and agreement > high and kept > least:
                return 10**low, high, least
        return None

    def _patience(self, agreement: float, overshoot: float) -> int:
        """Points after warm-up: the more the gradients agree, the less is left to chance."""
        policy = self.policy
        if agreement > policy.nearly_equal:
            return policy.firm_points
        asked = max(agreement, policy.asked_for * -overshoot)
        return policy.strong_points if asked > policy.strong else policy.wait_points

    def _judge(self, context: Context, curve: LossCurve) -> Sequence[Symptom]:
        policy = self.policy
        update = context.median(tags.UPDATE_RATIO, 100) or 0.0
        agreement = context.median(tags.GRAD_AGREEMENT, 100, at_least=policy.agreements) or 0.0
        kept = context.ratio_to_first(tags.GRAD_NORM, 50, 20) or 0.0
        overshoot = context.median(tags.UPDATE_OVERSHOOT, 100, at_least=policy.agreements) or 0.0
        limits = self._limits(update, max(agreement, policy.asked_for * -overshoot), kept)
        if limits is None or context.points_past_warmup < self._patience(agreement, overshoot):
            return ()
        newest = context.span(tags.UPDATE_RATIO, 100)
        return (
            Symptom(
                kind="slow_descent",
                severity="warning",
                first_step=context.warmup_end,
                last_step=int(curve.steps[-1]),
                title="Loss falls slowly although every step points the same way",
                evidence=(
                    Evidence(tags.UPDATE_RATIO, newest, update, limits[0], "<",
                             f"a step changes the weights by {update:.1e} of their size"),
                    Evidence(tags.GRAD_AGREEMENT, newest, agreement, limits[1], ">",
                             f"successive gradients agree: cosine {agreement:.2f}")
                    if agreement > limits[1]
                    else Evidence(tags.UPDATE_OVERSHOOT, newest, overshoot, -limits[1] / policy.asked_for, "<",
                                  f"each gradient asks for more of the step before: cosine {overshoot:.2f}"),
                    Evidence(tags.GRAD_NORM, newest, kept, limits[2], ">",
                             f"the gradient has kept {kept:.0%} of its first size"),
                ),
                facts={"update_ratio": update, "agreement": agreement},
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class ShortSteps:
    """The loss falls, and each gradient asks for much more of the step before: the run could be several times as
    fast."""

    policy: ProgressPolicy = DEFAULT_POLICY
    name: str = "short_steps"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.LOSS_TOTAL, tags.UPDATE_OVERSHOOT, tags.GRAD_AGREEMENT)
        curve, policy, schedule = context.loss, self.policy, context.schedule
        if missing or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        if context.lr_is_rising or (schedule is not None and schedule.decayed_share < policy.decayed):
            return ()
        if context.points_past_warmup < self._patience(context) or curve.now <= policy.mostly_done * curve.start:
            return ()
        agreement = context.median(tags.GRAD_AGREEMENT, 100, at_least=policy.agreements) or 0.0
        overshoot = context.median(tags.UPDATE_OVERSHOOT, 100, at_least=policy.agreements) or 0.0
        limits = self._limits(context, agreement, overshoot)
        if limits is None:
            return ()
        newest = context.span(tags.UPDATE_OVERSHOOT, 100)
        evidence = [
            Evidence(tags.UPDATE_OVERSHOOT, newest, overshoot, limits[1], "<",
                     f"each gradient asks for more of the step before: cosine {overshoot:.2f}"),
            Evidence(tags.GRAD_AGREEMENT, newest, agreement, limits[0], ">",
                     f"successive gradients agree: cosine {agreement:.2f}"),
        ]  # fmt: skip
        title = "Every step is much shorter than the gradients ask for"
        return (told_by(evidence, "slow_descent", "warning", title, key="short"),)

    def _limits(self, context: Context, agreement: float, overshoot: float) -> tuple[float, float] | None:
        """The limits on the two cosines that both are beyond, else None; wider ones where a large batch makes an epoch
        of a few steps, for then the batch, too, may be what is wrong: it is where the gradients are all but equal."""
        policy = self.policy
        if agreement >= policy.strong and overshoot <= policy.much_shorter:
            return policy.strong, policy.much_shorter
        if not self._has_few_steps(context):
            return None
        if agreement >= policy.few_steps_same and overshoot < 0 and context.steps_per_epoch != 1:
            return policy.few_steps_same, 0.0  # a batch that is the whole set is meant
        least, most = policy.few_steps_agree, policy.few_steps_shorter
        beyond = agreement >= least and overshoot <= most and agreement - overshoot >= policy.few_steps_ask
        return (least, most) if beyond else None

    def _patience(self, context: Context) -> int:
        return self.policy.firm_points if self._has_few_steps(context) else self.policy.strong_points

    def _has_few_steps(self, context: Context) -> bool:
        epoch, inputs = context.steps_per_epoch, inputs_of_update(context)
        return bool(epoch and epoch <= self.policy.few_steps and inputs and inputs >= self.policy.large_batch)
