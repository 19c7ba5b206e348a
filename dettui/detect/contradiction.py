"""Answers that are right less often in training than in evaluation (diagnosis.md S20, S33)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.chance import guess_of
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.detect.evaluation_inputs import EvaluationPolicy, read_shift
from dettui.detect.evaluations import usual_change
from dettui.detect.loss_curve import LossCurve
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Series
from dettui_probe import tags

_ACCURACIES = ("eval/accuracy", "eval/acc", "eval/top1", "eval/val_acc", "eval/val_accuracy")


@dataclass(frozen=True)
class ContradictionPolicy:
    """Training is easier than evaluation, unless its labels are wrong or its inputs were made harder."""

    evaluations: int = 4
    pairs: int = 3  # of an evaluation and the answers after it
    most_evaluations: int = 8
    after_step: int = 150
    answers_a_step: float = 32.0  # sampled by the probe, and inputs of an evaluation at least
    gap: float = 0.08  # of the accuracies
    z: float = 2.2  # one-sided, of a gap that is negative in a sound run; the loss has to say the same
    loss_share: float = 0.95  # of the training loss that evaluations cost at most
    gap_by_design: float = 0.3  # where dropout or augmentation makes training harder on purpose
    dropout: float = 0.25
    steadier: float = 0.85  # deviation of the inputs in evaluation over that in training
    too_much_dropout: float = 0.75
    without_it: float = 0.8  # share of the training loss that evaluations, which drop nothing, cost at most
    unlearnt: float = 0.25  # share of the first loss
    penalty_after: int = 100  # steps
    penalty_points: int = 12  # measured
    penalty: float = 0.5  # share of the loss
    data_kept: float = 0.7  # of a guesser's loss: below it the data have their say, whatever is added


@dataclass(frozen=True)
class BetterInEvaluation:
    """The labels of training contradict what evaluations confirm."""

    policy: ContradictionPolicy = ContradictionPolicy()
    name: str = "better_in_evaluation"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        found = (context.series(tag) for tag in _ACCURACIES)
        scores, answers = next((s for s in found if s is not None), None), context.series(tags.FIT_ACCURACY)
        if scores is None or answers is None:
            return Abstention(self.name, ("eval/accuracy", tags.FIT_ACCURACY))
        if len(scores) < self.policy.evaluations or context.step < self.policy.after_step:
            return ()
        return self._judge(context, scores, answers)

    def _judge(self, context: Context, scores: Series, answers: Series) -> Sequence[Symptom]:
        policy = self.policy
        count = min(max(policy.evaluations, len(scores) // 3), policy.most_evaluations)
        since = int(scores.steps[-count])
        newest = answers.values[answers.steps >= since]
        if len(newest) < 4:
            return ()
        pairs = _paired(scores, answers, count)
        if len(pairs) < policy.pairs:
            return ()
        theirs, ours = (float(side) for side in np.mean(pairs, axis=0))
        swings = usual_change(scores.values[-count:]) / sqrt(2)  # of evaluations, with the weights of the moment
        error = sqrt(0.25 / self._answers(context, len(newest)) + 0.25 / self._inputs(context) + swings**2 / len(pairs))
        gap = theirs - ours
        if not 0 <= theirs <= 1 or gap < max(policy.gap, policy.z * error) or not self._loss_agrees(context, since):
            return ()
        window = (since, int(scores.steps[-1]))
        text = f"{theirs:.0%} of the answers are right in evaluations, {ours:.0%} in training"
        proof = Evidence(scores.tag, window, gap, policy.gap, ">", text)
        kind, severity = self._kind(context, gap)
        return (told_by([proof], kind, severity, "Training contradicts what evaluations confirm", key="contradiction"),)

    def _answers(self, context: Context, steps: int) -> float:
        """How many answers of training were looked at in so many *steps*."""
        return steps * min(context.median(tags.ROWS, 50) or self.policy.answers_a_step, 64.0)

    def _inputs(self, context: Context) -> float:
        """How many inputs an evaluation has, at least."""
        return max(context.median(tags.EVAL_ROWS, 20) or 0.0, 100.0)

    def _loss_agrees(self, context: Context, since: int) -> bool:
        """True where the training loss too lies above that of evaluations, or that is not known."""
        series, curve = eval_loss(context), context.loss
        if series is None or curve is None:
            return True
        ours = curve.values[curve.steps >= since]
        theirs = float(np.median(series.values[-self.policy.evaluations : -1]))
        return len(ours) > 0 and theirs < self.policy.loss_share * float(np.mean(ours))

    def _kind(self, context: Context, gap: float) -> tuple[str, Severity]:
        """What was made harder: the input, the network, or else the labels."""
        dropout, shift = context.last(tags.DROPOUT) or 0.0, read_shift(context, EvaluationPolicy())
        severity: Severity = "warning" if gap >= self.policy.gap_by_design else "info"
        if dropout >= self.policy.dropout:
            return "config_smell", severity
        if shift is not None and shift.ratio < self.policy.steadier:
            return "bad_augmentation", severity
        return "bad_targets", "warning"


def _paired(scores: Series, answers: Series, count: int) -> list[tuple[float, float]]:
    """Each of the newest *count* evaluations but the last, with the mean of the answers up to the next one: those are
    of a network that has learnt more, so that one which is still learning cannot look better in evaluations."""
    bounds = scores.steps[-count:]
    cuts = np.searchsorted(answers.steps, bounds, side="right")
    return [
        (float(score), float(np.mean(answers.values[start:end])))
        for score, start, end in zip(scores.values[-count:-1], cuts[:-1], cuts[1:], strict=True)
        if end > start
    ]


@dataclass(frozen=True)
class HeavyDropout:
    """Nearly everything is dropped, and the loss stays high: a rate that was meant as what is kept."""

    policy: ContradictionPolicy = ContradictionPolicy()
    name: str = "heavy_dropout"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        rate, curve = context.last(tags.DROPOUT), context.loss
        if rate is None or curve is None:
            return Abstention(self.name, (tags.DROPOUT,))
        if rate < self.policy.too_much_dropout or context.step < self.policy.after_step:
            return ()
        if curve.now <= self.policy.unlearnt * curve.start and not self._costs(context, curve):
            return ()
        text = f"a dropout layer drops {rate:.0%} of what it is given"
        proof = Evidence(tags.DROPOUT, context.span(tags.DROPOUT, 1), rate, self.policy.too_much_dropout, ">", text)
        return (told_by([proof], "config_smell", "warning", f"Dropout drops {rate:.0%}", key="dropout"),)

    def _costs(self, context: Context, curve: LossCurve) -> bool:
        """True where every one of the newest evaluations is far better than training."""
        series = eval_loss(context)
        if series is None or len(series) < self.policy.evaluations:
            return False
        newest = series.values[-self.policy.evaluations :]
        ours = curve.values[curve.steps >= series.steps[-self.policy.evaluations]]
        return len(ours) > 0 and float(newest.max()) < self.policy.without_it * float(np.mean(ours))


def penalty_share(context: Context, points: int) -> float | None:
    """What was added to the cross-entropy as a share of the loss, at the start or over the newest *points*, whichever
    is greater: a penalty that has won is small again.  None where the size of the weights is no part of the loss."""
    whole, data = context.median(tags.LOSS_TOTAL, points), context.median(tags.FIT_LOSS_MEAN, points, points)
    first, data_first = (context.early_median(tag, 5) for tag in (tags.LOSS_TOTAL, tags.FIT_LOSS_MEAN))
    if not context.last(tags.GRAPH_PENALTY) or not whole or not first or data is None or data_first is None:
        return None
    return max(0.0, 1 - data / whole, 1 - data_first / first)


@dataclass(frozen=True)
class HeavyPenalty:
    """A penalty on the weights outweighs the data, which are not learnt."""

    policy: ContradictionPolicy = ContradictionPolicy()
    name: str = "heavy_penalty"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; a small loss of the data is outweighed by any penalty, and that is no fault."""
        missing = context.missing(tags.GRAPH_PENALTY)
        if missing:
            return Abstention(self.name, missing)
        policy, guess = self.policy, guess_of(context)
        share, data = penalty_share(context, policy.penalty_points), context.median(tags.FIT_LOSS_MEAN, 20)
        if share is None or data is None or not guess or context.step < policy.penalty_after:
            return ()
        if share < policy.penalty or data < policy.data_kept * guess:
            return ()
        text = (
            f"{share:.0%} of the loss is, or was, the size of the weights; the data cost {data:.3g}, and guessing "
            f"{guess:.3g}"
        )
        window = context.span(tags.FIT_LOSS_MEAN, policy.penalty_points)
        proof = Evidence(tags.FIT_LOSS_MEAN, window, share, policy.penalty, ">", text)
        return (told_by([proof], "config_smell", "warning", "A penalty outweighs the data", key="penalty"),)
