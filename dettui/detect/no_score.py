"""The loss goes its way and no evaluation ever scores: the commonest complaint about detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.evaluation_inputs import EvaluationPolicy, is_shifted, read_shift
from dettui.detect.evaluations import PREFIX, CollapsePolicy
from dettui.detect.scores_of_places import scores_of_places
from dettui.detect.targets.surest import read_surest
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Series
from dettui_probe import tags


@dataclass(frozen=True)
class NoScorePolicy:
    """A detector that trains is above it by a third of any schedule."""

    evaluations: int = 5
    at_the_end: int = 4  # evaluations that are enough once a declared run is nearly over: the last one ends it
    over: float = 0.95  # share of it
    of_run: float = 0.4  # share of a declared run
    undeclared: int = 2000  # steps, where the length was not told
    best: float = 0.02  # of a score between 0 and 1
    late: float = 0.6  # share of a declared run, after which less than near_nothing that does not rise is told as well
    near_nothing: float = 0.05
    near_nothing_at_half: float = 0.1  # the same of a score that counts what overlaps by half
    rising: float = 1.5  # newest three evaluations over the three before
    empty: float = 0.6  # share of images without a box, beside which a score of best_empty is no better
    best_empty: float = 0.1
    surest_unexplained: float = 0.05  # share of the surest answers, at most, of a detector that names objects
    surest_overlap: float = 0.65  # with them, at least, of one that finds them where they are
    weak: float = 0.05  # newest score beside such answers; a third of what detectors of hard data end with
    weak_at_half: float = 0.15  # the same of a score that counts what overlaps by half
    learnt: float = 0.25  # share of the first loss: then the task is easy, and so low a score is no matter of it
    by_heart: float = 0.05  # the same, of a training set that is known by heart
    was_there: float = 0.1  # best score, from which on it cannot be lost by chance
    stood: int = 3  # evaluations in a row of half of it at least
    left: float = 0.25  # of the best, the median of the newest three; 0.9 and more of every healthy run, by their best
    left_at_best: float = 0.5  # the same, the best of the newest three
    falls: float = 0.8  # of the loss when the score was best
    kept: float = 0.5  # of the first norm of all weights: below it the loss may fall by a penalty on them alone


@dataclass(frozen=True)
class NoScore:
    """A score that has never left zero, or is back there while training learns on."""

    policy: NoScorePolicy = NoScorePolicy()
    name: str = "no_score"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for the first score of detection or segmentation that is at nothing."""
        scores = scores_of_places(context)
        if not scores:
            return Abstention(self.name, (PREFIX + "mAP",))
        total = context.total_steps
        if context.step < (self.policy.of_run * total if total else self.policy.undeclared):
            return ()
        found = (self._judge(context, context.series(tag)) for tag in scores)
        return tuple(symptom for symptom in found if symptom is not None)[:1]

    def _judge(self, context: Context, series: Series | None) -> Symptom | None:
        if series is None or not np.isfinite(series.values).all():
            return None
        are_few = len(series) < self.policy.evaluations
        if are_few and not self._is_over(context, series):
            return None
        best = float(series.values.max())
        limit = self.policy.best if are_few else self._limit(context, series)
        window = (int(series.steps[0]), int(series.steps[-1]))
        text = f"{best:.3g} at best in {len(series)} evaluations"
        if not 0 <= best < limit and are_few:
            return None
        if not 0 <= best < limit:
            return self._fell(context, series) or self._too_low_for_its_answers(context, series)
        proof = Evidence(series.tag, window, best, limit, "<", text)
        title = f"{series.tag} has stayed at {'nothing' if best < self.policy.best else 'next to nothing'}"
        right = self._right_answers(context)
        if right is not None:
            return self._contradicted(context, title, [proof, right])
        shift = read_shift(context, EvaluationPolicy())
        kind = "bad_evaluation" if shift is not None and is_shifted(shift, EvaluationPolicy()) else "not_learning"
        return told_by([proof], kind, "warning", title, key="score")

    def _is_over(self, context: Context, series: Series) -> bool:
        """Whether the run nearly is, with as many evaluations as a short one has."""
        total = context.total_steps
        return total is not None and context.step >= self.policy.over * total and len(series) >= self.policy.at_the_end

    def _limit(self, context: Context, series: Series) -> float:
        """What the best of all evaluations should have reached by now."""
        policy, total = self.policy, context.total_steps
        limit = policy.best_empty if self._mostly_empty(context) else policy.best
        if not total or context.step < policy.late * total or self._is_rising(series):
            return limit
        return max(limit, policy.near_nothing_at_half if "50" in series.tag else policy.near_nothing)

    def _is_rising(self, series: Series) -> bool:
        before, newest = series.values[-6:-3], series.values[-3:]
        return not len(before) or bool(np.median(newest) > self.policy.rising * np.median(before))

    def _fell(self, context: Context, series: Series) -> Symptom | None:
        """Overfitting wears a score down, and leaves more of it."""
        fallen = _fallen(context, series, self.policy)
        if fallen is None:
            return None
        text = (
            f"{fallen.top:.3g} at step {fallen.window[0]}, {fallen.newest:.3g} in the newest three, while the training "
            "loss fell"
        )
        proof = Evidence(series.tag, fallen.window, fallen.newest, self.policy.left * fallen.top, "<", text)
        title = f"{series.tag} has fallen to next to nothing while training goes on to learn"
        return told_by([proof], "bad_evaluation", "warning", title, key="score")

    def _too_low_for_its_answers(self, context: Context, series: Series) -> Symptom | None:
        """A score that is above nothing, and far below what a detector comes to that has learnt its training set."""
        policy, curve = self.policy, context.loss
        limit = policy.weak_at_half if "50" in series.tag else policy.weak
        newest = float(np.median(series.values[-3:]))
        if curve is None or not 0 <= newest < limit or curve.now > policy.learnt * curve.start:
            return None
        right = self._right_answers(context)
        if right is None:
            return None
        window = (int(series.steps[-3]), int(series.steps[-1]))
        proof = Evidence(series.tag, window, newest, limit, "<", f"{newest:.3g} in the newest evaluations")
        return self._contradicted(context, f"{series.tag} is {newest:.2g} only", [proof, right])

    def _right_answers(self, context: Context) -> Evidence | None:
        """What a torchvision detector is surest of in training, where it meets objects and fits them."""
        policy, surest = self.policy, read_surest(context)
        if surest is None or surest.share_unexplained > policy.surest_unexplained:
            return None
        if surest.overlap < policy.surest_overlap:
            return None
        text = (
            f"in training {1 - surest.share_unexplained:.0%} of the answers that the detector is surest of meet an "
            f"object, and overlap it by {surest.overlap:.0%}"
        )
        return Evidence(tags.SUREST_OVERLAP, surest.window, surest.overlap, policy.surest_overlap, ">", text)

    def _contradicted(self, context: Context, title: str, proofs: Sequence[Evidence]) -> Symptom:
        """Evaluations are made otherwise than training, unless training is known by heart."""
        curve = context.loss
        by_heart = curve is not None and curve.now < self.policy.by_heart * curve.start
        kind = "overfit" if by_heart else "bad_evaluation"
        return told_by(proofs, kind, "warning", f"{title}, and training finds its objects", key="score")

    def _mostly_empty(self, context: Context) -> bool:
        empty, images = context.window(tags.TARGET_EMPTY, 500), context.window(tags.BATCH_SIZE, 500)
        return len(empty) >= 20 and images.sum() > 0 and float(empty.mean() / images.mean()) > self.policy.empty


