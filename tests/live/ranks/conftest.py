"""Real jobs of several ranks under torchrun with gloo, watched through a real agent by a real engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dettui.domain.frame import RunFrame
from dettui.engine import Engine
from dettui.feed.local import LocalFeed
from dettui_probe.registry import announced_agent

JOB = Path(__file__).with_name("job.py")
DEADLINE_S = 110.0


class Watched:
    """The engine on the local feed, and the one run of this test."""

    def __init__(self) -> None:
        self.feed = LocalFeed()
        self.engine = Engine(self.feed)

    @property
    def run(self) -> RunFrame | None:
        runs = self.engine.frame().runs
        assert len(runs) <= 1, [run.info.id for run in runs]  # the ranks of a job are one run
        return runs[0] if runs else None

    def until(self, reached: Callable[[RunFrame], bool]) -> RunFrame:
        """The run as soon as *reached*; fails after DEADLINE_S."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            self.engine.pump(0.1)
            run = self.run
            if run is not None and reached(run):
                return run
            assert time.monotonic() < deadline, run and (
                run.liveness,
                run.vitals.step,
                run.diagnosis.findings,
                run.ranks,
            )


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="dt", dir="/tmp"))
    monkeypatch.setenv("DETTUI_HOME", str(directory / "h"))
    monkeypatch.setenv("DETTUI_RUNS", str(directory / "r"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("DETTUI_RUN", raising=False)
    yield directory
    agent = announced_agent()
    if agent is not None:
        os.kill(agent.pid, signal.SIGTERM)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def watched(home: Path) -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.feed.close()


@pytest.fixture
def torchrun(home: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts JOB on *ranks* ranks with a fault; ends all of its processes at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        ranks: int, fault: str, steps: int = 100_000, *more: str, restarts: int = 0, **env: str
    ) -> subprocess.Popen[bytes]:
        launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}")
        started.append(
            subprocess.Popen(
                [*launcher, f"--max-restarts={restarts}", str(JOB), fault, str(steps), *more],
                env={**os.environ, **env},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for launcher in started:
        for pid in (*_children(launcher.pid), launcher.pid):
            _end(pid)
        launcher.wait()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
