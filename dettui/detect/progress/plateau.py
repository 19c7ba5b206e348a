"""The loss left its first level and then stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom
from dettui.detect.chance import level_over_chance
from dettui.detect.classes import are_of_parts
from dettui.detect.context import Context
from dettui.detect.floors import FloorPolicy, has_waited
from dettui.detect.loss_curve import LossCurve
from dettui.detect.progress.flatness import Flat, curve_points, flat_window
from dettui.detect.progress.levels import is_converged, never_left_its_start
from dettui.detect.progress.policy import DEFAULT_POLICY, ProgressPolicy
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class Plateau:
    """The loss left its first level and then stopped."""

    policy: ProgressPolicy = DEFAULT_POLICY
    name: str = "plateau"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; info where the level is low enough to be a noise floor."""
        curve = context.loss
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        if context.lr_is_rising:
            return ()
        flat = flat_window(curve, context.points_past_warmup, self.policy)
        if flat is None or never_left_its_start(curve, self.policy) or is_converged(context, curve, self.policy):
            return ()
        if curve.now > 1.05 * curve.start:
            return ()  # worse than at the start is no plateau: divergence or a shift will say so
        return (self._symptom(context, curve, flat),)

    def _is_stalled(self, context: Context, curve: LossCurve, chance: float | None) -> bool:
        """High above where a loss usually ends; while the LR still decays, only hardly below where it began.  A level
        well below a guesser's is none of them: it may be all that can be told of noisy inputs."""
        decaying = context.schedule is not None and context.schedule.decaying
        level = self.policy.hardly_moved if decaying else self.policy.stalled_level
        is_better_than_guessing = chance is not None and chance < self.policy.learnt
        return curve.now > level * curve.start and not is_better_than_guessing

    def _at_chance(self, context: Context) -> float:
        return self.policy.at_chance_of_parts if are_of_parts(context) else self.policy.at_chance

    def _symptom(self, context: Context, curve: LossCurve, flat: Flat) -> Symptom:
        chance = level_over_chance(context, points=curve_points(flat, curve))
        stalled = self._is_stalled(context, curve, chance) or (chance is not None and chance > self._at_chance(context))
        if (
            chance is not None
            and abs(chance - 1) < 1 - self.policy.at_chance
            and not has_waited(context, FloorPolicy())
        ):
            stalled = False  # at a guesser's loss a network may rest before it finds more
        length = flat.last_step - flat.first_step + 1
        share = 1.0 - curve.drop_share
        return Symptom(
            kind="plateau",
            severity="warning" if stalled else "info",
            first_step=flat.first_step,
            last_step=flat.last_step,
            title=f"Loss has been flat for {length} steps",
            evidence=(
                Evidence(
                    curve.tag, (flat.first_step, flat.last_step), flat.most_gain, flat.limit, "<",
                    f"at 99 %, less than {flat.most_gain:.1%} was gained in the last {length} steps",
                ),
                Evidence(
                    curve.tag, (int(curve.steps[0]), flat.last_step), share, self.policy.stalled_level,
                    ">" if stalled else "<",
                    f"the loss stands at {curve.now:.4g}, {share:.0%} of its first level {curve.start:.4g}",
                ),
            ),
            facts={"level": share, "most_gain": flat.most_gain},
        )  # fmt: skip