class Fallen(NamedTuple):
    """A score that stood for several evaluations and is next to nothing now, while training learns on."""

    window: tuple[int, int]  # from the best evaluation to the newest
    top: float
    newest: float  # median of three


def read_fallen(context: Context, policy: NoScorePolicy) -> Fallen | None:
    """The first score of places that has fallen so."""
    known = (context.series(tag) for tag in scores_of_places(context))
    found = (_fallen(context, series, policy) for series in known if series is not None)
    return next((fallen for fallen in found if fallen is not None), None)


def _fallen(context: Context, series: Series, policy: NoScorePolicy) -> Fallen | None:
    curve, scores = context.loss, series.values
    if curve is None or len(series) < policy.evaluations or not np.isfinite(scores).all():
        return None
    best, newest, most = int(np.argmax(scores)), float(np.median(scores[-3:])), float(scores[-3:].max())
    top = float(scores[best])
    stands = np.convolve(scores >= top / 2, np.ones(policy.stood), mode="valid")
    if top < policy.was_there or stands.max() < policy.stood:
        return None
    if most <= CollapsePolicy.gone * top:  # which that rule tells
        return None
    if newest > policy.left * top or most > policy.left_at_best * top or _have_shrunk(context, policy):
        return None
    then = curve.values[max(int(np.searchsorted(curve.steps, series.steps[best])) - 20, 0) :][:40]
    if curve.now > policy.learnt * curve.start or curve.now > policy.falls * float(np.median(then)):
        return None
    return Fallen((int(series.steps[best]), int(series.steps[-1])), top, newest)


def _have_shrunk(context: Context, policy: NoScorePolicy) -> bool:
    """Whether the weights have lost much of what they were."""
    norms = context.series(tags.WEIGHT_NORM)
    return norms is not None and bool(norms.values[-1] < policy.kept * norms.values[0])


def finds_nothing(context: Context) -> bool:
    """Whether a score of places has stayed at nothing for so long that this is told."""
    found = NoScore().evaluate(context)
    return not isinstance(found, Abstention) and bool(found)
