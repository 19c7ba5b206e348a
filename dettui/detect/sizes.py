"""Sizes that do not fit the task: a network smaller than its training set, a batch next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.amounts import inputs_of_update, targets_of_input, weights_per_example
from dettui.detect.base import Symptom, told_by
from dettui.detect.chance import guess_of
from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.detect.progress.flatness import flat_window
from dettui.detect.progress.policy import DEFAULT_POLICY
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class SizePolicy:
    """Counts that need no calibration, and levels that no network reaches which learns its task."""

    epochs: float = 2.0  # of the training set, before its fit is judged
    ending: float = 0.9  # share of a declared run at which it is judged although it still falls
    accurate: float = 0.8  # of the answers to the training set
    above_common: float = 0.05  # answers that are right beyond the share of the commonest class, of tokens and the like
    low: float = 0.1  # share of the first level, where answers are not told
    answers: int = 16  # newest measured steps whose answers are asked
    targets: float = 2.0  # for each input: more are those of a sequence or of a picture
    batch: float = 2.0  # inputs of an update, at or below which a batch hardly averages anything
    parts: float = 48.0  # targets of an update, where an input has several: a sentence or two
    wait_points: int = 200  # after the warm-up [diagnosis.md 3.1]
    newest: int = 100  # points
    agreements: int = 48  # of them, measured
    agreeing: float = 0.1  # mean cosine of successive gradients: the share of the gradient that is not noise
    of_guess: float = 0.25  # share of a guesser's loss above which there is something left to learn


@dataclass(frozen=True)
class SmallNetwork:
    """Fewer weights than examples, and the training set itself is answered badly: it cannot be held."""

    policy: SizePolicy = SizePolicy()
    name: str = "small_network"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve, share, targets = context.loss, weights_per_example(context), targets_of_input(context)
        if curve is None or share is None:
            return Abstention(self.name, (tags.LOSS_TOTAL, tags.ROWS))
        if share >= 1 or not self._has_settled(context, curve):
            return ()
        has_parts = targets is not None and targets > self.policy.targets
        poor = self._names_the_commonest(context) if has_parts else self._poor_fit(context, curve)
        if poor is None:
            return ()
        model = context.model
        assert model is not None  # its weights were counted
        text = f"{model.parameters:,} weights are to hold more than {model.parameters / share:,.0f} examples"
        size = Evidence(tags.ROWS, context.span(tags.ROWS, 200), share, 1.0, "<", text)
        title = "The network has fewer weights than there are examples, and answers them badly"
        return (told_by([poor, size], "plateau", "warning", title, key="small"),)

    def _has_settled(self, context: Context, curve: LossCurve) -> bool:
        """Flat, or near the end of a run that met its training set twice."""
        epoch, total = context.steps_per_epoch, context.total_steps
        if context.lr_is_rising or context.points_past_warmup < self.policy.wait_points:
            return False
        if epoch and context.step < self.policy.epochs * epoch:
            return False
        if total and context.step >= self.policy.ending * total:
            return True
        return flat_window(curve, context.points_past_warmup, DEFAULT_POLICY) is not None

    def _names_the_commonest(self, context: Context) -> Evidence | None:
        """Answers for tokens or pixels that are right no more often than naming their commonest class would be; None
        where they are better: of language, not every next word can be known."""
        counts, answers = context.counts("targets"), context.window(tags.FIT_ACCURACY, self.policy.newest)
        if counts is None or not counts.seen.sum() or len(answers) < self.policy.answers:
            return None
        common, right = float(counts.seen.max() / counts.seen.sum()), float(answers.mean())
        if right > common + self.policy.above_common:
            return None
        text = f"{right:.0%} of the answers to the training set are right, and {common:.0%} of them are of one class"
        window = context.span(tags.FIT_ACCURACY, self.policy.newest)
        return Evidence(tags.FIT_ACCURACY, window, right, common + self.policy.above_common, "<", text)

    def _poor_fit(self, context: Context, curve: LossCurve) -> Evidence | None:
        """How badly training examples are answered; None where they are not."""
        policy, answers = self.policy, context.window(tags.FIT_ACCURACY, self.policy.newest)
        if len(answers) >= policy.answers:
            right = float(answers.mean())
            text = f"of the training examples themselves {right:.0%} are answered rightly"
            proof = Evidence(tags.FIT_ACCURACY, context.span(tags.FIT_ACCURACY, policy.newest), right,
                             policy.accurate, "<", text)  # fmt: skip
            return proof if right < policy.accurate else None
        if curve.start <= 0 or curve.now <= policy.low * curve.start:
            return None
        text = f"the loss ends at {curve.now:.3g}, {curve.now / curve.start:.0%} of its first level"
        window = context.span(curve.tag, policy.newest)
        return Evidence(curve.tag, window, curve.now / curve.start, policy.low, ">", text)


@dataclass(frozen=True)
class TinyBatch:
    """A classifier that steps after every one or two inputs, and whose gradients are noise."""

    policy: SizePolicy = SizePolicy()
    name: str = "tiny_batch"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve, inputs, policy = context.loss, inputs_of_update(context), self.policy
        guess, targets = guess_of(context), targets_of_input(context)
        if curve is None or inputs is None or not guess or targets is None:
            return Abstention(self.name, (tags.LOSS_TOTAL, tags.ROWS, "counts/targets"))
        if context.model is None or context.model.family != "classification":
            return ()  # a detector has hundreds of places to learn from in an image
        few = targets <= policy.targets or inputs * targets <= policy.parts
        if inputs > policy.batch or not few or context.points_past_warmup < policy.wait_points:
            return ()
        level = float(curve.values[-policy.newest :].mean()) / guess
        agreement = context.window(tags.GRAD_AGREEMENT, policy.newest)
        if level < policy.of_guess or len(agreement) < policy.agreements or agreement.mean() > policy.agreeing:
            return ()
        shared = float(agreement.mean())
        evidence = [
            Evidence(tags.ROWS, context.span(tags.ROWS, 200), inputs, policy.batch, "<=",
                     f"every step follows {inputs:.0f} examples, and no gradient is accumulated"),
            Evidence(tags.GRAD_AGREEMENT, context.span(tags.GRAD_AGREEMENT, policy.newest), shared, policy.agreeing,
                     "<", f"successive gradients share {max(shared, 0):.0%} of their length: the rest is noise"),
        ]  # fmt: skip
        return (told_by(evidence, "config_smell", "warning", "A step follows one or two examples", key="tiny_batch"),)
