"""What the user's own evaluations say: series under ``eval/``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.eval_loss import eval_loss
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Floats, Series
from dettui.numerics.robust import MAD_TO_SIGMA
from dettui_probe import tags

PREFIX = "eval/"
_LOWER_IS_BETTER = frozenset(
    ("loss", "error", "err", "nll", "perplexity", "ppl", "mae", "mse", "rmse", "mape", "smape", "wer", "cer", "fid")
)
_HIGHER_IS_BETTER = frozenset(
    ("map", "ap", "ar", "acc", "accuracy", "top", "auc", "auroc", "iou", "miou", "recall", "precision", "f1", "dice",
     "mdice", "score", "match", "hmean", "bleu", "rouge", "psnr", "ssim", "kappa", "mcc")
)  # fmt: skip
"""A number behind such a word is a threshold or a rank: AP50, top5."""
_CLASS_SCORES = frozenset(("acc", "accuracy", "top", "auc", "auroc", "f1", "kappa", "mcc"))


@dataclass(frozen=True)
class OverfitPolicy:
    """diagnosis.md 3.5."""

    at_least: int = 6  # evaluations
    after_best: int = 3  # evaluations after the best one
    noise: float = 3.0  # times the usual change between two evaluations
    of_gain: float = 0.10
    of_first: float = 0.03
    train_fall: float = 0.02  # of the training loss since the best evaluation
    least_loss: float = 0.1  # of the first training loss: below it an evaluation loss is small, however it moves
    slight: float = 0.1  # of the lowest loss: a smaller rise is news only, which early stopping takes care of
    least_score: float = 0.02  # of one between 0 and 1: what never was there cannot be lost
    sampling: float = 1.5  # times the standard error of a share of so few inputs as an evaluation has
    most_passes: int = 8  # of an evaluation, of which all inputs are counted [capture/rows.py]
    most_inputs: float = 100.0  # of these: with more, the error is small beside the other limits


@lru_cache(maxsize=4096)
def direction(tag: str) -> int:
    """+1 where larger values of *tag* are better, -1 where smaller ones are, 0 where its name does not tell."""
    words = _words(tag)
    if any(word in _LOWER_IS_BETTER for word in words):
        return -1
    return 1 if any(_plain(word) in _HIGHER_IS_BETTER or word.startswith("map") for word in words) else 0


def _words(tag: str) -> list[str]:
    return tag.removeprefix(PREFIX).lower().replace("-", "_").replace("/", "_").replace("@", "_").split("_")


def _plain(word: str) -> str:
    """*word* without the number behind it, but for a single letter, whose number is its name."""
    plain = word.rstrip("0123456789.")
    return plain if len(plain) > 1 else word


@dataclass(frozen=True)
class Overfit:
    """Evaluation worsens while the training loss falls."""

    policy: OverfitPolicy = OverfitPolicy()
    name: str = "overfit"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for the first evaluation series that worsens."""
        known = [tag for tag in context.tags_under(PREFIX) if direction(tag)]
        if not known or context.loss is None:
            return Abstention(self.name, (PREFIX + "*",))
        for tag in known:
            if not self._tells(context, tag):
                continue
            found = self._judge(context, context.series(tag))
            if found is not None and not self._is_small(context, found):
                return (found,)
        return ()

    def _tells(self, context: Context, tag: str) -> bool:
        """False for a share of right classes where a loss is evaluated, which tells sooner, or BatchNorm trains, whose
        statistics lag behind at high learning rates: the share dips, and comes back with the schedule."""
        if not _CLASS_SCORES.intersection(map(_plain, _words(tag))):
            return True
        return eval_loss(context) is None and not context.last(tags.NORM_TRAINING)

    def _judge(self, context: Context, series: Series | None) -> Symptom | None:
        if series is None or len(series) < self.policy.at_least or not np.isfinite(series.values).all():
            return None
        errors = -direction(series.tag) * series.values
        best = int(np.argmin(errors))
        if direction(series.tag) > 0 and 0 <= series.values[best] < self.policy.least_score:
            return None
        if best == 0 or len(errors) - 1 - best < self.policy.after_best:
            return None  # a best that was also the first one is no fit that was lost
        rise = float(np.median(errors[-3:]) - errors[best])
        noise = usual_change(errors)
        gain = float(errors[0] - errors[best])
        limit = max(
            self.policy.noise * noise,
            self.policy.of_gain * gain,
            self.policy.of_first * abs(float(errors[0])),
            self._sampling_error(context, float(series.values[best])) if direction(series.tag) > 0 else 0.0,
        )
        if rise <= limit or not self._training_improved(context, int(series.steps[best])):
            return None
        is_slight = direction(series.tag) < 0 and rise < self.policy.slight * abs(float(series.values[best]))
        return _symptom(series, best, rise, limit, "info" if is_slight else "warning")

    def _sampling_error(self, context: Context, best: float) -> float:
        """What a share may differ by for the few inputs that an evaluation has; 0 where they are many, or unknown."""
        passes, inputs = (context.median(tag, 8) for tag in (tags.EVAL_PASSES, tags.EVAL_ROWS))
        if not 0 <= best <= 1 or not passes or not inputs or passes > self.policy.most_passes:
            return 0.0
        if inputs > self.policy.most_inputs:
            return 0.0
        return self.policy.sampling * float(np.sqrt(best * (1 - best) / inputs))

    def _is_small(self, context: Context, found: Symptom) -> bool:
        """True for a loss that is still next to nothing: on an easy task it doubles by one hard example."""
        curve, tag = context.loss, found.evidence[0].tag
        if curve is None or "loss" not in tag.lower():
            return False
        newest = context.median(tag, 3)
        return newest is not None and newest < self.policy.least_loss * curve.start

    def _training_improved(self, context: Context, since: int) -> bool:
        curve, newest = context.loss, context.last(tags.LOSS_TOTAL)
        if curve is None or newest is None or not np.isfinite(newest):
            return False  # what is no number any more fits nothing
        at = int(np.searchsorted(curve.steps, since))
        then = curve.values[max(0, at - 20) : at + 20]
        return len(then) > 0 and curve.now < (1 - self.policy.train_fall) * float(np.median(then))


