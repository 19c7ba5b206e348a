"""How a loss weighs its terms: read off the total, which is a sum of them, or off its graph, where nobody tells the
terms (diagnosis.md S29)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.scores_of_places import best_precision
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats, Steps
from dettui.numerics.robust import median
from dettui_probe import tags


@dataclass(frozen=True)
class TermPolicy:
    """Weights that recipes use lie within a factor of 20 (box, class and distribution terms of one-stage detectors), or
    of 50, as EfficientDet weighs its boxes."""

    wait_points: int = 150
    window: int = 256
    exact: float = 1e-3  # share of the total that a weighted sum may miss
    apart: float = 60.0  # greatest weight over that of the term
    unmoved: float = 0.75  # of its first level: a term that falls in spite of its weight does no harm
    little: float = 0.02  # share of a detector's total: then a term is as good as left out of it
    hardly_moved: float = 0.25  # of the first level of such a term, which falls a little with the others
    halfway: float = 0.5  # of a declared run, by which all terms of a detector have fallen below that
    undeclared: int = 2000  # steps, where the length was not told
    first_part: float = 0.2  # of the first total, at most, of a term that was weighed down by mistake
    first: int = 10
    found_all_the_same: float = 0.5  # average precision of a detector to which its weights do no harm


@dataclass(frozen=True)
class TermWeights:
    """Weight of each term, and their rows."""

    weights: Mapping[str, float]  # tag -> factor in the total
    steps: Steps  # those that were looked at


def read_weights(context: Context, policy: TermPolicy) -> TermWeights | None:
    """The factors with which the total adds up its terms, None where it is no weighted sum, or a plain one."""
    total = context.series(tags.LOSS_TOTAL)
    names = [tag for tag in context.tags_under(tags.LOSS) if tag != tags.LOSS_TOTAL]
    terms = [series for tag in names if (series := context.series(tag)) is not None]
    if total is None or not 2 <= len(terms) <= 8:
        return None
    steps = total.steps[-policy.window :]
    if len(steps) < policy.wait_points or any(not np.array_equal(t.steps[-len(steps) :], steps) for t in terms):
        return None
    table = np.stack([term.values[-len(steps) :] for term in terms], axis=1).astype(np.float64)
    sums = total.values[-len(steps) :].astype(np.float64)
    if not (np.isfinite(table).all() and np.isfinite(sums).all()) or _fits(table.sum(axis=1), sums, policy):
        return None
    kept = _independent(table)
    weights = _solve(table[:, kept], sums)
    if weights is None or not _fits(table[:, kept] @ weights, sums, policy):
        return None
    return TermWeights({terms[k].tag: float(w) for k, w in zip(kept, weights, strict=True)}, steps)


def _independent(table: Floats) -> list[int]:
    """Columns of the terms themselves: where one of them is a sum of the others, as of a model that returns both, the
    one that is largest is that sum."""
    every = list(range(table.shape[1]))
    if len(every) < 3 or _solve(table, table[:, 0]) is not None:
        return every
    largest = int(np.argmax(np.abs(table).mean(axis=0)))
    return [k for k in every if k != largest]


def _solve(table: Floats, sums: Floats) -> Floats | None:
    """Weights w, shape (K,), with table @ w nearest to *sums*; None where terms that move alike leave them open."""
    scale = np.abs(table).max(axis=0)
    if not scale.all():
        return None
    weights, _, rank, _ = np.linalg.lstsq(table / scale, sums, rcond=1e-4)
    return weights / scale if rank == table.shape[1] else None


def _fits(model: Floats, sums: Floats, policy: TermPolicy) -> bool:
    return bool(np.abs(model - sums).max() <= policy.exact * np.abs(sums).max())


def is_halfway(context: Context, policy: TermPolicy) -> bool:
    """Whether half of the run is over, as far as anything tells how long it is."""
    total = context.total_steps
    return context.step >= (policy.undeclared if total is None else policy.halfway * total)


@dataclass(frozen=True)
class UnbalancedTerms:
    """A term weighs next to nothing beside another and does not fall, or hardly."""

    policy: TermPolicy = TermPolicy()
    name: str = "term_weights"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, of the term that weighs least."""
        curve = context.loss
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        if len(curve) < self.policy.wait_points or context.is_resumed:
            return ()
        read = read_weights(context, self.policy)
        if read is None:
            return ()
        most = max(read.weights, key=read.weights.__getitem__)
        light = {tag: w for tag, w in read.weights.items() if 0 < self.policy.apart * w < read.weights[most]}
        unmoved = {tag: level for tag, w in light.items() if (level := self._level(context, tag, w)) is not None}
        if not unmoved:
            return ()
        tag = min(unmoved, key=light.__getitem__)
        return (self._symptom(read, tag, most, unmoved[tag]),)

    def _level(self, context: Context, tag: str, weight: float) -> float | None:
        """Newest level of a term as a share of its first, None where it fell."""
        first = context.early_median(tag, self.policy.first)
        newest = context.window(tag, self.policy.wait_points // 3)
        if not first or first <= 0 or not len(newest):
            return None
        level = median(newest) / first
        return level if level > self._kept(context, weight * first, weight * median(newest)) else None

    def _kept(self, context: Context, first_part: float, part: float) -> float:
        """The level above which a term is not learnt, given its *part* in the total, and that in the first total.  All
        terms of a detector have to be; elsewhere a weak one may be meant as a mere hint."""
        policy = self.policy
        total = context.median(tags.LOSS_TOTAL, policy.wait_points // 3)
        first = context.early_median(tags.LOSS_TOTAL, policy.first)
        if context.series(tags.TARGET_BOXES) is None or not total or not first:
            return policy.unmoved
        is_slow = first_part < policy.first_part * first and is_halfway(context, policy)
        return policy.hardly_moved if is_slow or part < policy.little * total else policy.unmoved

    def _symptom(self, read: TermWeights, tag: str, most: str, level: float) -> Symptom:
        factor = read.weights[most] / read.weights[tag]
        window = int(read.steps[0]), int(read.steps[-1])
        text = f"the total counts {most} {factor:.0f} times as much as {tag}, which still stands at {level:.0%}"
        proof = Evidence(tag, window, factor, self.policy.apart, ">", text)
        fall = "does not fall" if level > self.policy.unmoved else "hardly falls"
        title = f"{tag} weighs a {factor:.0f}th of {most} and {fall}"
        return told_by([proof], "config_smell", "warning", title, key="terms")


def untold_weights(context: Context, policy: TermPolicy) -> float | None:
    """How far apart the weights of the terms are in the graph of the loss of a detector that tells no term; None where
    that is not known, or a penalty on the weights of the network is among them, which may weigh what it will."""
    terms = [tag for tag in context.tags_under(tags.LOSS) if tag != tags.LOSS_TOTAL]
    if len(terms) > 1 or context.series(tags.TARGET_BOXES) is None or context.last(tags.GRAPH_PENALTY):
        return None
    seen = context.window(tags.GRAPH_APART, policy.window)
    return float(seen.min()) if len(seen) else None


@dataclass(frozen=True)
class UntoldWeights:
    """Weights as far apart, of terms that nobody tells, in a detector that has found little by half of its run."""

    policy: TermPolicy = TermPolicy()
    name: str = "untold_weights"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        apart, score, policy = untold_weights(context, self.policy), best_precision(context), self.policy
        if apart is None or score is None:
            return Abstention(self.name, (tags.GRAPH_APART, "eval/mAP"))
        if apart < policy.apart or score >= policy.found_all_the_same or not is_halfway(context, policy):
            return ()
        text = (
            f"one term of the loss is multiplied by {apart:.0f} times as much as another; evaluations find {score:.2g} "
            "at best"
        )
        proof = Evidence(tags.GRAPH_APART, context.span(tags.GRAPH_APART, 1), apart, policy.apart, ">", text)
        return (told_by([proof], "config_smell", "warning", "One term of the loss drowns another", key="untold"),)
