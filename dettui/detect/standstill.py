"""A detector of somebody's own whose loss came down at first, and has stood still ever since.

Of a loss of several terms the first steps take away what the outputs' biases can: how seldom objects are, and how large
they are on the whole.  Whatever has to do with the images comes later, and slowly; where it never comes, the loss looks
as if it had been learnt.  Told only where answers fit their own targets hardly better than those of other objects, and
where no score says what is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.detect.own_targets import OwnTargetsPolicy, compare_own_targets
from dettui.detect.scores_of_places import scores_of_places
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import median
from dettui_probe import tags
from dettui_probe.contract import UNKNOWN


@dataclass(frozen=True)
class StandstillPolicy:
    """Shares of the points of a run, and of levels.

    The gain since the first fifth was 16 % at least in 228 healthy runs of heads that nobody knows, of eight programs;
    9 % at most where boxes are of another scale, inputs are black, or labels are of other images.
    """

    points: int = 150
    of_run: float = 0.6  # share of a declared run
    undeclared: int = 2000  # points, where its length is not told
    early: tuple[float, float, float] = (0.1, 0.15, 0.2)  # two stretches, of which the lower one counts
    late: float = 0.8  # the newest fifth
    gained: float = 0.12  # since then
    fell: float = 0.8  # of the first level, to which the loss had come down by then: a fine-tune begins at its floor
    left: float = 0.15  # of the first level, still: below it the task may be done
    pairs: int = 40
    told_apart: float = 0.75  # upper bound of the pairs that fit their own targets better; half of them do by chance


@dataclass(frozen=True)
class Standstill:
    """Nothing was gained in four fifths of a run that had hardly begun."""

    policy: StandstillPolicy = StandstillPolicy()
    name: str = "standstill"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve, missing = context.loss, context.missing(tags.TARGET_BOXES, tags.FIT_PAIRS)
        if missing or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        if not self._may_be_judged(context, curve):
            return ()
        still, blind = self._stands(curve), self._tells_nothing_apart(context)
        if still is None or blind is None:
            return ()
        title = "The loss came down in the first steps, and has stood since"
        return (told_by([still, blind], "not_learning", "warning", title, key="standstill"),)

    def _may_be_judged(self, context: Context, curve: LossCurve) -> bool:
        """Late enough, of a head that nobody knows, and where no score tells what it finds."""
        policy, total, model = self.policy, context.total_steps, context.model
        if context.is_resumed or context.lr_is_rising or scores_of_places(context) or len(curve) < policy.points:
            return False
        if model is not None and model.family != UNKNOWN.family:
            return False
        return context.step >= policy.of_run * total if total else len(curve) >= policy.undeclared

    def _stands(self, curve: LossCurve) -> Evidence | None:
        policy = self.policy
        begins, between, ends, late = (int(share * len(curve)) for share in (*policy.early, policy.late))
        early = min(median(curve.values[begins:between]), median(curve.values[between:ends]))
        now = median(curve.values[late:])
        if not policy.left * curve.start < early < policy.fell * curve.start or now < (1 - policy.gained) * early:
            return None
        window = int(curve.steps[begins]), int(curve.steps[-1])
        text = f"from {curve.start:.3g} to {early:.3g} by step {int(curve.steps[ends])}, and {now:.3g} now"
        return Evidence(curve.tag, window, 1 - now / early, policy.gained, "<", text)

    def _tells_nothing_apart(self, context: Context) -> Evidence | None:
        seen = compare_own_targets(context, OwnTargetsPolicy(pairs=self.policy.pairs))
        if seen is None or seen.at_most >= self.policy.told_apart:
            return None
        text = f"of {seen.compared} pairs of objects, {seen.share:.0%} get answers that fit their own classes better"
        return Evidence(tags.FIT_PAIRS_OWN, seen.window, seen.at_most, self.policy.told_apart, "<", text)
