"""What the engine makes of arrivals: states, marks, vitals, order."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import START, Setting, block, resumed, run_messages
from unit.engine.runs import arrival, dead, engine_of, feed_of, some_run, swinging

from dettui.domain.frame import Mark, RunFrame
from dettui.domain.link import Link, LinkState
from dettui.domain.run import Liveness, RunState
from dettui.engine import replay
from dettui.engine.vitals import steps_per_second
from dettui.errors import RunNotFound
from dettui.feed.base import Arrival
from dettui_probe import tags, wire


def only(engine_or_frame: object) -> RunFrame:
    frame = engine_or_frame.frame()  # type: ignore[attr-defined]
    assert len(frame.runs) == 1
    run: RunFrame = frame.runs[0]
    return run


def marks_of(run: RunFrame, kind: str) -> list[Mark]:
    return [mark for mark in run.marks if mark.kind == kind]


# --- states ---------------------------------------------------------------------------------------------------


def test_run_without_a_row_is_starting() -> None:
    hello = some_run(5)[0]
    run = only(engine_of(arrival((hello,))))
    assert run.liveness.state is RunState.STARTING
    assert run.info.name == "scenario"
    assert run.diagnosis.verdict == "insufficient_data"


def test_run_known_only_by_its_process_is_there() -> None:
    run = only(engine_of(arrival((), liveness=Liveness(RunState.RUNNING))))
    assert run.liveness.state is RunState.STARTING
    assert run.info.id == "scenario"


def test_process_that_ends_before_its_run_says_a_word_is_told_to_have_crashed() -> None:
    starting, crashed = Liveness(RunState.STARTING, "started"), Liveness(RunState.CRASHED, "exit code 1", 1)
    told = [Arrival("silent", boot="", rank=0, liveness=liveness) for liveness in (starting, crashed)]
    assert only(engine_of(*told)).liveness == crashed


def test_goodbye_tells_how_it_ended() -> None:
    assert replay(feed_of(some_run(20))).liveness.state is RunState.FINISHED
    crashed = [*some_run(20, reason=None), wire.Bye(START, 20, "exception", 1, "Traceback:\nValueError: no boxes")]
    assert replay(feed_of(crashed)).liveness == Liveness(RunState.CRASHED, "ValueError: no boxes", 1)


def test_host_knows_better_than_a_missing_goodbye() -> None:
    run = only(engine_of(arrival(some_run(20, reason=None), liveness=dead())))
    assert run.liveness == Liveness(RunState.KILLED, "SIGKILL")


def test_killed_run_has_its_last_steps_judged() -> None:
    """Steps 65 to 66 end inside a cell: the kill closes it."""
    loss = np.full(66, 1.0)
    loss[-1] = np.nan
    messages = some_run(66, {tags.LOSS_TOTAL: loss}, reason=None)
    assert not only(engine_of(arrival(messages))).diagnosis.findings
    run = only(engine_of(arrival(messages), arrival((), liveness=dead())))
    assert run.diagnosis.findings[0].kind == "non_finite"
    assert run.diagnosis.step == 66


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (Setting(), True),
        (Setting(reason=None), False),  # it goes on
        (Setting(reason="exception"), False),  # nobody knows how long it was to be
        (Setting(total_steps=400), True),
        (Setting(total_steps=4000), False),  # ended early: most of its warm-up was still to come
    ],
    ids=["ended", "running", "broken off", "declared", "stopped early"],
)
def test_how_long_a_run_was_is_known_once_it_has_ended(setting: Setting, told: bool) -> None:
    """A warm-up that takes all of it shows only then."""
    series = {tags.LR + "0": np.linspace(1e-6, 1e-3, 400), tags.LOSS_TOTAL: np.linspace(2.0, 1.5, 400)}
    messages = run_messages(400, setting=setting, **series)
    found = only(engine_of(arrival(messages))).diagnosis.findings
    assert any(finding.kind == "config_smell" and "warms up" in finding.title for finding in found) == told


def test_what_is_known_in_the_end_was_not_known_before() -> None:
    """Of a run that has stood since its LR fell, the end tells how early that was; stepping back, nobody knows yet."""
    lr, loss = np.full(400, 1e-2), np.full(400, 1.9)
    lr[30:], loss[:30] = 1e-4, np.linspace(2.4, 1.9, 30)
    series = {tags.LR + "0": lr, tags.LOSS_TOTAL: loss + 0.01 * np.sin(np.arange(400))}
    *messages, bye = run_messages(400, setting=Setting(), **series)
    running, ended = engine_of(arrival(messages)), engine_of(arrival([*messages, bye]))
    causes = [[c.id for c in engine.known_at("scenario", 400).causes] for engine in (running, ended)]
    assert causes[0] != causes[1]
    for step in range(300, 400):
        assert ended.known_at("scenario", step) == running.known_at("scenario", step)


def test_goodbye_has_the_last_steps_judged() -> None:
    loss = np.full(66, 1.0)
    loss[-1] = np.nan
    assert only(engine_of(arrival(some_run(66, {tags.LOSS_TOTAL: loss})))).diagnosis.step == 66


def test_an_optimizer_that_is_no_longer_reached_is_told_though_no_step_follows() -> None:
    """The probe sends a row of the same step each 16 backward passes; no cell of steps ever ends."""
    messages = some_run(30, {tags.LOSS_TOTAL: np.full(30, 2.0), tags.MICRO_STEPS: np.ones(30)}, reason=None)
    late = [
        wire.Batch([block([0, 1], np.array([30]), np.array([[2.0, passes]]))]) for passes in (16.0, 32.0, 48.0, 64.0)
    ]
    known = only(engine_of(*(arrival((message,)) for message in (*messages, *late)))).diagnosis
    assert [(finding.kind, finding.state) for finding in known.findings] == [("no_update", "active")]
    assert (known.causes[0].id, known.causes[0].certain) == ("optimizer_not_stepping", True)


def test_other_ranks_feed_nothing_and_their_death_is_told() -> None:
    run = only(
        engine_of(
            arrival(some_run(30, reason=None)),
            arrival(some_run(90, reason=None), rank=1, liveness=dead("killed", "SIGSEGV")),
        )
    )
    assert run.vitals.step == 30
    assert run.liveness.state is RunState.RUNNING
    assert run.notices == ("rank 1: killed SIGSEGV",)


def test_resumed_run_goes_on_from_its_checkpoint() -> None:
    setting = Setting(first_step=51)
    first = some_run(80)
    loss = np.linspace(1.0, 0.5, 60)
    run = replay(feed_of(resumed(first, setting, 60, **{tags.LOSS_TOTAL: loss})))
    assert run.vitals.step == 110
    assert run.diagnosis.step == 110


def test_rows_that_come_after_the_end_are_judged_too() -> None:
    """The host saw the process go before the last of its log was read."""
    early, late = some_run(66, reason=None), some_run(67, reason=None)[-1:]
    engine = engine_of(arrival(early), arrival((), liveness=dead()), arrival(late), arrival((), liveness=dead()))
    assert only(engine).diagnosis.step == 67


def test_death_of_an_earlier_start_is_forgotten_when_the_run_goes_on() -> None:
    setting = Setting(first_step=51, reason=None)
    again = resumed([], setting, 60, **{tags.LOSS_TOTAL: np.ones(60)})
    engine = engine_of(arrival(some_run(80, reason=None), liveness=dead()), arrival(again))
    assert only(engine).liveness.state is RunState.RUNNING
    assert engine.known_at("scenario", 60).step <= 60


# --- order ----------------------------------------------------------------------------------------------------


def test_runs_come_worst_first_then_by_state_then_by_name() -> None:
    engine = engine_of(
        arrival(some_run(20, name="c", reason=None), "c"),
        arrival(some_run(20, name="b", reason=None), "b", liveness=dead()),
        arrival(some_run(20, name="a", reason=None), "a"),
        arrival(run_messages(140, setting=Setting(name="z"), **swinging(140)), "z"),
    )
    assert [run.info.name for run in engine.frame().runs] == ["z", "b", "a", "c"]


def test_of_many_runs_every_other_is_renewed_in_turn_and_news_at_once() -> None:
    names = [f"run{i:02d}" for i in range(40)]
    engine = engine_of(*(arrival(some_run(5, reason=None, run=name, name=name), name) for name in names))
    engine.frame()
    rows = [wire.Batch([block([0], np.array([6]), np.array([[1.0]]))])]
    for name in names:
        engine._take(arrival(rows, name))
    engine._take(arrival((), names[0], liveness=dead()))
    steps = [{run.info.id: run.vitals.step for run in engine.frame().runs} for _ in range(2)]
    assert 20 <= sum(step == 6 for step in steps[0].values()) <= 21
    assert set(steps[1].values()) == {6}
    assert steps[0][names[0]] == 6


def test_unknown_run_is_refused() -> None:
    with pytest.raises(RunNotFound):
        engine_of().known_at("nobody", 3)


def test_notices_of_the_feed_are_passed_on_once() -> None:
    lost = Arrival("", "", 0, notice="gpu01: link lost, trying again")
    assert engine_of(lost, lost).frame().notices == ("gpu01: link lost, trying again",)
    run = only(engine_of(arrival(some_run(5), notice="log was cut short")))
    assert run.notices == ("log was cut short",)


# --- marks ----------------------------------------------------------------------------------------------------


def test_lr_drop_is_marked_where_it_happens_and_a_smooth_schedule_is_not() -> None:
    lr = np.where(np.arange(100) < 60, 0.1, 0.01)
    run = replay(feed_of(some_run(100, {tags.LOSS_TOTAL: np.ones(100), tags.LR + "0": lr})))
    assert marks_of(run, "lr") == [Mark(61, "lr", "lr 0.1 -> 0.01")]
    cosine = 0.05 * (1 + np.cos(np.pi * np.arange(100) / 110))
    assert not marks_of(replay(feed_of(some_run(100, {tags.LR + "0": cosine}))), "lr")


def test_lr_drop_between_two_looks_is_marked() -> None:
    lr = np.where(np.arange(100) < 50, 0.1, 0.01)  # a batch holds 50 rows: the drop lies between two of them
    engine = engine_of()
    whole = some_run(100, {tags.LR + "0": lr})
    for message in whole:
        engine._take(arrival((message,)))
        engine.frame()
    assert marks_of(only(engine), "lr") == [Mark(51, "lr", "lr 0.1 -> 0.01")]


def test_each_streak_of_non_finite_losses_is_marked_once() -> None:
    loss = np.ones(40)
    loss[10:20] = np.nan
    loss[30] = np.inf
    run = replay(feed_of(some_run(40, {tags.LOSS_TOTAL: loss})))
    assert marks_of(run, "nonfinite") == [Mark(11, "nonfinite", "loss is nan"), Mark(31, "nonfinite", "loss is inf")]


def test_evaluations_and_events_are_marked() -> None:
    events = (wire.Event(20, START, "epoch", "epoch 1"), wire.Event(25, START, "checkpoint", "saved best.pt"))
    series = {tags.LOSS_TOTAL: np.ones(40), "eval/mAP": {20: 0.3125}}
    run = replay(feed_of(some_run(40, series, events=events)))
    assert Mark(20, "evaluation", "mAP 0.3125") in run.marks
    assert Mark(20, "epoch", "epoch 1") in run.marks
    assert Mark(25, "checkpoint", "saved best.pt") in run.marks


def test_findings_and_holes_are_marked() -> None:
    engine = engine_of(arrival(run_messages(140, **swinging(140))), arrival((), holes=2))
    run = only(engine)
    assert marks_of(run, "finding")
    assert marks_of(run, "hole") == [Mark(140, "hole", "2 unreadable places in the log")]
    assert run.vitals.holes == 2


def test_marks_come_in_order_of_step() -> None:
    steps = [mark.step for mark in replay(feed_of(run_messages(140, **swinging(140)))).marks]
    assert steps == sorted(steps)


# --- vitals ---------------------------------------------------------------------------------------------------


def test_rate_and_eta_follow_the_newest_half_minute() -> None:
    """0.1 s a step, told to last 1000 steps."""
    run = only(engine_of(arrival(some_run(600, reason=None, total_steps=1000))))
    assert run.vitals.rate == pytest.approx(10.0)
    assert run.vitals.eta_s == pytest.approx(40.0)


def test_eta_is_unknown_without_a_total_and_after_the_end() -> None:
    assert only(engine_of(arrival(some_run(60, reason=None)))).vitals.eta_s is None
    assert only(engine_of(arrival(some_run(60, total_steps=100)))).vitals.eta_s is None


def test_rate_of_rare_points_is_still_a_rate() -> None:
    series = replay(feed_of(some_run(3, step_s=120.0))).series[tags.LOSS_TOTAL]
    assert steps_per_second(series) == pytest.approx(1 / 120.0)


def test_age_of_the_data_is_by_this_machines_clock() -> None:
    newest = START + 20 * 0.1
    fresh = engine_of(arrival(some_run(20, reason=None)), now=newest + 3.0)
    assert only(fresh).vitals.data_age_s == pytest.approx(3.0)
    ahead = engine_of(arrival(some_run(20, reason=None)), now=newest - 60.0)
    assert only(ahead).vitals.data_age_s == 0.0


def test_age_of_the_data_allows_for_a_host_whose_clock_is_wrong() -> None:
    newest = START + 20 * 0.1
    link = Link("gpu01", LinkState.UP, since=START, clock_offset_s=10.0)
    told = Arrival("", "", 0, link=link)
    run = arrival(some_run(20, reason=None), host="gpu01")
    assert only(engine_of(told, run, now=newest - 9.5)).vitals.data_age_s == pytest.approx(0.5)


# --- links ----------------------------------------------------------------------------------------------------

LOST = Link("gpu01", LinkState.LOST, since=START, text="no answer")


def test_a_run_on_a_host_that_does_not_answer_is_lost_and_keeps_its_curves() -> None:
    run = arrival(some_run(20, reason=None), host="gpu01", left_out=7)
    frame = engine_of(run, Arrival("", "", 0, link=LOST)).frame()
    (lost,) = frame.runs
    assert (lost.liveness.state, lost.link, frame.links) == (RunState.LOST, LOST, (LOST,))
    assert "running" in lost.liveness.reason
    assert len(lost.series[tags.LOSS_TOTAL]) == 20
    assert lost.vitals.left_out == 7


def test_a_run_that_is_over_stays_so_and_other_hosts_are_not_touched() -> None:
    ended = arrival(some_run(20), "ended", host="gpu01")
    other = arrival(some_run(20, reason=None), "other", host="gpu02")  # whose link was never told
    here = arrival(some_run(20, reason=None), "here")
    frame = engine_of(ended, other, here, Arrival("", "", 0, link=LOST)).frame()
    states = {(run.link.host if run.link else "", run.liveness.state) for run in frame.runs}
    assert states == {("gpu01", RunState.FINISHED), ("", RunState.RUNNING)}


def test_probe_s_account_of_itself_is_shown() -> None:
    beat = wire.Beat(START, 20, "forward", 0.004, 7, {"pairing": 16})
    vitals = only(engine_of(arrival([*some_run(20, reason=None), beat]))).vitals
    assert (vitals.overhead, vitals.dropped, vitals.thinned) == (0.004, 7, {"pairing": 16})


# --- frames ---------------------------------------------------------------------------------------------------


def test_frame_is_not_changed_by_what_comes_later() -> None:
    whole = some_run(100, reason=None)
    engine = engine_of(arrival(whole[:-1]))
    before = only(engine)
    points = len(before.series[tags.LOSS_TOTAL])
    engine._take(arrival(whole[-1:]))
    assert len(before.series[tags.LOSS_TOTAL]) == points
    assert len(only(engine).series[tags.LOSS_TOTAL]) > points


def test_ticks_count_frames() -> None:
    engine = engine_of()
    assert (engine.frame().tick, engine.frame().tick) == (1, 2)
