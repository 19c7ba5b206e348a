"""Faults of the loss that its graph shows."""

from __future__ import annotations

import pytest
from unit.detect.judging import judge

from dettui.detect.loss_graph import LossGraph
from dettui_probe import tags

CLEAN = dict.fromkeys((tags.GRAPH_NEGATED, tags.GRAPH_SOFTMAX_TWICE, tags.GRAPH_RAW_SCORES, tags.GRAPH_SUMMED), 0.0)


@pytest.mark.parametrize(
    ("tag", "severity"),
    [
        (tags.GRAPH_NEGATED, "critical"),
        (tags.GRAPH_SOFTMAX_TWICE, "warning"),
        (tags.GRAPH_RAW_SCORES, "critical"),
        (tags.GRAPH_SUMMED, "info"),  # the learning rate may have been set for it
    ],
)
def test_each_fault_of_the_graph_is_told_once_and_exactly(tag: str, severity: str) -> None:
    (found,) = judge(LossGraph(), 20, {**CLEAN, tag: 1.0})
    assert (found.key, found.severity, found.exact) == (tag, severity, True)


def test_a_clean_graph_is_silent() -> None:
    assert not judge(LossGraph(), 20, CLEAN)
