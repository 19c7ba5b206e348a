"""Half precision: does the loss scale collapse, do gradients vanish to exact zeros?  (detection.md P2, P3)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.layers import is_weight
from dettui.detect.opening import share_near_zero
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui.numerics.robust import median
from dettui_probe import tags


@dataclass(frozen=True)
class PrecisionPolicy:
    """The first steps, in which a GradScaler finds its scale, are left out."""

    settle_points: int = 200
    window: int = 200
    halvings: int = 5  # in the window [P2]
    least_scale: float = 1.0  # [P2]
    skipped_share: float = 0.05  # [P3]
    wild_settle: int = 50  # a scale of 2^40 is halved to a usual one within 25 steps
    wild_window: int = 100
    wild_halvings: int = 20
    wild_share: float = 0.25


@dataclass(frozen=True)
class AmpOverflow:
    """The scale keeps halving, or steps keep being skipped."""

    policy: PrecisionPolicy = PrecisionPolicy()
    name: str = "amp_overflow"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact."""
        scale = context.series(tags.AMP_SCALE)
        if scale is None:
            return Abstention(self.name, (tags.AMP_SCALE,))
        policy = self.policy
        settled = scale.values[policy.settle_points :][-policy.window :]
        proof: Evidence | None = None
        if len(settled) >= policy.window:
            window = context.span(tags.AMP_SCALE, policy.window)
            proof = self._collapse(settled, window) or self._skips(context, window)
        elif len(scale) >= policy.wild_settle + policy.wild_window:
            window = context.span(tags.AMP_SCALE, policy.wild_window)
            proof = self._wild(context, scale.values[-policy.wild_window :], window)
        return () if proof is None else (_overflow(proof.window, proof),)

    def _wild(self, context: Context, scale: Floats, window: tuple[int, int]) -> Evidence | None:
        """What no search for the scale looks like, however short the run is so far."""
        limits = replace(
            self.policy,
            window=self.policy.wild_window,
            halvings=self.policy.wild_halvings,
            skipped_share=self.policy.wild_share,
        )
        short = AmpOverflow(limits)
        return short._collapse(scale, window) or short._skips(context, window)

    def _collapse(self, scale: Floats, window: tuple[int, int]) -> Evidence | None:
        halvings = int(np.count_nonzero(np.diff(scale) < 0))
        if halvings > self.policy.halvings:
            text = f"the loss scale was lowered {halvings} times in {len(scale)} steps, to {scale[-1]:.3g}"
            return Evidence(tags.AMP_SCALE, window, float(halvings), float(self.policy.halvings), ">", text)
        if scale[-1] < self.policy.least_scale:
            text = f"the loss scale has fallen to {scale[-1]:.3g}"
            return Evidence(tags.AMP_SCALE, window, float(scale[-1]), self.policy.least_scale, "<", text)
        return None

    def _skips(self, context: Context, window: tuple[int, int]) -> Evidence | None:
        skipped = context.window(tags.AMP_SKIPPED, self.policy.window)
        share = float(skipped.mean()) if len(skipped) else 0.0
        if share <= self.policy.skipped_share:
            return None
        text = f"{share:.0%} of the newest {len(skipped)} steps were skipped"
        return Evidence(tags.AMP_SKIPPED, window, share, self.policy.skipped_share, ">", text)


def _overflow(window: tuple[int, int], proof: Evidence) -> Symptom:
    return Symptom(
        kind="amp_overflow",
        severity="warning",
        first_step=window[0],
        last_step=window[1],
        title="Half precision overflows again and again",
        evidence=(proof,),
        exact=True,
    )


@dataclass(frozen=True)
class LostGradientPolicy:
    """Units that never fire leave zeros too, but then the output is the same for every input."""

    layers: int = 4  # fewer say little of all of them
    first: int = 3  # measured steps from the first on
    newest: int = 20
    at_least: int = 5  # of them
    lost: float = 0.9  # share of exact zeros; behind ReLU half to two thirds are usual
    alive: float = 0.01  # spread of the output over a batch, as a share of its size
    near_zero: float = 0.5  # share of weights that began at next to nothing: their zeros are no matter of the format
    pinned: float = 0.3  # share of the outputs of a squashing layer whose slope is nothing
    looks: int = 4  # newest ones at the values of the gradient; one in 32 steps
    of_format: float = 0.5  # share of elements that are as half precision leaves them; of float32, 0.01
    quanta: float = 0.9  # of what stands beside zeros: then half precision made them
    lost_of_all: float = 0.5  # share of exact zeros of the whole gradient, from which on that is news


