"""Does the loss still fall?  Plateaus by a test of equivalence: flat is claimed only where a gain is ruled out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.chance import level_over_chance
from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.numerics.robust import block_medians, thin
from dettui.numerics.trend import Slope, theil_sen
from dettui_probe import tags


@dataclass(frozen=True)
class ProgressPolicy:
    """Limits on the even scale (ln L) unless said otherwise.  Numbers in brackets: sections of diagnosis.md."""

    wait_points: int = 200  # after warm-up, before anything is judged [3.1: 24 of 26 met at 200, 0 of 54 healthy]
    patience_points: int = 1000  # the same for a loss that falls, if only just
    blocks: int = 12  # [3.1: 10-20]
    z: float = 2.5  # one-sided 99 % [3.1]
    windows: tuple[float, ...] = (0.125, 0.25, 0.5)  # shares of the run since warm-up
    least_window: int = 120  # points, ten a block
    gain_per_run: float = 0.1  # progress, as a gain over as many steps as the run has had: t^-0.1 gains 0.07 a doubling
    most_gain: float = 0.05
    steady: float = 0.5  # share of the average rate of descent that is no plateau
    most_points: int = 32_768
    never_drop: float = 0.03  # [3.1]
    never_reach: float = 0.10  # the largest drop that the data still allow
    stalled_level: float = 0.7  # share of the first level [3.1: 0.6; a transformer at its entropy floor stood at 0.61]
    hardly_moved: float = 0.9  # the same while a planned decay of the LR is still to bring its gain
    at_chance: float = 0.95  # share of the loss of a guesser
    near_best: float = 0.15  # above the best level and still "at its best"
    decayed: float = 0.1  # LR as a share of its peak [S4]
    near_zero: float = 0.05  # share of the first level that counts as solved
    knows_something: float = 0.5  # share of the loss of a guesser below which a network did not start untrained
    quiet_noise: float = 0.1  # a guesser's loss varies with the labels of the batch only
    drop_window: int = 100  # points after an LR drop before it is judged
    drop_gain: float = 0.02  # [detection.md L7]
    drop_reach: float = 0.06
    tiny_update: float = -4.5  # log10 ||dw||/||w|| [S3]
    agreeing: float = 0.3  # cosine of successive gradients [S3]
    agreements: int = 12  # measured at least: a median of so many that nearly agree is firm, and thinning leaves few
    small_update: float = -3.7  # with gradients that agree this strongly: a detector at a thousandth of its LR
    nearly_equal: float = 0.7  # shows 10^-4.3 and 0.95, at its own LR 10^-2.2 and 0.1 to 0.4
    grad_kept: float = 0.8  # newest gradient norm as a share of the first [S3]
    grad_kept_equal: float = 0.5  # the same where gradients are nearly equal: it shrinks along the way and still leads


@dataclass(frozen=True)
class Flat:
    """A window over which the loss gained less than *limit*, at 99 %."""

    first_step: int
    last_step: int
    most_gain: float  # upper bound of the gain, as a share of the level
    limit: float


def flat_window(curve: LossCurve, after_step: int, policy: ProgressPolicy) -> Flat | None:
    """The shortest of the newest windows that is provably flat, None where progress cannot be ruled out.

    Windows are shares of the run since *after_step*, and so is what counts as progress: a power law gains the same
    at every doubling, however long it has run.
    """
    usable = len(curve) - int(np.searchsorted(curve.steps, after_step))
    if usable < policy.wait_points:
        return None
    for share in policy.windows:
        points = int(share * usable)
        if points >= policy.least_window:
            found = _test(curve, points, min(policy.gain_per_run * share, policy.most_gain), policy)
            if found is not None:
                return found
    return None


def _test(curve: LossCurve, points: int, limit: float, policy: ProgressPolicy) -> Flat | None:
    """Flat where the largest plausible gain is under *limit*, the largest plausible loss no more than thrice that,
    and no steady descent is under way."""
    slope = _slope(curve, points, policy)
    low, high = slope.change_bounds(policy.z)
    if -low >= limit or high >= 3 * limit or _descends_steadily(curve, slope, points, policy):
        return None
    return Flat(int(curve.steps[-points]), int(curve.steps[-1]), max(-low, 0.0), limit)


def _slope(curve: LossCurve, points: int, policy: ProgressPolicy) -> Slope:
    """Of the block medians of the newest *points*."""
    return theil_sen(curve.even(block_medians(thin(curve.values[-points:], policy.most_points), policy.blocks)))


def _descends_steadily(curve: LossCurve, slope: Slope, points: int, policy: ProgressPolicy) -> bool:
    """True where the fall is beyond doubt and as fast as the run was on average: slow, and not flat."""
    if slope.change_bounds(policy.z)[1] >= 0:
        return False
    start, now = (float(level) for level in curve.even(np.array([curve.start, curve.now])))
    return -slope.change / points >= policy.steady * (start - now) / len(curve)


def is_converged(context: Context, curve: LossCurve, policy: ProgressPolicy) -> bool:
    """Flat because it is done: solved, or at its best after the LR has gone or the run is nearly over."""
    if curve.now <= policy.near_zero * curve.start:
        return True
    if curve.now > curve.best * (1 + policy.near_best) or curve.drop_share < policy.never_reach:
        return False
    schedule = context.schedule
    lr_is_gone = schedule is not None and schedule.decayed_share < policy.decayed and not schedule.drops
    total = context.total_steps
    return lr_is_gone or (
        curve.now <= policy.stalled_level * curve.start and total is not None and context.step >= 0.9 * total
    )


@dataclass(frozen=True)
class Plateau:
    """The loss left its first level and then stopped."""

    policy: ProgressPolicy = ProgressPolicy()
    name: str = "plateau"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; info where the level is low enough to be a noise floor."""
        curve = context.loss
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        if context.schedule is not None and context.schedule.rising:
            return ()
        flat = flat_window(curve, context.warmup_end, self.policy)
        if (
            flat is None
            or never_left_its_start(context, curve, self.policy)
            or is_converged(context, curve, self.policy)
        ):
            return ()
        if curve.now > 1.05 * curve.start:
            return ()  # worse than at the start is no plateau: divergence or a shift will say so
        return (self._symptom(context, curve, flat),)

    def _is_stalled(self, context: Context, curve: LossCurve) -> bool:
        """High above where a loss usually ends; while the LR still decays, only hardly below where it began."""
        decaying = context.schedule is not None and context.schedule.decaying
        level = self.policy.hardly_moved if decaying else self.policy.stalled_level
        return curve.now > level * curve.start

    def _symptom(self, context: Context, curve: LossCurve, flat: Flat) -> Symptom:
        chance = level_over_chance(context, points=curve_points(flat, curve))
        stalled = self._is_stalled(context, curve) or (chance is not None and chance > self.policy.at_chance)
        length = flat.last_step - flat.first_step + 1
        share = 1.0 - curve.drop_share
        return Symptom(
            kind="plateau",
            severity="warning" if stalled else "info",
            first_step=flat.first_step,
            last_step=flat.last_step,
            title=f"Loss has been flat for {length} steps",
            evidence=(
                Evidence(
                    curve.tag, (flat.first_step, flat.last_step), flat.most_gain, flat.limit, "<",
                    f"at 99 %, less than {flat.most_gain:.1%} was gained in the last {length} steps",
                ),
                Evidence(
                    curve.tag, (int(curve.steps[0]), flat.last_step), share, self.policy.stalled_level,
                    ">" if stalled else "<",
                    f"the loss stands at {curve.now:.4g}, {share:.0%} of its first level {curve.start:.4g}",
                ),
            ),
            facts={"level": share, "most_gain": flat.most_gain},
        )  # fmt: skip


