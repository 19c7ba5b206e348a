"""What became of a real process is named rightly, and soon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from dettui.domain.run import RunState
from dettui.feed.opening import list_runs

Spawn = Callable[..., Any]
Watch = Callable[..., Any]

STEPPING = """
run = probe.init("shapes")
for step in range(100_000):
    run.log(step, x=step)
    time.sleep(0.02)
"""


def reaches(state: RunState) -> Callable[[Any], bool]:
    return lambda viewer: viewer.state is state


def test_a_run_that_steps_is_running(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn(STEPPING)
    viewer.until(reaches(RunState.RUNNING))


def test_a_run_without_a_step_is_starting(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("run = probe.init('slow'); wait()")
    viewer.until(reaches(RunState.STARTING))


def test_a_run_that_ends_well_is_finished(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("run = probe.init('short'); run.log(1, x=1)")
    viewer.until(reaches(RunState.FINISHED))


def test_a_run_that_raises_has_crashed_and_says_with_what(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("run = probe.init('bad'); run.log(1, x=1)\nraise ValueError('boxes are upside down')")
    viewer.until(reaches(RunState.CRASHED))
    assert viewer.liveness.reason == "ValueError: boxes are upside down"


def test_a_run_that_leaves_with_a_code_has_crashed_with_that_code(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("run = probe.init('bad'); run.log(1, x=1)\nsys.exit(3)")
    viewer.until(reaches(RunState.CRASHED))
    assert viewer.liveness.exit_code == 3


def test_a_run_that_leaves_with_code_zero_is_finished(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("run = probe.init('good'); run.log(1, x=1)\nsys.exit(0)")
    viewer.until(reaches(RunState.FINISHED))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_without_a_word_is_killed_within_5_seconds(
    spawn: Spawn, watch: Watch, how: signal.Signals
) -> None:
    viewer = watch()
    training = spawn(STEPPING)
    viewer.until(reaches(RunState.RUNNING))
    training.send_signal(how)
    training.wait()
    killed_at = time.monotonic()
    viewer.until(reaches(RunState.KILLED))
    assert time.monotonic() - killed_at < 5.0


def test_a_suspended_run_is_stopped_and_runs_again_when_it_continues(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    training = spawn(STEPPING)
    viewer.until(reaches(RunState.RUNNING))
    training.send_signal(signal.SIGSTOP)
    viewer.until(reaches(RunState.STOPPED))
    training.send_signal(signal.SIGCONT)
    viewer.until(reaches(RunState.RUNNING))


def test_a_call_that_holds_the_gil_is_told_from_death(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("""
import ctypes
run = probe.init("blocked")
for step in range(100):
    run.log(step, x=step)
    time.sleep(0.02)
ctypes.PyDLL(None).sleep(8)
run.finish()
""")
    viewer.until(reaches(RunState.GIL_BLOCKED))
    viewer.until(reaches(RunState.FINISHED))
    assert RunState.KILLED not in [arrival.liveness.state for arrival in viewer.arrivals if arrival.liveness]


@pytest.mark.long
def test_a_run_that_steps_no_more_is_stalled(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("""
run = probe.init("stalled")
for step in range(200):
    run.log(step, x=step)
    time.sleep(0.02)
wait()
""")
    viewer.until(reaches(RunState.STALLED))


def test_the_list_of_runs_needs_no_agent(spawn: Spawn, home: Any) -> None:
    training = spawn(STEPPING.replace("time.sleep(0.02)", "time.sleep(0.02)\n    if step == 200: tell('there')"))
    assert training.stdout.readline() == "there\n"
    (running,) = list_runs()
    assert (running.name.split("-")[0], running.liveness.state) == ("shapes", RunState.RUNNING)
    assert running.step is not None
    assert running.step > 50
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    deadline = time.monotonic() + 10
    while (state := list_runs()[0].liveness.state) is not RunState.KILLED:  # its last beat must be 3 s old
        assert (state, time.monotonic() < deadline) == (RunState.RUNNING, True)
        time.sleep(0.05)
    assert not (home / "agent.json").exists()
