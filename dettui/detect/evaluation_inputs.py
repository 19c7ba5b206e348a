"""How evaluations are fed: other inputs than training, inputs of training, classes under other names, or a model in
training mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.batches import BatchPolicy, is_one_whole_batch
from dettui.detect.context import Context
from dettui.detect.moving_aims import acts
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui_probe import tags


@dataclass(frozen=True)
class EvaluationPolicy:
    """diagnosis.md E8, S34, S35."""

    newest: int = 8  # evaluations
    at_least: int = 2
    shift: float = 1.0  # of the mean, in standard deviations of the training inputs
    ratio: float = 2.5  # of the standard deviations, either way
    leaked: float = 0.9  # share of the inputs met in training that makes an evaluation one of the training set
    overlap: float = 0.02  # the same that is news
    whole_inputs: float = 0.95  # class targets for each row of a pass
    agreeing: int = 3  # newest evaluations that call classes by other names
    renamed: int = 2  # classes at least: a swap is of two
    renamed_share: float = 0.1  # of the classes that can be judged


@dataclass(frozen=True)
class Shift:
    """The inputs of evaluations against those of training."""

    means_apart: float  # in standard deviations of training
    ratio: float  # of the standard deviations
    window: tuple[int, int]
    text: str


def read_shift(context: Context, policy: EvaluationPolicy) -> Shift | None:
    """None where too few evaluations went through the watched model, or inputs have no statistics."""
    theirs = [
        context.median(tag, policy.newest, policy.at_least) for tag in (tags.EVAL_BATCH_MEAN, tags.EVAL_BATCH_STD)
    ]
    ours = [context.median(tag, 100, 4) for tag in (tags.BATCH_MEAN, tags.BATCH_STD)]
    (eval_mean, eval_std), (mean, std) = theirs, ours
    if eval_mean is None or eval_std is None or mean is None or not std:
        return None
    text = f"inputs of evaluations have mean {eval_mean:.3g}, std {eval_std:.3g}; of training {mean:.3g}, {std:.3g}"
    return Shift(abs(eval_mean - mean) / std, eval_std / std, context.span(tags.EVAL_BATCH_MEAN, policy.newest), text)


def is_shifted(shift: Shift, policy: EvaluationPolicy) -> bool:
    """Whether that is another preparation of the inputs."""
    return shift.means_apart > policy.shift or not 1 / policy.ratio < shift.ratio < policy.ratio


def read_overlap(context: Context, policy: EvaluationPolicy) -> float | None:
    """Share of the inputs of evaluations that were met in training.  None where the rows that the model is given are
    parts of its inputs, which come to fewer targets: a node of a graph is met in many."""
    per_row = context.median(tags.TARGETS_PER_ROW, 50)
    if per_row is not None and per_row < policy.whole_inputs:
        return None
    rows, known = context.window(tags.EVAL_ROWS, policy.newest), context.window(tags.EVAL_ROWS_TRAINED, policy.newest)
    if len(rows) < policy.at_least or len(rows) != len(known) or rows.sum() <= 0:
        return None
    return float(known.sum() / rows.sum())


@dataclass(frozen=True)
class Renamed:
    """Classes that evaluations call by other names than training does."""

    classes: float
    judged: float

    def is_another_order(self, policy: EvaluationPolicy) -> bool:
        """Whether these are too many for an accident."""
        return self.classes >= policy.renamed and self.classes >= policy.renamed_share * self.judged


def read_renamed(context: Context, policy: EvaluationPolicy) -> Renamed | None:
    """The least of the newest evaluations; None where too few were heard."""
    renamed, judged = (context.window(tag, policy.agreeing) for tag in (tags.EVAL_RENAMED, tags.EVAL_CLASSES))
    if len(renamed) < policy.agreeing or len(judged) < policy.agreeing:
        return None
    return Renamed(float(renamed.min()), float(judged[-1]))


@dataclass(frozen=True)
class EvaluationInputs:
    """Evaluations that cannot be compared with training."""

    policy: EvaluationPolicy = EvaluationPolicy()
    name: str = "evaluation_inputs"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for each check that fails."""
        if context.series(tags.EVAL_PASSES) is None:
            return Abstention(self.name, (tags.EVAL_PASSES,))
        if acts(context):  # what it is asked about then is no evaluation
            return ()
        found = (
            self._shifted(context),
            self._leaked(context),
            self._renamed(context),
            self._in_training_mode(context),
        )
        return tuple(symptom for symptom in found if symptom is not None)

    def _shifted(self, context: Context) -> Symptom | None:
        shift, policy = read_shift(context, self.policy), self.policy
        if shift is None:
            return None
        if not is_shifted(shift, policy):
            return None
        apart = shift.means_apart > policy.shift
        proof = (
            Evidence(tags.EVAL_BATCH_MEAN, shift.window, shift.means_apart, policy.shift, ">", shift.text)
            if apart
            else Evidence(tags.EVAL_BATCH_STD, shift.window, shift.ratio, policy.ratio, ">", shift.text)
        )
        return told_by(
            [proof], "bad_evaluation", "warning", "Evaluations are fed other inputs than training", key="shift"
        )

    def _leaked(self, context: Context) -> Symptom | None:
        """A whole evaluation on training inputs.  News where batches of others are among them, as of scripts that score
        their training set too."""
        overlap, policy = read_overlap(context, self.policy), self.policy
        if overlap is None or overlap <= policy.overlap or is_one_whole_batch(context, BatchPolicy()):
            return None  # of a graph, say, all nodes are given, and others are asked for than in training
        window = context.span(tags.EVAL_ROWS, policy.newest)
        severe = overlap >= policy.leaked and not context.total(tags.EVAL_BATCHES_NEW, policy.newest)
        text = f"{overlap:.0%} of the inputs of the newest evaluations were met in training"
        proof = Evidence(
            tags.EVAL_ROWS_TRAINED, window, overlap, policy.leaked if severe else policy.overlap, ">", text
        )
        title = f"{overlap:.0%} of the evaluation was seen in training"
        return told_by([proof], "bad_evaluation", "warning" if severe else "info", title, exact=True, key="leak")

    def _renamed(self, context: Context) -> Symptom | None:
        """What training calls one class, evaluations call another."""
        policy, renamed = self.policy, read_renamed(context, self.policy)
        if renamed is None or not renamed.is_another_order(policy):
            return None
        window = context.span(tags.EVAL_RENAMED, policy.agreeing)
        told = context.events("renamed_classes")
        text = told[-1].text if told else "inputs of an evaluation are answered by other names"
        text += f" ({renamed.classes:.0f} of {renamed.judged:.0f} classes)"
        proof = Evidence(tags.EVAL_RENAMED, window, renamed.classes, float(policy.renamed), ">=", text)
        title = "Evaluations call classes by other names than training"
        return told_by([proof], "bad_evaluation", "warning", title, key="names")

    def _in_training_mode(self, context: Context) -> Symptom | None:
        """Dropout and BatchNorm act in evaluations.  News only for detectors, which give losses in no other mode."""
        passes = context.window(tags.EVAL_PASSES, self.policy.newest)
        training = context.window(tags.EVAL_PASSES_TRAINING, self.policy.newest)
        if len(passes) < self.policy.at_least or len(passes) != len(training) or np.any(training < passes):
            return None
        window = context.span(tags.EVAL_PASSES, self.policy.newest)
        family = "unknown" if context.model is None else context.model.family
        text = f"all {passes.sum():.0f} passes of the newest {len(passes)} evaluations ran with model.training True"
        proof = Evidence(tags.EVAL_PASSES_TRAINING, window, 1.0, 1.0, ">=", text)
        severity: Severity = "info" if family.startswith("torchvision.") else "warning"
        return told_by([proof], "bad_evaluation", severity, "Evaluations run in training mode", exact=True, key="mode")
