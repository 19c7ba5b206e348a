"""Faults of the loss that its graph shows at the first step.  Exact (diagnosis.md E13, E14, S27)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui_probe import tags


@dataclass(frozen=True)
class _Fault:
    tag: str
    severity: Severity
    title: str
    text: str


_FAULTS = (
    _Fault(tags.GRAPH_NEGATED, "critical", "The loss enters backward with a minus sign",
           "every loss function in the graph is negated on its way to backward(): the optimizer climbs"),
    _Fault(tags.GRAPH_SOFTMAX_TWICE, "warning", "The loss is given probabilities and applies softmax again",
           "in the graph, the input of the loss is the output of a softmax or sigmoid"),
    _Fault(tags.GRAPH_RAW_SCORES, "critical", "The loss wants logarithms of probabilities and is given raw scores",
           "in the graph, nothing stands between the last layer and nll_loss or ctc_loss: log_softmax is missing, and "
           "the loss falls without end"),
    _Fault(tags.GRAPH_SUMMED, "info", "The loss is a sum over the batch",
           "in the graph, the loss is reduced by a sum and divided by nothing: it scales with the batch"),
)  # fmt: skip


@dataclass(frozen=True)
class LossGraph:
    """One look at the graph tells more than the loss does in a thousand steps."""

    name: str = "loss_graph"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for each fault; a sum is news only, because the LR may have been set for it."""
        missing = context.missing(tags.GRAPH_NEGATED)
        if missing:
            return Abstention(self.name, missing)
        return tuple(_symptom(context, fault) for fault in _FAULTS if context.last(fault.tag) == 1)


def _symptom(context: Context, fault: _Fault) -> Symptom:
    window = context.span(fault.tag, 1_000_000)
    proof = Evidence(fault.tag, window, 1.0, 0.0, ">", fault.text)
    return told_by([proof], "config_smell", fault.severity, fault.title, exact=True, key=fault.tag)
