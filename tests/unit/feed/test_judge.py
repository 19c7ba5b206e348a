"""judge: the table of states, row by row, and the other side of each limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dettui.domain.run import RunState
from dettui.feed.agent.liveness import LivenessPolicy, Pulse, judge
from dettui.feed.agent.process import ProcessSight
from dettui_probe import wire

NOW = 1_000.0
POLICY = LivenessPolicy()


def beating(*steps: int, last: float = NOW - 0.5, apart: float = 1.0) -> Pulse:
    """A pulse of one beat a second (*apart*), the last one at *last*."""
    pulse = Pulse()
    for index, step in enumerate(steps):
        at = last - apart * (len(steps) - 1 - index)
        pulse.read(wire.encode(wire.Beat(at, step, "data", 0.0, 0)))
    return pulse


def stepping() -> Pulse:
    return beating(*range(0, 100, 10))


def ended(reason: str, code: int | None, text: str = "") -> Pulse:
    pulse = stepping()
    pulse.read(wire.encode(wire.Bye(NOW, 90, reason, code, text)))
    return pulse


def state(process: ProcessSight, pulse: Pulse, now: float = NOW) -> RunState:
    return judge(process, pulse, now, POLICY).state


ALIVE = ProcessSight(state="S", since_s=0.0)
GONE = ProcessSight(state="", since_s=POLICY.gone_s)


@pytest.mark.parametrize(
    ("process", "pulse", "expected"),
    [
        (ALIVE, stepping(), RunState.RUNNING),
        (ALIVE, beating(0, 0, 0), RunState.STARTING),
        (ALIVE, Pulse(), RunState.STARTING),
        (ProcessSight(state="R"), stepping(), RunState.RUNNING),
        (ProcessSight(state="T"), stepping(), RunState.STOPPED),
        (ProcessSight(state="t"), stepping(), RunState.STOPPED),
        (ProcessSight(state="D", since_s=0.5), stepping(), RunState.RUNNING),
        (ProcessSight(state="D", since_s=POLICY.settled_s), stepping(), RunState.DISK_WAIT),
        (ALIVE, beating(10, 20, last=NOW - POLICY.silent_s - 0.1), RunState.GIL_BLOCKED),
        (ALIVE, beating(10, 20, last=NOW - POLICY.silent_s), RunState.RUNNING),
        (GONE, beating(10, 20, last=NOW - 4.0), RunState.KILLED),
        (ProcessSight(state="Z", since_s=2.0), beating(10, 20, last=NOW - 4.0), RunState.KILLED),
        (ProcessSight(state="", since_s=0.5), beating(10, 20, last=NOW - 4.0), RunState.RUNNING),
        (GONE, Pulse(), RunState.KILLED),
        (GONE, ended("finished", 0), RunState.FINISHED),
        (GONE, ended("exit", 0), RunState.FINISHED),
        (GONE, ended("exit", 3), RunState.CRASHED),
        (GONE, ended("exception", 1), RunState.CRASHED),
        (ProcessSight(ours=False), stepping(), RunState.RUNNING),
        (ProcessSight(ours=False), beating(10, 20, last=NOW - POLICY.silent_s - 0.1), RunState.UNKNOWN),
        (ProcessSight(ours=False), Pulse(), RunState.UNKNOWN),
        (ProcessSight(ours=False), ended("finished", 0), RunState.FINISHED),
        (ProcessSight(restarted=True), stepping(), RunState.KILLED),
    ],
)
def test_state(process: ProcessSight, pulse: Pulse, expected: RunState) -> None:
    assert state(process, pulse) is expected


def heard_at(pulse: Pulse, step: int, told: float, heard: float) -> None:
    pulse.read(wire.encode(wire.Beat(told, step, "data", 0.0, 0)), lambda _: heard)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, -NOW])
def test_a_jump_of_the_clock_is_no_silence_and_no_stall(jump: float) -> None:
    pulse = Pulse()
    for second in range(10):
        heard_at(pulse, 10 * second, NOW + second, heard=float(second))
    for second in range(10, 14):
        heard_at(pulse, 10 * second, NOW + jump + second, heard=float(second))
        assert state(ALIVE, pulse, now=second + 0.5) is RunState.RUNNING
    assert state(replace(GONE, was_seen=True), pulse, now=13 + POLICY.gone_s) is RunState.KILLED
    assert state(ALIVE, pulse, now=13 + POLICY.silent_s + 0.1) is RunState.GIL_BLOCKED


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_stall_is_seen_across_a_jump_of_the_clock(jump: float) -> None:
    pulse = Pulse()
    for second in range(10):
        heard_at(pulse, 10 * second, NOW + second, heard=float(second))
    for second in range(10, 25):
        heard_at(pulse, 90, NOW + jump + second, heard=float(second))
    assert state(ALIVE, pulse, now=15.0) is RunState.RUNNING
    assert state(ALIVE, pulse, now=24.5) is RunState.STALLED


def test_what_cannot_be_seen_is_never_called_dead() -> None:
    hidden = ProcessSight(ours=False, why_unseen="a process of another container")
    judged = judge(hidden, beating(10, 20, last=NOW - 500), NOW)
    assert judged.state is RunState.UNKNOWN
    assert judged.reason == "a process of another container, silent for 500 s"


def test_a_zombie_tells_which_signal_ended_it() -> None:
    zombie = ProcessSight(state="Z", since_s=2.0, was_seen=True, ending="ended by SIGSEGV")
    assert judge(zombie, beating(10, 20, last=NOW - 4.0), NOW).reason == "ended by SIGSEGV"


def test_a_crash_tells_the_line_that_raised() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/x/train.py", line 3, in <module>\n    f()\n'
        '  File "/x/lib/boxes.py", line 41, in f\n    raise ValueError("no")\nValueError: no\n'
    )
    assert judge(GONE, ended("exception", 1, text), NOW).reason == "ValueError: no, at boxes.py:41"


def test_control_c_is_told_as_such() -> None:
    assert judge(GONE, ended("exit", 130, "KeyboardInterrupt"), NOW).reason == "interrupted (Ctrl-C)"


def test_a_process_that_was_never_seen_and_still_beats_is_not_dead() -> None:
    """The pid of a container means nothing here; its beats do."""
    assert state(GONE, beating(10, 20, last=NOW - POLICY.silent_s + 0.1)) is RunState.RUNNING
    assert state(GONE, beating(10, 20, last=NOW - POLICY.silent_s)) is RunState.KILLED


def test_a_process_that_was_seen_and_is_gone_is_dead_soon() -> None:
    gone = replace(GONE, was_seen=True)
    assert state(gone, beating(10, 20, last=NOW - POLICY.gone_s + 0.1)) is RunState.RUNNING
    assert state(gone, beating(10, 20, last=NOW - POLICY.gone_s)) is RunState.KILLED


def test_a_fast_run_is_stalled_after_ten_seconds_without_a_step() -> None:
    pulse = beating(*range(0, 100, 10), *[90] * 9)
    assert state(ALIVE, pulse) is RunState.RUNNING
    pulse = beating(*range(0, 100, 10), *[90] * 11)
    assert state(ALIVE, pulse) is RunState.STALLED


def test_a_slow_run_is_given_eight_of_its_own_steps() -> None:
    slow = [step for step in range(1, 5) for _ in range(20)]
    assert state(ALIVE, beating(*slow, *[4] * 130)) is RunState.RUNNING
    assert state(ALIVE, beating(*slow, *[4] * 170)) is RunState.STALLED


def test_without_a_known_pace_no_run_is_called_stalled() -> None:
    assert state(ALIVE, beating(*[5] * 300)) is RunState.RUNNING


def test_steps_that_only_the_rows_tell_count() -> None:
    pulse = beating(0, 0, 0)
    block = wire.Block([0], (7).to_bytes(8, "little"), b"\0" * 8, b"\0" * 8)
    pulse.read(wire.encode(wire.Batch([block])))
    pulse.settle()
    assert pulse.step == 7
    assert state(ALIVE, pulse) is RunState.RUNNING


def test_the_reasons_say_what_was_seen() -> None:
    assert judge(GONE, ended("exception", 1, "Traceback\n  x\nKeyError: 'a'\n\n"), NOW).reason == "KeyError: 'a'"
    assert judge(GONE, ended("exit", 3), NOW).reason == "left with exit code 3"
    memory = ProcessSight(state="", since_s=2.0, out_of_memory="killed by the kernel")
    assert judge(memory, beating(1, 2, last=NOW - 4), NOW).reason == "killed by the kernel"
