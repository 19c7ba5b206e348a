"""Whether what is learnt has to do with the inputs: their own targets against those of others (``fit/pairs``).

With the targets of two inputs swapped, a network that knows them does worse, and one that knows only how targets are
on the whole does as well.  That is seen whatever the loss is, and however much of it can be had without the inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.floors import FloorPolicy, has_waited
from dettui.detect.scores_of_places import best_precision
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats, Series
from dettui.numerics.proportions import clustered_bounds
from dettui_probe import tags


@dataclass(frozen=True)
class OwnTargetsPolicy:
    """Shares of pairs that fit their own targets better; one half by chance."""

    z: float = 2.5  # standard errors over steps
    pairs: int = 100
    by_chance: float = 0.65  # upper bound; 0.75 and more in the second half of the first epoch of healthy runs
    surely_more: float = 0.52  # lower bound from which on a little is learnt, as of a weak signal in much noise
    fresh: float = 0.9  # share of the inputs of a step that training had not met before
    finds: float = (
        0.1  # average precision of a detector that has learnt to find objects, whatever one of its terms says
    )
    by_heart: float = 0.8  # share of the newest eighth, below which a run that is over has learnt nothing but by heart
    fell: float = 0.5  # share of the first loss below which a detector without a score has learnt one term or another


@dataclass(frozen=True)
class OwnTargets:
    """Pairs since the middle of what was seen before an input came a second time: a network learns to tell them apart,
    and then it may learn them by heart, which only adds to the wins."""

    compared: int
    share: float
    at_least: float  # of all of them
    at_most: float
    at_least_at_first_sight: float  # of those that were not met before
    window: tuple[int, int]


def read_own_targets(context: Context, policy: OwnTargetsPolicy) -> OwnTargets | None:
    """None where too few pairs were compared, and of a detector that finds objects: pairs are of one of its terms, and
    classes are often learnt long after places."""
    return None if _finds_objects(context, policy) else compare_own_targets(context, policy)


def compare_own_targets(context: Context, policy: OwnTargetsPolicy, upto: int | None = None) -> OwnTargets | None:
    """The same, whatever the detector finds; of steps before *upto*."""
    pairs, won = context.series(tags.FIT_PAIRS), context.series(tags.FIT_PAIRS_OWN)
    if pairs is None or won is None or len(pairs) != len(won) or context.is_resumed:
        return None
    if upto is not None:
        pairs, won = pairs.between(0, upto - 1), won.between(0, upto - 1)
        if not len(pairs):
            return None
    until = _fresh_until(context, pairs, policy)
    fresh = int(np.searchsorted(pairs.steps, until, side="right"))
    start = fresh // 2
    compared = int(pairs.values[start:].sum())
    if compared < policy.pairs:
        return None
    share = float(won.values[start:].sum()) / compared
    first_sight = _bounds(won, pairs, slice(start, fresh), policy)
    everything = _bounds(won, pairs, slice(start, None), policy)
    window = int(pairs.steps[start]), int(pairs.steps[-1])
    return OwnTargets(compared, share, *everything, first_sight[0], window)


def _finds_objects(context: Context, policy: OwnTargetsPolicy) -> bool:
    """Whether a detector does or, where no score tells, may do so: its loss has fallen."""
    precision, curve = best_precision(context), context.loss
    if precision is not None or context.series(tags.TARGET_BOXES) is None:
        return (precision or 0.0) >= policy.finds
    return curve is not None and curve.now < policy.fell * curve.start


def fits_nothing(context: Context) -> bool:
    """Whether answers surely fit their own targets no better than those of others, wherever the loss has come from."""
    policy = OwnTargetsPolicy()
    seen = read_own_targets(context, policy)
    return seen is not None and seen.at_most < policy.by_chance and seen.at_least < policy.surely_more


def _bounds(won: Series, pairs: Series, part: slice, policy: OwnTargetsPolicy) -> tuple[float, float]:
    hits: Floats = won.values[part].astype(np.float64)
    return clustered_bounds(hits, pairs.values[part].astype(np.float64), policy.z)


def _fresh_until(context: Context, pairs: Series, policy: OwnTargetsPolicy) -> int:
    """The last step before an input came again, as far as inputs are recognised."""
    rows, new = context.series(tags.ROWS), context.series(tags.ROWS_NEW)
    if rows is None or new is None or len(rows) != len(new):
        return int(pairs.steps[0])
    again = np.flatnonzero(new.values < policy.fresh * rows.values)
    return int(rows.steps[again[0]]) - 1 if len(again) else int(pairs.steps[-1])


@dataclass(frozen=True)
class NothingOfInputs:
    """Half of a run, and targets might as well be swapped."""

    policy: OwnTargetsPolicy = OwnTargetsPolicy()
    name: str = "nothing_of_inputs"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.FIT_PAIRS)
        if missing:
            return Abstention(self.name, missing)
        if context.loss is None or context.lr_is_rising or not has_waited(context, FloorPolicy()):
            return ()
        policy, seen = self.policy, self._at_chance(context)
        if seen is None:
            return ()
        text = (
            f"of {seen.compared} pairs of inputs, {seen.share:.0%} get answers that fit their own targets better than "
            "each other's; chance is 50%"
        )
        proof = Evidence(tags.FIT_PAIRS_OWN, seen.window, seen.share, policy.by_chance, "<", text)
        title = "Nothing is learnt that tells one input from another"
        return (told_by([proof], "not_learning", "warning", title, key="pairs"),)

    def _at_chance(self, context: Context) -> OwnTargets | None:
        """The pairs where they fit by chance: all of them or, where examples are being learnt by heart by now, those of
        the first half of the run."""
        seen = read_own_targets(context, self.policy)
        if seen is None or self._is_chance(seen):
            return seen
        if not context.total_steps or self._newest_share(context) >= self.policy.by_heart:
            return None
        half = compare_own_targets(context, self.policy, upto=context.total_steps // 2)
        return half if half is not None and self._is_chance(half) else None

    def _is_chance(self, seen: OwnTargets) -> bool:
        return seen.at_most < self.policy.by_chance and seen.at_least < self.policy.surely_more

    def _newest_share(self, context: Context) -> float:
        pairs, won = context.series(tags.FIT_PAIRS), context.series(tags.FIT_PAIRS_OWN)
        if pairs is None or won is None:
            return 1.0
        newest = slice(-max(len(pairs) // 8, 1), None)
        return float(won.values[newest].sum() / max(pairs.values[newest].sum(), 1.0))
