"""Rules that are evaluated at the same steps, and what they have come to."""

from __future__ import annotations

from collections.abc import Sequence

from dettui.detect.base import Rule
from dettui.detect.battery import judge
from dettui.detect.context import Context
from dettui.detect.lifecycle import Lifecycle
from dettui.domain.finding import Abstention, Finding


class Panel:
    """Some of the rules with the lifecycle of their findings, so that a symptom counts as missed only where its rule
    was asked."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._lifecycle = Lifecycle()
        self.abstained: tuple[Abstention, ...] = ()  # at the newest evaluation

    def evaluate(self, context: Context) -> None:
        """Ask every rule once."""
        symptoms, self.abstained = judge(context, self._rules)
        self._lifecycle.update(symptoms, context.step)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Active ones, then resolved ones; without causes."""
        return self._lifecycle.findings
