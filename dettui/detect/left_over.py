"""Gradients of earlier steps that are never cleared (diagnosis.md E5).  Seen where they are, whatever they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class LeftOverPolicy:
    """A run that clears its gradients leaves none, at any step."""

    newest: int = 24  # looks
    at_least: int = 5
    share: float = 0.25  # of these


def share_left_over(context: Context, policy: LeftOverPolicy) -> float | None:
    """Of the newest steps that were looked at, the share that began with the gradients of the step before; None where
    too few were."""
    looks = context.window(tags.GRAD_LEFT, policy.newest)
    return float(looks.mean()) if len(looks) >= policy.at_least else None


@dataclass(frozen=True)
class LeftOverGradients:
    """Steps on the sum of their own gradients and those before."""

    policy: LeftOverPolicy = LeftOverPolicy()
    name: str = "left_over_gradients"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact."""
        share, policy = share_left_over(context, self.policy), self.policy
        if share is None:
            return Abstention(self.name, (tags.GRAD_LEFT,))
        if share < policy.share:
            return ()
        text = f"before {share:.0%} of the newest steps the gradients of the step before were still there"
        proof = Evidence(tags.GRAD_LEFT, context.span(tags.GRAD_LEFT, policy.newest), share, policy.share, ">=", text)
        title = "Gradients are not cleared between steps"
        return (told_by([proof], "config_smell", "warning", title, exact=True, key="left_over"),)