@dataclass(frozen=True)
class CollapsePolicy:
    """A score that was there and is gone: overfitting wears it down, it does not end it."""

    best: float = 0.02  # of a score between 0 and 1
    gone: float = 0.02  # share of the best that is left
    newest: int = 3  # evaluations in a row


@dataclass(frozen=True)
class Collapse:
    """An evaluation score that had left zero is back at zero."""

    policy: CollapsePolicy = CollapsePolicy()
    name: str = "collapse"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for the first score that is gone."""
        scores = [tag for tag in context.tags_under(PREFIX) if direction(tag) > 0]
        if not scores:
            return Abstention(self.name, (PREFIX + "*",))
        found = (self._judge(context.series(tag)) for tag in scores)
        return tuple(symptom for symptom in found if symptom is not None)[:1]

    def _judge(self, series: Series | None) -> Symptom | None:
        if series is None or len(series) <= self.policy.newest or not np.isfinite(series.values).all():
            return None
        best, newest = int(np.argmax(series.values)), series.values[-self.policy.newest :]
        top, left = float(series.values[best]), float(newest.max())
        if top < self.policy.best or left > self.policy.gone * top:
            return None
        window = (int(series.steps[best]), int(series.steps[-1]))
        text = f"{top:.3g} at step {window[0]}, {left:.3g} at best in the newest {len(newest)} evaluations"
        return Symptom(
            kind="collapse",
            severity="warning",
            first_step=window[0],
            last_step=window[1],
            title=f"{series.tag} has fallen back to nothing",
            evidence=(Evidence(series.tag, window, left, self.policy.gone * top, "<", text),),
            facts={"best": top, "left": left},
        )


def usual_change(errors: Floats) -> float:
    """How far two evaluations differ by chance, from second differences, so that a trend does not count.

    White noise of sigma has second differences of sigma sqrt 6, and differences of sigma sqrt 2.
    """
    return MAD_TO_SIGMA * float(np.median(np.abs(np.diff(errors, n=2)))) / float(np.sqrt(3.0))


def _symptom(series: Series, best: int, rise: float, limit: float, severity: Severity) -> Symptom:
    window = (int(series.steps[best]), int(series.steps[-1]))
    was, now = float(series.values[best]), float(np.median(series.values[-3:]))
    return Symptom(
        kind="overfit",
        severity=severity,
        first_step=window[0],
        last_step=window[1],
        title=f"{series.tag} has worsened from {was:.3g} to {now:.3g} while the training loss falls",
        evidence=(
            Evidence(series.tag, window, rise, limit, ">", f"best at step {window[0]}, worse by {rise:.3g} since"),
        ),
        facts={"rise": rise},
    )
