"""A long recording is shown at once, and judged as if it had not been."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from scenarios.build import Setting, run_messages
from unit.engine.runs import swinging

from dettui.engine import Engine, replay
from dettui.feed import overview
from dettui.feed.opening import open_recording
from dettui_probe import tags, wire
from dettui_probe.framing import MAGIC, pack

STEPS = 300


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording that counts as long."""
    monkeypatch.setattr(overview, "WORTH_IT_BYTES", 1_000)
    path = tmp_path / "r0-00000000000000aa.dlog"
    messages = run_messages(STEPS, setting=Setting(), **swinging(STEPS))
    path.write_bytes(MAGIC + b"".join(pack(seq, wire.encode(message)) for seq, message in enumerate(messages)))
    return path


def test_the_first_frame_has_every_point_and_says_that_it_is_not_judged(log: Path) -> None:
    engine = Engine(open_recording(log, has_overview=True))
    engine.pump()
    (run,) = engine.frame().runs
    assert len(run.series[tags.LOSS_TOTAL]) == STEPS
    assert run.vitals.step == STEPS
    assert not run.diagnosis.findings
    assert "findings are as of step 0 of 300" in run.notices[0]


def test_what_is_known_in_the_end_is_what_reading_in_order_tells(log: Path) -> None:
    feed = open_recording(log, has_overview=True)
    engine = Engine(feed)
    while not feed.exhausted():
        engine.pump()
    (run,) = engine.frame().runs
    alone = replay(open_recording(log))
    assert run.diagnosis == alone.diagnosis
    assert (run.vitals.step, run.vitals.points) == (alone.vitals.step, alone.vitals.points)
    assert not run.notices
    for tag, series in alone.series.items():
        assert (run.series[tag].steps == series.steps).all()


def test_a_very_long_one_is_sampled_in_pieces(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "READ_WHOLE_BYTES", 90_000)
    monkeypatch.setattr(overview, "PIECE_BYTES", 30_000)
    monkeypatch.setattr(overview, "HEAD_BYTES", 1_000)
    engine = Engine(open_recording(log, has_overview=True))
    engine.pump()
    (run,) = engine.frame().runs
    assert 0 < len(run.series[tags.LOSS_TOTAL]) < STEPS


def test_a_glance_comes_first_and_reaches_from_the_first_step_to_the_last(fine_log: Path) -> None:
    engine = Engine(open_recording(fine_log, has_overview=True))
    engine.pump()
    (glance,) = engine.frame().runs
    steps = glance.series[tags.LOSS_TOTAL].steps
    assert 0 < len(steps) < STEPS
    assert (steps[0], steps[-1], glance.vitals.step) == (1, STEPS, STEPS)
    assert (steps[1:] > steps[:-1]).all()
    engine.pump()
    (whole,) = engine.frame().runs
    assert len(whole.series[tags.LOSS_TOTAL]) == STEPS


def test_a_glance_shows_no_column_whose_name_it_missed(fine_log: Path) -> None:
    engine = Engine(open_recording(fine_log, has_overview=True))
    engine.pump()
    (glance,) = engine.frame().runs
    assert set(glance.series) == {tags.LOSS_TOTAL}
    engine.pump()
    (whole,) = engine.frame().runs
    assert set(whole.series) == {tags.LOSS_TOTAL, "own/late"}


@pytest.fixture
def fine_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording in batches of one step, which names its second column between two pieces of a glance."""
    monkeypatch.setattr(overview, "WORTH_IT_BYTES", 1_000)
    monkeypatch.setattr(overview, "GLANCE_BYTES", 6_000)
    monkeypatch.setattr(overview, "GLANCE_PIECE_BYTES", 500)
    monkeypatch.setattr(overview, "HEAD_BYTES", 1_000)
    hello, *_ = run_messages(1, setting=Setting(), **swinging(1))
    messages: list[wire.AnyMessage] = [hello, wire.Tags(0, [tags.LOSS_TOTAL])]
    for step in range(1, STEPS + 1):
        if step == 23:
            messages.append(wire.Tags(1, ["own/late"]))
        columns = [0] if step < 23 else [0, 1]
        values = array("d", [1.0 / step] * len(columns)).tobytes()
        block = wire.Block(columns, array("q", [step]).tobytes(), array("d", [1.7e9 + step]).tobytes(), values)
        messages.append(wire.Batch([block]))
    path = tmp_path / "r0-00000000000000bb.dlog"
    path.write_bytes(MAGIC + b"".join(pack(seq, wire.encode(message)) for seq, message in enumerate(messages)))
    return path