def curve_points(flat: Flat, curve: LossCurve) -> int:
    """How many points of *curve* lie in the window of *flat*."""
    return len(curve) - int(np.searchsorted(curve.steps, flat.first_step))


def drop_bounds(curve: LossCurve, policy: ProgressPolicy) -> tuple[float, float]:
    """(drop, largest drop the data allow) from the first eighth to the newest quarter, on the even scale."""
    n = len(curve)
    early, late = max(20, n // 8), max(20, n // 4)
    first, newest = curve.level(curve.values[:early]), curve.level(curve.values[-late:])
    error = 1.25 * curve.sigma * sqrt(curve.tau * (1 / early + 1 / late))
    return first - newest, first - newest + policy.z * error


def never_left_its_start(context: Context, curve: LossCurve, policy: ProgressPolicy) -> bool:
    """True where the drop since the first steps is under 3 %, and more than 10 % is ruled out."""
    drop, most = drop_bounds(curve, policy)
    jitter = policy.z * 1.25 * curve.sigma / sqrt(10)
    first_drop = float(curve.even(np.array([curve.start]))[0] - curve.even(np.array([curve.now]))[0])
    return (
        -0.1 < drop < policy.never_drop and most < policy.never_reach and abs(first_drop) < policy.never_drop + jitter
    )


@dataclass(frozen=True)
class NotLearning:
    """The loss never left the level at which it started."""

    policy: ProgressPolicy = ProgressPolicy()
    name: str = "not_learning"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent where the network provably started from a trained state."""
        curve = context.loss
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        past_warmup = len(curve) - int(np.searchsorted(curve.steps, context.warmup_end))
        rising = context.schedule is not None and context.schedule.rising
        patience = self.policy.patience_points if self._is_falling(curve) else self.policy.wait_points
        if rising or context.is_resumed or past_warmup < patience:
            return ()
        if not never_left_its_start(context, curve, self.policy) or self._beats_a_guesser(context, curve):
            return ()
        chance = level_over_chance(context, points=None)
        if (chance is not None and chance < self.policy.knows_something) or curve.now <= 0:
            return ()
        return (self._symptom(context, curve, chance),)

    def _beats_a_guesser(self, context: Context, curve: LossCurve) -> bool:
        """True where the newest quarter lies below a guesser's loss: little was gained, and it was learnt."""
        chance = level_over_chance(context, points=max(20, len(curve) // 4))
        return chance is not None and chance < self.policy.at_chance

    def _is_falling(self, curve: LossCurve) -> bool:
        """True where the loss falls beyond doubt, however little: a slow start deserves patience."""
        if len(curve) < self.policy.least_window:
            return False
        return _slope(curve, len(curve), self.policy).change_bounds(self.policy.z)[1] < 0

    def _symptom(self, context: Context, curve: LossCurve, chance: float | None) -> Symptom:
        drop, most = drop_bounds(curve, self.policy)
        window = (int(curve.steps[0]), int(curve.steps[-1]))
        return Symptom(
            kind="not_learning",
            severity=self._severity(context, curve, chance),
            first_step=window[0],
            last_step=window[1],
            title=f"Loss has not left its starting level in {len(curve)} steps",
            evidence=(
                Evidence(
                    curve.tag, window, drop, self.policy.never_drop, "<",
                    f"from {curve.start:.4g} to {curve.now:.4g}: a drop of {drop:.1%}, at most {most:.1%} at 99 %",
                ),
            ),
            facts={"drop": drop, "most_drop": most},
        )  # fmt: skip

    def _severity(self, context: Context, curve: LossCurve, chance: float | None) -> Severity:
        """A warning where something besides the flat line says that the network knows nothing.

        A fine-tune that starts at its floor is as flat, but its loss is far below a guesser's and noisy.
        """
        if chance is not None or curve.sigma < self.policy.quiet_noise or _updates_are_idle(context, self.policy):
            return "warning"
        return "info"


def _updates_are_idle(context: Context, policy: ProgressPolicy) -> bool:
    update = context.median(tags.UPDATE_RATIO, 100)
    agreement = context.median(tags.GRAD_AGREEMENT, 100, at_least=policy.agreements)
    tiny = update is not None and update < 10**policy.tiny_update
    return tiny or (agreement is not None and agreement > policy.agreeing)


@dataclass(frozen=True)
class PlateauAfterLrDrop:
    """An LR drop that did not help: the fault lies in the data or the model (the seed rule, detection.md L7)."""

    policy: ProgressPolicy = ProgressPolicy()
    name: str = "plateau_after_lr_drop"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, about the newest drop."""
        curve, schedule = context.loss, context.schedule
        missing = context.missing(tags.LOSS_TOTAL, tags.LR + "0")
        if missing or curve is None or schedule is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        if not schedule.drops or curve.now <= self.policy.stalled_level * curve.start or curve.now > 1.05 * curve.start:
            return ()
        return self._judge(curve, schedule.drops)

    def _judge(self, curve: LossCurve, drops: tuple[int, ...]) -> Sequence[Symptom]:
        at = int(np.searchsorted(curve.steps, drops[-1]))
        before = curve.values[max(0, at - (len(curve) - at)) : at]
        after = curve.values[at:]
        if min(len(before), len(after)) < self.policy.drop_window:
            return ()
        late = after[len(after) // 2 :]
        gain = curve.level(before) - curve.level(late)
        error = 1.25 * curve.sigma * sqrt(curve.tau * (1 / len(before) + 1 / len(late)))
        if gain >= self.policy.drop_gain or gain + self.policy.z * error >= self.policy.drop_reach:
            return ()
        return (self._symptom(curve, drops, gain),)

    def _symptom(self, curve: LossCurve, drops: tuple[int, ...], gain: float) -> Symptom:
        window = (drops[-1], int(curve.steps[-1]))
        return Symptom(
            kind="plateau_after_lr_drop",
            severity="warning",
            first_step=window[0],
            last_step=window[1],
            title=f"Lowering the learning rate at step {drops[-1]} did not help",
            evidence=(
                Evidence(
                    curve.tag, window, gain, self.policy.drop_gain, "<",
                    f"{gain:.1%} gained since the drop, level {curve.now:.4g} against {curve.start:.4g} at the start",
                ),
                Evidence(tags.LR + "0", window, float(len(drops)), 1.0, ">", f"{len(drops)} LR drops so far"),
            ),
            facts={"gain": gain, "drops": float(len(drops))},
        )  # fmt: skip


@dataclass(frozen=True)
class SlowDescent:
    """The loss falls, and every sign says that larger steps would be taken safely (diagnosis.md S3)."""

    policy: ProgressPolicy = ProgressPolicy()
    name: str = "slow_descent"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.LOSS_TOTAL, tags.UPDATE_RATIO, tags.GRAD_AGREEMENT, tags.GRAD_NORM)
        curve, policy = context.loss, self.policy
        if missing or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        schedule = context.schedule
        if schedule is not None and (schedule.rising or schedule.decayed_share < policy.decayed):
            return ()
        past_warmup = len(curve) - int(np.searchsorted(curve.steps, context.warmup_end))
        if past_warmup < policy.wait_points or curve.now <= policy.stalled_level * curve.start:
            return ()
        return self._judge(context, curve)

    def _limits(self, update: float, agreement: float, kept: float) -> tuple[float, float, float] | None:
        """The limits on update ratio, agreement and gradient norm that all three are beyond, else None.

        The stronger the agreement, the larger the updates may be and the more the gradient may have shrunk.
        """
        policy = self.policy
        for low, high, least in (
            (policy.tiny_update, policy.agreeing, policy.grad_kept),
            (policy.small_update, policy.nearly_equal, policy.grad_kept_equal),
        ):
            if 0 < update < 10**low and agreement > high and kept > least:
                return 10**low, high, least
        return None

    def _judge(self, context: Context, curve: LossCurve) -> Sequence[Symptom]:
        policy = self.policy
        update = context.median(tags.UPDATE_RATIO, 100) or 0.0
        agreement = context.median(tags.GRAD_AGREEMENT, 100, at_least=policy.agreements) or 0.0
        first, now = context.early_median(tags.GRAD_NORM, 20), context.median(tags.GRAD_NORM, 50)
        kept = now / first if first and now is not None else 0.0
        limits = self._limits(update, agreement, kept)
        if limits is None:
            return ()
        newest = context.span(tags.UPDATE_RATIO, 100)
        return (
            Symptom(
                kind="slow_descent",
                severity="warning",
                first_step=context.warmup_end,
                last_step=int(curve.steps[-1]),
                title="Loss falls slowly although every step points the same way",
                evidence=(
                    Evidence(tags.UPDATE_RATIO, newest, update, limits[0], "<",
                             f"a step changes the weights by {update:.1e} of their size"),
                    Evidence(tags.GRAD_AGREEMENT, newest, agreement, limits[1], ">",
                             f"successive gradients agree: cosine {agreement:.2f}"),
                    Evidence(tags.GRAD_NORM, newest, kept, limits[2], ">",
                             f"the gradient has kept {kept:.0%} of its first size"),
                ),
                facts={"update_ratio": update, "agreement": agreement},
            ),
        )  # fmt: skip
