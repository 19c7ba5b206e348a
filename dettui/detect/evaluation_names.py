"""Detections and ground truth of an evaluation that number their categories in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.scores_of_places import best_precision
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class CategoryPolicy:
    """Both signs are asked for: who evaluates on persons alone has detections of other categories, and names persons;
    a network that has learnt little names no category that is not there."""

    foreign: float = 0.05  # share of the detections
    evaluations: int = 2  # newest, in each of which it is so
    found_all_the_same: float = 0.5  # average precision, at its best, of an evaluation that does well


@dataclass(frozen=True)
class ForeignCategories:
    """Detections carry ids that the ground truth does not have, and miss ids that it has."""

    policy: CategoryPolicy = CategoryPolicy()
    name: str = "foreign_categories"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.EVAL_FOREIGN, tags.EVAL_NEVER_NAMED)
        if missing:
            return Abstention(self.name, missing)
        policy = self.policy
        foreign, never = (context.window(tag, policy.evaluations) for tag in (tags.EVAL_FOREIGN, tags.EVAL_NEVER_NAMED))
        if min(len(foreign), len(never)) < policy.evaluations or never.min() < 1 or foreign.min() < policy.foreign:
            return ()
        if (best_precision(context) or 0.0) >= policy.found_all_the_same:
            return ()
        window, share = context.span(tags.EVAL_FOREIGN, policy.evaluations), float(foreign[-1])
        text = (
            f"{share:.0%} of the detections carry a category id that the ground truth does not have, and "
            f"{never[-1]:.0f} of its categories are never named"
        )
        proof = Evidence(tags.EVAL_FOREIGN, window, share, policy.foreign, ">=", text)
        title = "Detections and ground truth number their categories in two ways"
        return (told_by([proof], "bad_evaluation", "warning", title, key="categories"),)
