"""Gradients over depth, in their strict forms only: absolute norms mean nothing (diagnosis.md section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.layers import is_weight
from dettui.detect.loss_curve import LossCurve
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui_probe import tags


@dataclass(frozen=True)
class GradientPolicy:
    """diagnosis.md S11, S12."""

    window: int = 50
    at_least: int = 10
    early: int = 10  # first points that tell the profile of the network as it was built
    layers: int = 5  # fewer give no profile
    decades: float = 3.0  # first over last relative gradient
    straight: float = 0.8  # R^2 of log relative gradient against depth
    stalled: float = 0.9  # share of the first loss: a profile is news only where learning suffers
    wait_points: int = 200
    steep: float = 4.0  # decades beyond which no usual network begins, whatever comes later
    steep_straight: float = 0.9
    wait_points_steep: int = 40
    constant: float = 1e-3  # spread of the output over a batch, as a share of its size: only a bias is learnt
    constant_points: int = 16


@dataclass(frozen=True)
class DepthProfile:
    """log10 of gradient over weight norm for each weight, first layer first, shape (L,)."""

    values: Floats
    first: str
    last: str

    @property
    def slope_decades(self) -> float:
        """Of the last layer over the first one, along the fitted line."""
        return float(np.polyfit(np.arange(len(self.values)), self.values, 1)[0]) * (len(self.values) - 1)

    @property
    def straightness(self) -> float:
        """R^2 of the line."""
        return float(np.corrcoef(np.arange(len(self.values)), self.values)[0, 1] ** 2) if self.values.std() > 0 else 0.0


def depth_profile(context: Context, policy: GradientPolicy) -> DepthProfile | None:
    """Relative gradients of the weights in order of first arrival, None where too few layers are measured."""

    def newest(layer: str) -> tuple[float | None, float | None]:
        grad = context.median(tags.LAYER_GRAD_NORM + layer, policy.window, policy.at_least)
        return grad, context.median(tags.LAYER_WEIGHT_NORM + layer, policy.window)

    return _profile(context, policy, newest)


def early_depth_profile(context: Context, policy: GradientPolicy) -> DepthProfile | None:
    """The same at the first steps that were measured: what the network brought along, whatever was done to it since."""

    def first(layer: str) -> tuple[float | None, float | None]:
        grad, weight = tags.LAYER_GRAD_NORM + layer, tags.LAYER_WEIGHT_NORM + layer
        return context.early_median(grad, policy.early), context.early_median(weight, policy.early)

    return None if context.is_resumed else _profile(context, policy, first)


def _profile(
    context: Context, policy: GradientPolicy, norms: Callable[[str], tuple[float | None, float | None]]
) -> DepthProfile | None:
    """Of the *norms* of gradient and weight that are known of a layer."""
    found: list[tuple[str, float]] = []
    for tag in context.tags_under(tags.LAYER_GRAD_NORM):
        if not is_weight(tag):
            continue
        layer = tag.removeprefix(tags.LAYER_GRAD_NORM)
        grad, weight = norms(layer)
        if grad and weight:
            found.append((layer, float(np.log10(grad / weight))))
    if len(found) < policy.layers:
        return None
    return DepthProfile(np.array([value for _, value in found]), found[0][0], found[-1][0])


@dataclass(frozen=True)
class GradientDepth:
    """Gradients shrink or grow geometrically with depth while the loss does not move."""

    policy: GradientPolicy = GradientPolicy()
    name: str = "gradient_depth"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom: gradient_vanishing or gradient_exploding."""
        missing = () if context.tags_under(tags.LAYER_GRAD_NORM) else (tags.LAYER_GRAD_NORM + "*",)
        curve = context.loss
        if missing or curve is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        if len(curve) < self.policy.wait_points_steep or not self._learns_nothing(context, curve):
            return ()
        profile = depth_profile(context, self.policy)
        if profile is None or not self._counts(profile, len(curve)):
            return ()
        return (_profile_symptom(context, profile, self.policy),)

    def _learns_nothing(self, context: Context, curve: LossCurve) -> bool:
        """True where the loss hardly moved, or fell as far as one answer for every input takes it."""
        if curve.now > self.policy.stalled * curve.start:
            return True
        spread = context.median(tags.FIT_SPREAD, self.policy.constant_points, at_least=self.policy.constant_points)
        return spread is not None and spread < self.policy.constant

    def _counts(self, profile: DepthProfile, points: int) -> bool:
        policy, decades = self.policy, abs(profile.slope_decades)
        if profile.straightness >= policy.steep_straight and decades >= policy.steep:
            return True
        return points >= policy.wait_points and profile.straightness >= policy.straight and decades >= policy.decades


def _profile_symptom(context: Context, profile: DepthProfile, policy: GradientPolicy) -> Symptom:
    vanishing = profile.slope_decades > 0
    tag = tags.LAYER_GRAD_NORM + profile.first
    window = context.span(tag, policy.window)
    factor = 10 ** abs(profile.slope_decades)
    text = (
        f"relative to its weights, the gradient of {profile.first} is {factor:.0e} times "
        f"{'smaller' if vanishing else 'larger'} than that of {profile.last}; straight line over depth, "
        f"R^2 = {profile.straightness:.2f}"
    )
    return Symptom(
        kind="gradient_vanishing" if vanishing else "gradient_exploding",
        severity="warning",
        first_step=window[0],
        last_step=window[1],
        title=f"Gradients {'shrink' if vanishing else 'grow'} by {factor:.0e} on their way to the first layer",
        evidence=(Evidence(tag, window, abs(profile.slope_decades), policy.decades, ">", text),),
        facts={"decades": profile.slope_decades},
    )
