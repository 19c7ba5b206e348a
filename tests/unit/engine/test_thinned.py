"""Findings over a slow link: the same rules on rows of which only some came."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from scenarios.faulty import FAULTY
from scenarios.healthy import HEALTHY
from scenarios.scenario import Scenario
from unit.engine.runs import arrival
from unit.engine.test_scenarios import COARSE

from dettui.domain.frame import RunFrame
from dettui.engine import Engine
from dettui.feed.agent.extract import Extract
from dettui.feed.scripted import ScriptedFeed
from dettui_probe import wire
from dettui_probe.framing import Frame, Scanner

ROWS = 100
"""That wait before each answer: a second of a fast run."""
SHARE = 4

TOO_FEW_ROWS = {
    "boxes_not_flipped_either_way", "boxes_of_other_images", "amp_scale_collapses", "loader_starves",
    "gradient_vanishes", "warmed_up_and_stuck",
}  # fmt: skip
"""Of these short runs a quarter of the rows is less than their rules ask for: they abstain, or had not yet spoken."""


def thinned(messages: Sequence[wire.AnyMessage], share: int = SHARE) -> list[wire.AnyMessage]:
    """*messages* as a link brings them that carries one byte of *share*."""
    found: list[wire.AnyMessage] = []
    frames = [Frame(seq, wire.encode(message)) for seq, message in enumerate(messages)]
    waiting: list[Frame] = []
    rows = 0
    for frame, message in zip(frames, messages, strict=True):
        waiting.append(frame)
        if isinstance(message, wire.Batch):
            rows += max(len(block.steps) // 8 for block in message.blocks)
        if rows >= ROWS or frame is frames[-1]:
            extract = Extract(waiting[0].seq - 1, sum(len(f.payload) for f in waiting) // share)
            for one in waiting:
                extract.add(one)
            data, _ = extract.packed()
            kept = [wire.decode(item.payload) for item in Scanner().feed(data) if isinstance(item, Frame)]
            found += [message for message in kept if message is not None]
            waiting, rows = [], 0
    return found


def play(scenario: Scenario, seed: int = 0) -> RunFrame:
    engine = Engine(ScriptedFeed([arrival(thinned(scenario.messages(seed)))]), clock=lambda: 0.0, grid=COARSE)
    engine.pump()
    return engine.frame().runs[0]


@pytest.mark.parametrize("scenario", HEALTHY, ids=lambda s: s.name)
def test_a_healthy_run_stays_healthy_over_a_slow_link(scenario: Scenario) -> None:
    assert [f.title for f in play(scenario).diagnosis.findings if f.severity != "info"] == []


@pytest.mark.long
@pytest.mark.parametrize("scenario", FAULTY, ids=lambda s: s.name)
def test_a_fault_is_found_over_a_slow_link_or_left_open_and_never_misnamed(scenario: Scenario) -> None:
    diagnosis = play(scenario).diagnosis
    assert (diagnosis.verdict == "findings") is (scenario.name not in TOO_FEW_ROWS)
    if diagnosis.verdict == "findings" and scenario.cause is not None:
        assert diagnosis.causes[0].id == scenario.cause
