"""Training loss against evaluation loss and against a guesser (diagnosis.md S19, S20, S33)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.chance import class_entropy
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.domain.finding import Abstention, Evidence


@dataclass(frozen=True)
class GeneralisationPolicy:
    """Limits as shares of a guesser's loss, H(pi)."""

    evaluations: int = 5
    after_step: int = 200
    at_chance: float = 0.97  # share of H that every evaluation stays above [S19]
    learnt: float = 0.9  # share of H that the training loss fell below
    by_heart: float = 0.02  # share of its start to which the training loss fell
    far_above: float = 10.0  # times the training loss
    of_guess: float = 0.2  # share of H: below it, evaluations are fine whatever the training loss


@dataclass(frozen=True)
class Memorised:
    """Few inputs, learnt by heart, and evaluations that stay far above."""

    policy: GeneralisationPolicy = GeneralisationPolicy()
    name: str = "memorised"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve, series, guess = context.loss, eval_loss(context), class_entropy(context)
        if curve is None or series is None or not guess:
            return Abstention(self.name, ("eval/loss", "counts/targets"))
        policy = self.policy
        if len(series) < policy.evaluations or curve.now >= policy.by_heart * curve.start or curve.now <= 0:
            return ()
        newest = float(np.median(series.values[-3:]))
        if newest < policy.far_above * curve.now or newest < policy.of_guess * guess:
            return ()
        window = (int(series.steps[0]), int(series.steps[-1]))
        evidence = [
            Evidence(curve.tag, window, curve.now / curve.start, policy.by_heart, "<",
                     f"the training loss is down to {curve.now / curve.start:.1%} of its start"),
            Evidence(series.tag, window, newest / curve.now, policy.far_above, ">",
                     f"evaluations cost {newest:.3g}, {newest / curve.now:.0f} times as much"),
        ]  # fmt: skip
        title = "The training set is learnt by heart, and evaluations stay far above"
        return (told_by(evidence, "overfit", "warning", title, key="memorised"),)


@dataclass(frozen=True)
class NoGeneralisation:
    """The training loss falls below a guesser's, and no evaluation ever did."""

    policy: GeneralisationPolicy = GeneralisationPolicy()
    name: str = "no_generalisation"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve, series, policy = context.loss, eval_loss(context), self.policy
        guess = class_entropy(context)
        if curve is None or series is None or not guess:
            return Abstention(self.name, ("eval/loss", "counts/targets"))
        if len(series) < policy.evaluations or context.step < policy.after_step or curve.now >= policy.learnt * guess:
            return ()
        best = float(series.values.min())
        if best < policy.at_chance * guess:
            return ()
        window = (int(series.steps[0]), int(series.steps[-1]))
        evidence = [
            Evidence(series.tag, window, best, policy.at_chance * guess, ">",
                     f"in {len(series)} evaluations the loss was never below {best:.3g}; guessing costs {guess:.3g}"),
            Evidence(curve.tag, window, curve.now, policy.learnt * guess, "<",
                     f"the training loss is down to {curve.now:.3g}"),
        ]  # fmt: skip
        return (told_by(evidence, "overfit", "warning", "Nothing that is learnt helps in evaluations", key="chance"),)
