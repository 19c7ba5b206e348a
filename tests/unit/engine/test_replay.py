"""Live and replay agree, whatever the cut of the batches; stepping back shows what was known then."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenarios.build import Setting, run_messages
from unit.engine.runs import arrival, cut_again, engine_of, feed_of, merged, some_run, swinging

from dettui.domain.finding import Diagnosis
from dettui.domain.run import RunState
from dettui.engine import Engine, replay
from dettui.errors import BadUsage, NotARun, RunNotFound
from dettui.feed.base import Arrival
from dettui.feed.scripted import ScriptedFeed
from dettui_probe import wire

STEPS = 140
SWINGING = run_messages(STEPS, setting=Setting(targets=()), **swinging(STEPS))
KNOWN = replay(feed_of(SWINGING)).diagnosis


def told(diagnosis: Diagnosis) -> tuple[object, ...]:
    return diagnosis.step, diagnosis.verdict, diagnosis.findings, diagnosis.causes, diagnosis.abstained


def test_scenario_of_these_tests_has_findings() -> None:
    assert "update_too_large" in {f.kind for f in KNOWN.findings}
    assert KNOWN.causes[0].id == "lr_too_high"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_any_cut_of_the_batches_gives_the_same_findings(sizes: list[int]) -> None:
    assert told(replay(feed_of(cut_again(SWINGING, sizes))).diagnosis) == told(KNOWN)


def test_one_large_batch_gives_the_same_findings_as_rows_one_by_one() -> None:
    assert told(replay(feed_of(merged(SWINGING))).diagnosis) == told(KNOWN)
    assert told(replay(feed_of(cut_again(SWINGING, [1]))).diagnosis) == told(KNOWN)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 9))
def test_batches_that_come_together_and_are_judged_later_tell_the_same(sizes: list[int], together: int) -> None:
    messages = cut_again(SWINGING, sizes)
    groups = [messages[at : at + together] for at in range(0, len(messages), together)]
    engine = Engine(ScriptedFeed([arrival(group) for group in groups]), judges_later=True)
    while engine.pump():
        pass
    (run,) = engine.frame().runs
    assert told(run.diagnosis) == told(KNOWN)
    alone = engine_of(*(arrival((message,)) for message in SWINGING))
    for step in range(0, STEPS, 20):
        assert told(engine.known_at("scenario", step)) == told(alone.known_at("scenario", step))


@pytest.mark.parametrize("step", [5, 63, 64, 65, 66, 68, 100, 101, 139, 140, 500])
def test_replay_to_a_step_shows_what_the_live_run_showed_then(step: int) -> None:
    """Live, the cell of a step is evaluated when the next row comes."""
    live = engine_of(*(arrival((m,)) for m in cut_again(SWINGING, [1]) if _came_by(m, step)))
    then = replay(feed_of(SWINGING), at_step=step)
    assert told(then.diagnosis) == told(live.frame().runs[0].diagnosis)


def _came_by(message: wire.AnyMessage, step: int) -> bool:
    """Everything up to *step*, and the first row beyond it."""
    if isinstance(message, wire.Batch):
        return int.from_bytes(message.blocks[0].steps[:8], "little") <= step + 1
    return getattr(message, "step", 0) <= step


@pytest.mark.parametrize("step", [30, 64, 100, 138])
def test_engine_remembers_what_was_known_at_each_step(step: int) -> None:
    engine = engine_of(arrival(SWINGING))
    then = replay(feed_of(SWINGING), at_step=step).diagnosis
    remembered = engine.known_at("scenario", step)
    assert [(f.kind, f.state) for f in remembered.findings] == [(f.kind, f.state) for f in then.findings]
    assert [c.id for c in remembered.causes] == [c.id for c in then.causes]


def test_replay_to_a_step_leaves_later_rows_out() -> None:
    then = replay(feed_of(SWINGING), at_step=100)
    assert then.vitals.step == 100
    assert all(int(series.steps.max()) <= 100 for series in then.series.values())
    assert then.liveness.state is RunState.RUNNING


def test_replay_beyond_the_end_is_the_whole_run() -> None:
    assert told(replay(feed_of(SWINGING), at_step=10_000).diagnosis) == told(KNOWN)
    assert replay(feed_of(SWINGING), at_step=10_000).liveness.state is RunState.FINISHED


def test_findings_are_never_raised_after_the_step_that_is_shown() -> None:
    for step in (20, 70, 130):
        assert all(f.raised_at_step <= step for f in replay(feed_of(SWINGING), at_step=step).diagnosis.findings)


def test_run_is_chosen_by_id_or_name() -> None:
    two = [arrival(some_run(20, name="alpha", run="r1"), "r1"), arrival(some_run(30, name="beta", run="r2"), "r2")]
    assert replay(ScriptedFeed(two), "r1").vitals.step == 20
    assert replay(ScriptedFeed(two), "beta").vitals.step == 30


def test_nothing_to_replay_is_said_in_one_line() -> None:
    with pytest.raises(NotARun):
        replay(ScriptedFeed([]))
    with pytest.raises(RunNotFound, match="gamma"):
        replay(feed_of(some_run(20)), "gamma")


def test_several_runs_need_a_choice() -> None:
    two = [Arrival("r1", "a", 0, tuple(some_run(20, run="r1"))), Arrival("r2", "b", 0, tuple(some_run(20, run="r2")))]
    with pytest.raises(BadUsage, match="r1"):
        replay(ScriptedFeed(two))
