"""Short ways to write findings and signals."""

from __future__ import annotations

from dettui.detect.signals import Signals
from dettui.diagnose.weigh import diagnose
from dettui.domain.finding import Diagnosis, Evidence, Finding, FindingState, Severity
from dettui.domain.run import ModelInfo

FASTER_RCNN = ModelInfo(family="torchvision.FasterRCNN", num_classes=4, background=0, optimizer="SGD")


def finding(
    kind: str,
    severity: Severity = "warning",
    state: FindingState = "active",
    tag: str = "",
    first_step: int = 100,
) -> Finding:
    """A finding of *kind* with one line of evidence on *tag*."""
    evidence = Evidence(tag, (first_step, 300), 1.0, 0.5, ">", f"{kind} was measured")
    return Finding(kind, severity, state, first_step, 300, first_step, kind.replace("_", " "), (evidence,))


def diagnosis_of(*findings: Finding, model: ModelInfo | None = FASTER_RCNN, **signals: float) -> Diagnosis:
    """The diagnosis of *findings* where the stream carries *signals*."""
    base: dict[str, float] = {"steps": 300, "loss_last": 1.0}
    return diagnose(findings, Signals(**{**base, **signals}), model, (), 300)  # type: ignore[arg-type]


def first_cause(diagnosis: Diagnosis, index: int = 0) -> str:
    """The id of the best cause of a finding."""
    return diagnosis.findings[index].causes[0].id