@dataclass(frozen=True)
class LostGradients:
    """Much of the gradient is exactly zero, and half precision made it so: by the values of the rest or, where these
    were not looked at, because answers vary from input to input and nearly all is zero from the first step on."""

    policy: LostGradientPolicy = LostGradientPolicy()
    name: str = "lost_gradients"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; silent on a resumed run, whose first steps are not its opening."""
        policy = self.policy
        underflow = self._underflow(context)
        if underflow is not None or self._is_of_another_format(context):
            return () if underflow is None else (underflow,)
        spread = context.median(tags.FIT_SPREAD, policy.newest, policy.at_least)
        zeros = [tag for tag in context.tags_under(tags.LAYER_GRAD_ZERO) if is_weight(tag)]
        if spread is None or len(zeros) < policy.layers:
            return Abstention(self.name, (tags.FIT_SPREAD, tags.LAYER_GRAD_ZERO + "*"))
        if context.is_resumed or spread < policy.alive or self._has_another_reason(context):
            return ()
        first = [share for tag in zeros if (share := context.early_median(tag, policy.first)) is not None]
        newest = [share for tag in zeros if (share := context.lower_quartile(tag, policy.newest, policy.at_least))]
        if len(newest) < policy.layers or min(median(np.array(first)), median(np.array(newest))) < policy.lost:
            return ()
        return (self._symptom(context, zeros[0], median(np.array(newest)), spread),)

    def _underflow(self, context: Context) -> Symptom | None:
        """What the values of the gradient show, where they do."""
        policy = self.policy
        quanta = context.median(tags.GRAD_QUANTA, policy.looks, at_least=2)
        lost = context.median(tags.GRAD_ZERO, policy.newest, policy.at_least)
        if quanta is None or lost is None or quanta < policy.quanta or lost < policy.lost_of_all:
            return None
        evidence = [
            Evidence(tags.GRAD_ZERO, context.span(tags.GRAD_ZERO, policy.newest), lost, policy.lost_of_all, ">",
                     f"{lost:.0%} of the gradient is exactly 0"),
            Evidence(tags.GRAD_QUANTA, context.span(tags.GRAD_QUANTA, policy.looks), quanta, policy.quanta, ">",
                     f"{quanta:.0%} of what is left beside the zeros are whole multiples of the least number there, as "
                     "half precision rounds what is too small for it"),
        ]  # fmt: skip
        title = f"{lost:.0%} of the gradient is rounded to zero by half precision"
        return told_by(evidence, "gradient_vanishing", "warning", title, key="lost")

    def _is_of_another_format(self, context: Context) -> bool:
        """True where the values were looked at, and are none of half precision."""
        shares = [context.median(tag, self.policy.looks) for tag in (tags.GRAD_QUANTA, tags.GRAD_HALF)]
        known = [share for share in shares if share is not None]
        return bool(known) and max(known) < self.policy.of_format

    def _has_another_reason(self, context: Context) -> bool:
        pinned = (context.median(tag, self.policy.newest) or 0.0 for tag in context.tags_under(tags.SATURATED))
        return (share_near_zero(context) or 0.0) > self.policy.near_zero or max(
            pinned, default=0.0
        ) > self.policy.pinned

    def _symptom(self, context: Context, tag: str, share: float, spread: float) -> Symptom:
        window = context.span(tag, self.policy.newest)
        evidence = [
            Evidence(tag, window, share, self.policy.lost, ">",
                     f"in the middle one of the layers {share:.0%} of the gradient is exactly 0, as from the first "
                     "step on"),
            Evidence(tags.FIT_SPREAD, context.span(tags.FIT_SPREAD, self.policy.newest), spread, self.policy.alive, ">",
                     f"the output varies by {spread:.0%} of its size over a batch: units fire, and their gradient is "
                     "lost on the way back"),
        ]  # fmt: skip
        title = f"{share:.0%} of the gradient of a layer is exactly zero although the answers vary"
        return told_by(evidence, "gradient_vanishing", "warning", title, key="lost")
