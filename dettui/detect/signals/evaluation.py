"""What the user's own evaluations say, as numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from dettui.detect.chance import class_entropy
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.detect.evaluation_inputs import EvaluationPolicy, read_overlap, read_renamed, read_shift
from dettui.detect.evaluations import PREFIX, CollapsePolicy, direction
from dettui.detect.generalisation import GeneralisationPolicy, read_fresh_gap
from dettui.detect.no_score import NoScorePolicy, read_fallen
from dettui.detect.signals.fields import Signals
from dettui.domain.series import Floats
from dettui_probe import tags


def add_evaluation_inputs(context: Context, known: Signals) -> Signals:
    """How evaluations are fed, and their loss against that of training."""
    policy = EvaluationPolicy()
    shift = read_shift(context, policy)
    passes = context.window(tags.EVAL_PASSES, policy.newest)
    training = context.window(tags.EVAL_PASSES_TRAINING, policy.newest)
    fresh = read_fresh_gap(context, GeneralisationPolicy())
    renamed = read_renamed(context, policy)
    known = replace(
        known,
        classes_renamed=None if renamed is None else renamed.classes,
        classes_evaluated=None if renamed is None else renamed.judged,
        eval_means_apart=None if shift is None else shift.means_apart,
        eval_std_ratio=None if shift is None else shift.ratio,
        roughness_ratio=_roughness_ratio(context, policy),
        normalised_apart=_normalised_apart(context, policy),
        eval_overlap=read_overlap(context, policy),
        eval_over_fresh=None if fresh is None else fresh.now,
        eval_training_mode=float(training.sum() / passes.sum()) if len(passes) and passes.sum() > 0 else None,
    )
    return _add_eval_loss(context, known)


def _roughness_ratio(context: Context, policy: EvaluationPolicy) -> float | None:
    ours = context.median(tags.BATCH_ROUGHNESS, 100, 4)
    theirs = context.median(tags.EVAL_BATCH_ROUGHNESS, policy.newest, policy.at_least)
    return ours / theirs if ours is not None and theirs else None


AROUND_ZERO: Final = -0.3
"""Least pixel of inputs that were normalised: -1 and below for any usual mean and deviation."""


def _normalised_apart(context: Context, policy: EvaluationPolicy) -> bool | None:
    """Whether pixels were normalised for training or for evaluation alone."""
    ours = context.median(tags.BATCH_MIN, 100, 4), context.median(tags.BATCH_MAX, 100, 4)
    theirs = (
        context.median(tags.EVAL_BATCH_MIN, policy.newest, policy.at_least),
        context.median(tags.EVAL_BATCH_MAX, policy.newest, policy.at_least),
    )
    if None in (*ours, *theirs):
        return None
    return any(
        low is not None and high is not None and other is not None and _as_loaded(low, high) and other < AROUND_ZERO
        for (low, high), (other, _) in ((ours, theirs), (theirs, ours))
    )


def _as_loaded(low: float, high: float) -> bool:
    """Whether values from *low* to *high* are pixels as files hold them: bytes, or bytes over 255."""
    return low >= 0 and (0.5 < high <= 1.0 or 100 < high <= 255)


def _add_eval_loss(context: Context, known: Signals) -> Signals:
    series, curve, guess = eval_loss(context), context.loss, class_entropy(context)
    if series is None or curve is None or len(series) < 2:
        return known
    at = int(np.searchsorted(curve.steps, series.steps[0]))
    then = float(np.median(curve.values[max(0, at - 20) : at + 1]))
    newest, first = float(np.median(series.values[-3:])), float(series.values[0])
    return replace(
        known,
        eval_loss_over_train=newest / curve.now if curve.now > 0 else None,
        eval_loss_over_train_first=first / then if then > 0 else None,
        eval_loss_over_guess=float(series.values.min()) / guess if guess else None,
    )


def add_evaluation(context: Context, known: Signals) -> Signals:
    """The first evaluation whose direction is known, and the first score that has fallen."""
    fallen = read_fallen(context, NoScorePolicy())
    if fallen is not None:
        known = replace(known, score_fallen_from=fallen.top, score_fallen_to=fallen.newest)
    for tag in context.tags_under(PREFIX):
        sense, series = direction(tag), context.series(tag)
        if sense and series is not None:
            best = series.values.max() if sense > 0 else series.values.min()
            return replace(
                known, eval_best=float(best), eval_last=series.last, eval_standing=_standing(sense * series.values)
            )
    return known


def _standing(scores: Floats) -> float | None:
    """Where the newest of *scores* (shape (n,), larger is better) stands between the worst and the best one."""
    if len(scores) < 2 or not np.isfinite(scores).all():
        return None
    worst, best = float(scores.min()), float(scores.max())
    if 0 <= best < CollapsePolicy().best:
        return 0.0  # a score that never left zero is at its worst, wherever its noise has it
    return (float(scores[-1]) - worst) / (best - worst) if best > worst else None
