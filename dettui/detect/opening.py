"""First steps so violent that the weights never recover: they hide later, because inflated weights make every step
look small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.chance import guess_of
from dettui.detect.context import Context
from dettui.detect.layers import is_weight
from dettui.detect.own_targets import fits_nothing
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Series
from dettui.numerics.robust import is_usable, median
from dettui_probe import tags


@dataclass(frozen=True)
class OpeningPolicy:
    """diagnosis.md S1, S13.

    None of the three signs is enough alone.  Tensors that begin at zero move by their own size at first; small
    embeddings under Adam double within a hundred healthy steps; units specialise.
    """

    update_steps: int = 20  # of the run, over which the median update is taken
    update_points: int = 3
    settle_steps: int = 32  # before the opening is judged: by then one that learns all the same has shown it
    violent: float = 10**-1.5  # ||dw||/||w|| of one step [S1]
    shattering: float = 0.3  # the same of the median of the first three; 0.25 at most in the healthy runs of the bench
    shattered_layers: float = 0.5  # share of the weights that such a step moved: a new head is few of them
    least_layers: int = 4
    shattered_growth: float = 1.4
    ruinous: float = 8.0  # growth after such steps that is told whatever the loss does; 3.9 at most in healthy runs
    growth_steps: int = 100
    growth: float = 2.0  # of the norm of all weights
    dying: float = 0.3  # rise of the share of gradient elements that are exactly zero; 0.1 on a healthy detector
    newest: int = 8  # measured shares
    patience_points: int = 120  # before a loss that hardly moved is held against the opening
    hardly_moved: float = 0.8  # share of the first loss, or of a guesser's
    learns_of_guess: float = 0.65  # share of a guesser's loss below which units that died are not missed
    learns: float = 0.45  # the same of the first loss, where no guesser is known
    answers: int = 12  # newest ones that are compared with a guesser's
    sure_and_wrong: float = 0.25  # share of the very first answers: of a network that knows nothing, none is sure
    confident: float = 2.0  # times ln K: logits of deviation s cost ln K + s^2 / 2, those of a usual head s < 1 [S8]
    answer_points: int = 3  # first measured steps, by which one lucky update may have mended it
    still_confident: float = 1.5  # times ln K, at the middle one of them
    next_to_nothing: float = 1e-3  # norm of a weight; any usual way to draw one gives about the root of its outputs
    nothing_passes: float = 0.5  # more than this share of such weights; on purpose, the second half of an adapter is
    zero: float = 1e-9  # norm below which a weight began at exactly zero, which may be meant
    large_gain: float = 3.5  # rms(w) sqrt(fan in): 0.58 of nn.Linear, 1.41 by He, 2.8 of Inception v3
    above_guess: float = 1.2  # first losses over a guesser's; well drawn, the outputs of a network are next to nothing
    first_losses: int = 5
    tiny_layers: float = 0.25  # more than this share that is next to nothing and not zero: nobody draws weights so


@dataclass(frozen=True)
class Opening:
    """What the first steps did to the weights."""

    update: float  # median ||dw||/||w||
    first_update: float  # of the first three steps alone
    update_span: tuple[int, int]
    growth: float  # greatest norm within the first steps over the first one
    growth_span: tuple[int, int]
    kept: float  # newest norm over the first one


def read_opening(context: Context, policy: OpeningPolicy) -> Opening | None:
    """The opening of the newest start, None where it was not measured often enough."""
    updates, norms = context.series(tags.UPDATE_RATIO), context.series(tags.WEIGHT_NORM)
    if updates is None or norms is None:
        return None
    steps, first = _first(updates, policy.update_steps), _first(norms, policy.growth_steps)
    if len(steps) < policy.update_points or len(first) < 2 or not first.values[0] > 0:
        return None
    before = _before_the_first_step(first, steps)
    return Opening(
        update=median(steps.values),
        first_update=median(steps.values[:3]),
        update_span=(int(steps.steps[0]), int(steps.steps[-1])),
        growth=float(first.values.max() / before),
        growth_span=(int(first.steps[0]), int(first.steps[-1])),
        kept=float(norms.values[-1] / before),
    )


def _before_the_first_step(norms: Series, updates: Series) -> float:
    """At most what the first of *norms* was before its step, after which it is measured."""
    ratio = float(updates.values[0]) if updates.steps[0] == norms.steps[0] else 0.0
    return before_a_step(float(norms.values[0]), ratio)


def before_a_step(norm: float, ratio: float) -> float:
    """At most the norm of weights that a step of *ratio* times their size led to *norm*: n / (r - 1) where r > 2."""
    return norm / max(ratio - 1.0, 1.0)


def _first(series: Series, steps: int) -> Series:
    """The usable points of the first *steps* steps of *series*, which is not empty."""
    upto = int(np.searchsorted(series.steps, series.steps[0] + steps, side="left"))
    usable = is_usable(series.values[:upto])
    return Series(
        series.tag, series.steps[:upto][usable], series.values[:upto][usable], series.times[:upto][usable], series.unit
    )


@dataclass(frozen=True)
class ViolentOpening:
    """Large first steps that multiplied the weights, where it shows that they did harm, or must have."""

    policy: OpeningPolicy = OpeningPolicy()
    name: str = "violent_opening"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on a resumed run, whose first steps are not its opening."""
        missing = context.missing(tags.UPDATE_RATIO, tags.WEIGHT_NORM)
        if missing:
            return Abstention(self.name, missing)
        if context.is_resumed or self._is_a_head_alone(context):
            return ()
        opening = read_opening(context, self.policy)
        if opening is None or context.step < opening.growth_span[0] + self.policy.settle_steps:
            return ()
        shatters = self._shatters(context)
        growth = self.policy.shattered_growth if shatters else self.policy.growth
        if opening.update <= self.policy.violent or min(opening.growth, opening.kept) < growth:
            return ()
        harm = None if self._learns(context) else self._dying(context) or self._stuck(context, shatters)
        is_ruined = shatters and min(opening.growth, opening.kept) >= self.policy.ruinous
        return (self._symptom(context, opening, harm),) if harm is not None or is_ruined else ()

    def _is_a_head_alone(self, context: Context) -> bool:
        """Whether a single weight is trained, as on a frozen body: it begins at next to nothing, and rates of 0.3 to 30
        are usual for it."""
        return len([tag for tag in context.tags_under(tags.LAYER_UPDATE_RATIO) if is_weight(tag)]) == 1

    def _shatters(self, context: Context) -> bool:
        """Whether each of the first steps moved most of the weights by a good part of their size: little is then left
        of how they were drawn."""
        policy = self.policy
        first = context.early_median(tags.UPDATE_RATIO, 3)
        if first is None or first < policy.shattering:
            return False
        layers = [tag for tag in context.tags_under(tags.LAYER_UPDATE_RATIO) if is_weight(tag)]
        moved = [ratio >= policy.shattering for tag in layers if (ratio := context.early_median(tag, 3)) is not None]
        return len(moved) >= policy.least_layers and sum(moved) >= policy.shattered_layers * len(moved)

    def _learns(self, context: Context) -> bool:
        """True where the loss fell well below a guesser's, or to less than half of its start: a new head on trained
        layers grows."""
        curve = context.loss
        if curve is None or fits_nothing(context):
            return False
        guess = guess_of(context)
        if guess is None:
            return curve.now < self.policy.learns * curve.start
        return curve.now < min(self.policy.learns_of_guess * guess, curve.start)

    def _dying(self, context: Context) -> Evidence | None:
        now = context.median(tags.GRAD_ZERO, self.policy.newest, at_least=3)
        first = context.early_median(tags.GRAD_ZERO, 1)
        if now is None or first is None or now - first < self.policy.dying:
            return None
        window = context.span(tags.GRAD_ZERO, self.policy.newest)
        text = f"{now:.0%} of the gradient elements are exactly 0, {first:.0%} at the first step: units die"
        return Evidence(tags.GRAD_ZERO, window, now - first, self.policy.dying, ">", text)

    def _stuck(self, context: Context, shatters: bool) -> Evidence | None:
        """A loss that hardly moved; after steps that left little of the weights, one that does not learn yet."""
        curve, limit = context.loss, self.policy.learns if shatters else self.policy.hardly_moved
        if curve is None or len(curve) < self.policy.patience_points or context.lr_is_rising:
            return None
        window = (int(curve.steps[0]), int(curve.steps[-1]))
        share = curve.now / curve.start if curve.start > 0 else 0.0
        if share > limit:
            text = f"the loss stands at {curve.now:.4g}, {share:.0%} of its first level {curve.start:.4g}"
            return Evidence(curve.tag, window, share, limit, ">", text)
        return self._no_better_than_a_guess(context)

    def _no_better_than_a_guess(self, context: Context) -> Evidence | None:
        """The first steps may have raised the loss so far that a fall from there is no gain."""
        policy, guess = self.policy, guess_of(context)
        cost = context.median(tags.FIT_LOSS_MEAN, policy.answers, at_least=policy.answers)
        if guess is None or cost is None or cost <= policy.hardly_moved * guess:
            return None
        text = f"the answers cost {cost:.4g}, and a guesser's {guess:.4g}"
        window = context.span(tags.FIT_LOSS_MEAN, policy.answers)
        return Evidence(tags.FIT_LOSS_MEAN, window, cost / guess, policy.hardly_moved, ">", text)

    def _symptom(self, context: Context, opening: Opening, harm: Evidence | None) -> Symptom:
        policy = self.policy
        return Symptom(
            kind="update_too_large",
            severity="warning",
            first_step=opening.update_span[0],
            last_step=context.step,
            title=f"The first steps multiplied the weights by {opening.growth:.1f}",
            evidence=(
                Evidence(tags.UPDATE_RATIO, opening.update_span, opening.update, policy.violent, ">",
                         f"at first a step moved the weights by {opening.first_update:.0%} of their size, in the "
                         f"median of {policy.update_steps} steps by {opening.update:.0%}; 1 % is the upper end of "
                         "what is usual"),
                Evidence(tags.WEIGHT_NORM, opening.growth_span, opening.growth, policy.growth, ">",
                         f"their norm grew {opening.growth:.1f}-fold by step {opening.growth_span[1]}"),
                *(() if harm is None else (harm,)),
            ),
            facts={"update_ratio": opening.update, "growth": opening.growth},
            key="opening",
        )  # fmt: skip


