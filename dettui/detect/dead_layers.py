"""Whole layers whose gradient is exactly zero, step after step, while the loss does not move (diagnosis.md S13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.layers import is_weight
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class DeadLayersPolicy:
    """Every sampled element exactly zero in every one of the newest measured steps."""

    newest: int = 10
    after_step: int = 100
    stalled: float = 0.9  # share of the first loss
    share: float = 0.25  # of the layers


@dataclass(frozen=True)
class DeadLayers:
    """Layers that nothing reaches any more, or never did."""

    policy: DeadLayersPolicy = DeadLayersPolicy()
    name: str = "dead_layers"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve = context.loss
        layers = [tag for tag in context.tags_under(tags.LAYER_GRAD_ZERO) if is_weight(tag)]
        if not layers or curve is None:
            return Abstention(self.name, (tags.LAYER_GRAD_ZERO + "*",))
        if context.step < self.policy.after_step or curve.now <= self.policy.stalled * curve.start:
            return ()
        dead = [tag for tag in layers if self._is_dead(context, tag)]
        if not dead or len(dead) < self.policy.share * len(layers):
            return ()
        names = ", ".join(tag.removeprefix(tags.LAYER_GRAD_ZERO) for tag in dead[:3])
        text = f"the gradients of {len(dead)} of {len(layers)} layers are exactly 0, step after step: {names}"
        proof = Evidence(dead[0], context.span(dead[0], self.policy.newest), 1.0, 1.0, ">=", text)
        return (told_by([proof], "dead_units", "warning", f"No gradient survives in {len(dead)} layers", key="layers"),)

    def _is_dead(self, context: Context, tag: str) -> bool:
        shares = context.window(tag, self.policy.newest)
        return len(shares) >= self.policy.newest and bool(np.all(shares >= 1.0))
