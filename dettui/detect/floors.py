"""A loss that sits on a level which theory predicts (diagnosis.md section 2, reference values)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import e, log, log1p, sqrt

from dettui.detect.base import Symptom, told_by
from dettui.detect.chance import class_entropy, has_other_terms
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.detect.loss_curve import LossCurve
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui_probe import tags


@dataclass(frozen=True)
class FloorPolicy:
    """Two-seed spread of a floor is under 1 % (diagnosis.md 2.3)."""

    wait_points: int = 200
    share: float = 0.25  # newest share of the run that has to sit there
    near: float = 0.015  # of the level, beyond its error
    z: float = 3.0
    patience: float = 0.5  # share of a declared run before it is more than news: a transformer rests at H for a while
    patience_points: int = 2000  # the same where the length is not told
    evaluations: int = 5
    hardly_below: float = 0.9  # share of a guesser's loss
    never_below: float = 0.97  # the same, of evaluations [S19]


@dataclass(frozen=True)
class LossFloor:
    """H(pi), the loss of a guesser, or ln(1 + (K-1)/e), the least that a softmax before cross-entropy can reach."""

    policy: FloorPolicy = FloorPolicy()
    name: str = "loss_floor"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        model, curve = context.model, context.loss
        if curve is None or model is None or model.family != "classification" or not model.num_classes:
            return Abstention(self.name, ("loss/total", "model/num_classes"))
        if context.points_past_warmup < self.policy.wait_points or context.lr_is_rising or has_other_terms(context):
            return ()
        guess = class_entropy(context) or log(model.num_classes)
        floors = [(guess, "a guesser loses")]
        if context.last(tags.GRAPH_SOFTMAX_TWICE) != 0:  # where the graph shows none, there is none
            floors.append((log1p((model.num_classes - 1) / e), "a softmax before it allows"))
        found = [self._judge(context, curve, level, words) for level, words in floors]
        found.append(self._no_better_than_a_guess(context, curve, guess))
        return tuple(symptom for symptom in found if symptom is not None)[:1]

    def _no_better_than_a_guess(self, context: Context, curve: LossCurve, guess: float) -> Symptom | None:
        """A training loss a little below a guesser's, by heart, while no evaluation ever beat it."""
        policy, series = self.policy, eval_loss(context)
        mean = float(curve.values[-max(int(policy.share * len(curve)), 50) :].mean())
        if series is None or len(series) < policy.evaluations or not has_waited(context, policy):
            return None
        best = float(series.values.min())
        if not policy.hardly_below * guess <= mean < guess or best < policy.never_below * guess:
            return None
        window = int(series.steps[0]), int(series.steps[-1])
        text = f"in {len(series)} evaluations the loss was never below {best:.4g}; a guesser loses {guess:.4g}"
        proof = Evidence(series.tag, window, best, policy.never_below * guess, ">", text)
        title = f"Loss is at {mean:.3g} and evaluations never beat a guess"
        return told_by([proof], "loss_floor", "warning", title)

    def _judge(self, context: Context, curve: LossCurve, level: float, words: str) -> Symptom | None:
        policy = self.policy
        points = max(int(policy.share * len(curve)), 50)
        newest = curve.values[-points:]
        mean = float(newest.mean())
        error = float(newest.std()) * sqrt(curve.tau / points)
        if level <= 0 or abs(mean - level) > policy.near * level or policy.z * error > 2 * policy.near * level:
            return None
        window = (int(curve.steps[-points]), int(curve.steps[-1]))
        text = f"over the newest {points} steps the loss is {mean:.4g} on average; {words} {level:.4g}"
        proof = Evidence(curve.tag, window, mean, level, "==", text)
        return told_by([proof], "loss_floor", self._severity(context), f"Loss sits at {mean:.3g}, what {words}")

    def _severity(self, context: Context) -> Severity:
        return "warning" if has_waited(context, self.policy) else "info"


def has_waited(context: Context, policy: FloorPolicy) -> bool:
    """True where a rest at a guesser's loss has lasted too long to be one: half of a declared run."""
    total = context.total_steps
    waited = context.step >= policy.patience * total if total else False
    return waited or context.points_past_warmup >= policy.patience_points