def share_near_zero(context: Context) -> float | None:
    """Share of the weights that began so small that they carry no signal; None on a resumed run."""
    return _share_between(context, -1.0, OpeningPolicy().next_to_nothing)


def share_tiny(context: Context) -> float | None:
    """Share of those that were not exactly zero."""
    return _share_between(context, OpeningPolicy().zero, OpeningPolicy().next_to_nothing)


def _share_between(context: Context, low: float, high: float) -> float | None:
    if context.is_resumed:
        return None
    layers = (tag.removeprefix(tags.LAYER_WEIGHT_NORM) for tag in context.tags_under(tags.LAYER_WEIGHT_NORM))
    first = [norm for layer in layers if is_weight(layer) and (norm := _norm_before(context, layer)) is not None]
    return sum(low < norm < high for norm in first) / len(first) if first else None


def _norm_before(context: Context, layer: str) -> float | None:
    """At most the norm of a weight before the first step, after which it is measured."""
    norm = context.early_median(tags.LAYER_WEIGHT_NORM + layer, 1)
    ratio = context.early_median(tags.LAYER_UPDATE_RATIO + layer, 1)
    return norm if norm is None or ratio is None else before_a_step(norm, ratio)


@dataclass(frozen=True)
class ConfidentOpening:
    """An untrained network whose answers are sure and wrong: it has to forget before it can learn."""

    policy: OpeningPolicy = OpeningPolicy()
    name: str = "confident_opening"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on a resumed run."""
        missing = context.missing(tags.FIT_LOSS_MEAN, tags.FIT_WRONG)
        if missing:
            return Abstention(self.name, missing)
        policy, model = self.policy, context.model
        if model is None or not model.num_classes or model.num_classes < 2 or not self._are_untrained(context):
            return ()
        guess = log(model.num_classes)
        wrong, cost = context.early_median(tags.FIT_WRONG, 1), context.early_median(tags.FIT_LOSS_MEAN, 1)
        still = context.early_median(tags.FIT_LOSS_MEAN, policy.answer_points)
        if wrong is None or cost is None or still is None:
            return ()
        if wrong < policy.sure_and_wrong or cost < policy.confident * guess or still < policy.still_confident * guess:
            return ()
        return (self._symptom(context, wrong, cost, guess),)

    def _are_untrained(self, context: Context) -> bool:
        """False where the first answers that were heard are those of a network that has stepped before, or of a new
        head on the large outputs of trained layers."""
        answers = context.series(tags.FIT_LOSS_MEAN)
        if context.is_resumed or answers is None or not len(answers) or answers.steps[0] > 1:
            return False
        return not context.last(tags.FROZEN_SHARE) or bool(context.last(tags.FROZEN_UNTRAINED))

    def _symptom(self, context: Context, wrong: float, cost: float, guess: float) -> Symptom:
        window = context.span(tags.FIT_LOSS_MEAN, 1_000_000)
        evidence = [
            Evidence(tags.FIT_LOSS_MEAN, window, cost / guess, self.policy.confident, ">",
                     f"the first answers cost {cost:.3g}; knowing nothing costs ln K, {guess:.3g}"),
            Evidence(tags.FIT_WRONG, window, wrong, self.policy.sure_and_wrong, ">=",
                     f"{wrong:.0%} of them are sure of a wrong class (over 80 %, and under 10 % for the right one)"),
        ]  # fmt: skip
        title = f"Untrained answers cost {cost / guess:.1f} times what knowing nothing costs"
        return told_by(evidence, "config_smell", "warning", title, key="confident")


@dataclass(frozen=True)
class LargeWeights:
    """Weights that were drawn far too large, so that every layer multiplies what it is given."""

    policy: OpeningPolicy = OpeningPolicy()
    name: str = "large_weights"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; news alone where no guesser tells that the first answers were worse than none: norms may
        undo it.  Silent on a resumed run."""
        gain, policy = first_gain(context), self.policy
        if gain is None:
            return Abstention(self.name, (tags.WEIGHT_GAIN,))
        if gain <= policy.large_gain:
            return ()
        text = f"rms(w) sqrt(fan in) of the layers began at {gain:.1f}, {gain / 2**0.5:.1f} times what He's rule gives"
        evidence = [
            Evidence(tags.WEIGHT_GAIN, context.span(tags.WEIGHT_GAIN, 1), gain, policy.large_gain, ">", text),
            *self._worse_than_a_guess(context),
        ]
        severity: Severity = "warning" if len(evidence) > 1 else "info"
        title = f"The weights were drawn {gain / 2**0.5:.1f} times too large"
        return (told_by(evidence, "config_smell", severity, title, key="large_weights"),)

    def _worse_than_a_guess(self, context: Context) -> Sequence[Evidence]:
        curve, guess, policy = context.loss, guess_of(context), self.policy
        if curve is None or not guess or len(curve) < policy.first_losses:
            return ()
        first = median(curve.values[: policy.first_losses])
        if first <= policy.above_guess * guess:
            return ()
        window = (int(curve.steps[0]), int(curve.steps[policy.first_losses - 1]))
        text = f"the first losses were {first:.3g}; knowing nothing costs {guess:.3g}"
        return (Evidence(curve.tag, window, first / guess, policy.above_guess, ">", text),)


def first_gain(context: Context) -> float | None:
    """rms(w) sqrt(fan in) of the usual layer ahead of the first step; None on a resumed run."""
    return None if context.is_resumed else context.early_median(tags.WEIGHT_GAIN, 1)


@dataclass(frozen=True)
class NothingPasses:
    """Most of the weights begin at next to nothing."""

    policy: OpeningPolicy = OpeningPolicy()
    name: str = "nothing_passes"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact."""
        missing = context.missing(tags.WEIGHT_NORM)
        if missing:
            return Abstention(self.name, missing)
        share, tiny, policy = share_near_zero(context), share_tiny(context), self.policy
        if share is None or tiny is None or (share <= policy.nothing_passes and tiny <= policy.tiny_layers):
            return ()
        limit = policy.nothing_passes if share > policy.nothing_passes else policy.tiny_layers
        text = f"{share:.0%} of the weights had a norm under {policy.next_to_nothing:g} at the first step"
        proof = Evidence(tags.WEIGHT_NORM, context.span(tags.WEIGHT_NORM, 1), share, limit, ">", text)
        title = f"{share:.0%} of the weights began at next to nothing"
        return (told_by([proof], "config_smell", "warning", title, exact=True, key="near_zero"),)
