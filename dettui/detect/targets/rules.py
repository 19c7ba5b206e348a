"""The rule of this family: all checks over one reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.targets import checks
from dettui.detect.targets.pairing import pairing
from dettui.detect.targets.policy import DEFAULT_POLICY, TargetPolicy
from dettui.detect.targets.reading import TargetReading, read_targets
from dettui.detect.targets.surest import surest
from dettui.domain.finding import Abstention
from dettui_probe import tags

CHECKS: tuple[Callable[[TargetReading, TargetPolicy], Symptom | None], ...] = (
    checks.non_finite,
    checks.degenerate,
    checks.box_format,
    checks.scale,
    checks.outside,
    checks.illegal_labels,
    checks.labels_below_zero,
    checks.background_labels,
    checks.length_mismatch,
    checks.one_image,
    checks.empty,
    checks.tiny,
    checks.duplicates,
    pairing,
    surest,
)


@dataclass(frozen=True)
class BadTargets:
    """Everything that can be said of targets without training a step."""

    policy: TargetPolicy = DEFAULT_POLICY
    name: str = "bad_targets"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for each check that fails."""
        reading = read_targets(context, self.policy.horizon)
        if reading is None:
            return Abstention(self.name, (tags.TARGET_BOXES,))
        found = (check(reading, self.policy) for check in CHECKS)
        return tuple(symptom for symptom in found if symptom is not None)
