"""Training loss against evaluation loss and against a guesser (diagnosis.md S19, S20, S33, S34)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.chance import guess_of
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class GeneralisationPolicy:
    """Limits as shares of a guesser's loss, H(pi)."""

    evaluations: int = 5
    after_step: int = 200
    at_chance: float = 0.97  # share of H that every evaluation stays above [S19]
    learnt: float = 0.9  # share of H that the training loss fell below
    by_heart: float = 0.05  # share of its start to which the training loss fell
    far_above: float = 10.0  # times the training loss
    of_guess: float = 0.25  # share of H: below it, evaluations are fine whatever the training loss
    fresh: float = 0.9  # share of the inputs of a step that training had not met before
    fresh_evaluations: int = 3
    agreeing: int = 2  # newest evaluations that say the same
    agreeing_with_norm: int = 5  # the same where running statistics of BatchNorm lag behind at first, up to tenfold
    agreeing_with_momentum: int = 3  # where weights run ahead of the statistics by a momentum that few would choose
    heavy_momentum: float = 0.97
    falling: float = 0.5  # share of the greatest of these that the newest has come down to: soon they are level again
    still: int = 2  # of these, after the first input that came again: too soon to have learnt anything by heart
    apart: float = 1.5  # times as far above the training loss as the first evaluation, which untrained is level with it
    moved: float = 0.9  # share of its start to which the training loss fell meanwhile


@dataclass(frozen=True)
class Memorised:
    """Few inputs, learnt by heart, and evaluations that stay far above."""

    policy: GeneralisationPolicy = GeneralisationPolicy()
    name: str = "memorised"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve, series, guess = context.loss, eval_loss(context), guess_of(context)
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
        guess = guess_of(context)
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


@dataclass(frozen=True)
class FreshGap:
    """Evaluations over training, as long as training meets nothing but new inputs."""

    now: float  # the lowest of the newest ones, over the first where that was above 1
    span: tuple[int, int]  # steps of the evaluations


def read_fresh_gap(context: Context, policy: GeneralisationPolicy) -> FreshGap | None:
    """None where too few evaluations came before the first input that was met again.

    On inputs that it never met a training loss is what evaluations measure, of a network that is a few steps younger;
    nothing was learnt by heart.
    """
    curve, series = context.loss, eval_loss(context)
    until = _fresh_until(context, policy)
    if curve is None or series is None or until is None or context.is_resumed:
        return None
    early = series.between(int(series.steps[0]), until)
    if len(early) < policy.fresh_evaluations:
        return None
    agreeing = policy.agreeing
    if context.last(tags.NORM_TRAINING) and (context.last(tags.MOMENTUM + "0") or 0.0) > policy.heavy_momentum:
        agreeing = policy.agreeing_with_momentum
    elif context.last(tags.NORM_TRAINING):
        agreeing = policy.agreeing_with_norm
        early = series.between(int(early.steps[0]), int(series.steps[: len(early) + policy.still][-1]))
        if len(early) < agreeing:
            return None
    places = np.searchsorted(curve.steps, early.steps)
    levels = np.array([np.mean(curve.values[max(0, at - 20) : at + 1]) for at in places])
    if levels.min() <= 0 or levels[-1] > policy.moved * curve.start:
        return None
    ratios = early.values / levels
    if agreeing == policy.agreeing_with_norm and ratios[-1] < policy.falling * ratios[-agreeing:].max():
        return None
    return FreshGap(float(ratios[-agreeing:].min() / max(1.0, ratios[0])), (int(early.steps[0]), int(early.steps[-1])))


def _fresh_until(context: Context, policy: GeneralisationPolicy) -> int | None:
    """The step at which inputs first came again; None where inputs are not recognised.

    Augmented ones never come again, however often they are met: then only an epoch that was declared tells.
    """
    rows, new = context.series(tags.ROWS), context.series(tags.ROWS_NEW)
    if rows is None or new is None or len(rows) != len(new):
        return None
    again = np.flatnonzero(new.values < policy.fresh * rows.values)
    if len(again):
        return int(rows.steps[again[0]])
    return context.start_step + context.steps_per_epoch if context.steps_per_epoch else None


@dataclass(frozen=True)
class WorseAtFirstSight:
    """What is learnt does not hold in evaluations, although training, too, sees each input for the first time."""

    policy: GeneralisationPolicy = GeneralisationPolicy()
    name: str = "worse_at_first_sight"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.ROWS_NEW)
        if missing or eval_loss(context) is None:
            return Abstention(self.name, missing or ("eval/loss",))
        gap = read_fresh_gap(context, self.policy)
        if gap is None or gap.now < self.policy.apart:
            return ()
        text = (
            f"by step {gap.span[1]} evaluations cost {gap.now:.1f} times as much as training on inputs that it had not "
            "met before: nothing could be learnt by heart"
        )
        proof = Evidence("eval/loss", gap.span, gap.now, self.policy.apart, ">", text)
        title = "Evaluations do not follow what training learns at first sight"
        return (told_by([proof], "bad_evaluation", "warning", title, key="first_sight"),)
