"""A real training process, watched live and read back from its log: the same findings."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live.agents import end_agent
from live.patience import PATIENCE_S, until
from live.places import short_directory

from dettui.domain.finding import Diagnosis
from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState
from dettui.engine import Engine, replay
from dettui.feed.opening import open_local, open_recording

LOOP = """
import math, random, sys
import dettui_probe as probe

random.seed(3)
with probe.init("live", total_steps=400) as run:
    for step in range(1, 301):
        swing = 0.8 if step % 2 else -0.8
        run.log(step, **{
            "loss/total": math.nan if step == 290 else 2.0 + swing + random.gauss(0, 0.05),
            "lr/pg0": 0.5, "update/ratio": 0.1, "grad/agreement": -0.5, "grad/norm": 1.0 + random.random(),
        })
        if step == 200:
            print("halfway", flush=True)
            sys.stdin.readline()
"""
"""Alternates, takes violent steps, and waits for a word at step 200."""


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A runtime directory short enough for sockets, and a place for logs."""
    home = short_directory()
    monkeypatch.setenv("DETTUI_HOME", str(home))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))
    yield tmp_path / "runs"
    end_agent()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def training(house: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has logged 200 steps and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "halfway\n"
    yield process
    process.kill()
    process.communicate()


def go_on(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=PATIENCE_S)


def watch_until(engine: Engine, seen: Callable[[RunFrame], bool]) -> RunFrame:
    """Pump until the only run looks as wanted."""

    def is_seen() -> bool:
        engine.pump(wait_s=0.2)
        return any(map(seen, engine.frame().runs))

    until(is_seen, lambda: engine.frame().runs)
    return engine.frame().runs[0]


def told(diagnosis: Diagnosis) -> tuple[object, ...]:
    return diagnosis.step, diagnosis.findings, diagnosis.causes, diagnosis.abstained


def test_live_and_recording_give_the_same_diagnosis(house: Path, training: subprocess.Popen[str]) -> None:
    feed = open_local()
    live = Engine(feed)
    try:
        watch_until(live, lambda run: run.vitals.step >= 200)
        go_on(training)
        at_the_end = watch_until(live, lambda run: run.liveness.state.is_over and run.diagnosis.step >= 300)
    finally:
        feed.close()
    recorded = replay(open_recording(next(house.iterdir())))
    assert recorded.diagnosis.causes[0].id == "lr_too_high"
    assert told(at_the_end.diagnosis) == told(recorded.diagnosis)


def test_recording_of_a_killed_run_is_judged_to_its_last_step(house: Path, training: subprocess.Popen[str]) -> None:
    wait_for_steps(house, 200)
    training.send_signal(signal.SIGKILL)
    training.wait(PATIENCE_S)
    run = replay(open_recording(next(house.iterdir())))
    assert run.vitals.step == 200
    assert run.diagnosis.step == 200
    assert run.liveness.state is not RunState.FINISHED
    assert run.diagnosis.causes[0].id == "lr_too_high"


def test_replay_to_a_step_of_a_real_log_shows_what_was_known_then(house: Path, training: subprocess.Popen[str]) -> None:
    go_on(training)
    path = next(house.iterdir())
    before, after = replay(open_recording(path), at_step=280), replay(open_recording(path))
    assert "non_finite" not in {finding.kind for finding in before.diagnosis.findings}
    assert "non_finite" in {finding.kind for finding in after.diagnosis.findings}
    assert before.vitals.step == 280


def wait_for_steps(house: Path, steps: int) -> None:
    until(lambda: _recorded(house) >= steps)


def _recorded(house: Path) -> int:
    """Steps in the log of the only run, which has none yet when its directory is made."""
    log = next(house.glob("*/*.dlog"), None)
    return 0 if log is None else replay(open_recording(log.parent)).vitals.step or 0
