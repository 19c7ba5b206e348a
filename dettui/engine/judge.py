"""From a reading of one run's store to a diagnosis: the rules, and the causes of what they find."""

from __future__ import annotations

from dataclasses import replace

from dettui.detect.battery import EXACT, STATISTICAL
from dettui.detect.context import Context
from dettui.detect.signals import Signals, signals_of
from dettui.diagnose.weigh import diagnose
from dettui.domain.finding import Cause, Diagnosis, Finding
from dettui.engine.grid import Due
from dettui.engine.panel import Panel
from dettui_probe import tags


class Judge:
    """Both panels of one run, and the causes that were named at its last evaluation."""

    def __init__(self) -> None:
        self._exact, self._statistics = Panel(EXACT), Panel(STATISTICAL)
        self._causes: dict[tuple[object, ...], tuple[Cause, ...]] = {}  # of the findings of the last evaluation

    def evaluate(self, context: Context, due: Due) -> Diagnosis:
        """Ask the panels that are *due*, and weigh what both have come to."""
        if due.exact:
            self._exact.evaluate(context)
        if due.statistics:
            self._statistics.evaluate(context)
        abstentions = (*self._exact.abstained, *self._statistics.abstained)
        findings = [self._remember_causes(f) for f in (*self._exact.findings, *self._statistics.findings)]
        signals = _progress_of(context) if all(f.causes for f in findings) else signals_of(context)
        diagnosis = diagnose(findings, signals, context.model, abstentions, context.step)
        self._causes = {_identity(f): f.causes for f in diagnosis.findings}
        return diagnosis

    def _remember_causes(self, finding: Finding) -> Finding:
        """A symptom that did not show again keeps the causes that were named when it did.

        What is unknown is asked again: a proof may have come since.
        """
        causes = self._causes.get(_identity(finding), ())
        is_open = finding.state == "active" and causes[:1] and causes[0].id == "unknown"
        return finding if is_open else replace(finding, causes=causes)


def _progress_of(context: Context) -> Signals:
    """How far a run is that has nothing new to explain: a full measurement costs 2 ms."""
    loss = context.series(tags.LOSS_TOTAL)
    return Signals() if loss is None else Signals(steps=len(loss), loss_last=loss.last)


def _identity(finding: Finding) -> tuple[object, ...]:
    return finding.kind, finding.first_step, finding.last_step, finding.raised_at_step, finding.tags
