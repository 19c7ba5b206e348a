"""Real jobs of several ranks under torchrun with gloo, watched through a real agent by a real engine."""

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
from live.patience import until
from live.places import short_directory

from dettui.domain.frame import RunFrame
from dettui.engine import Engine
from dettui.feed.local import LocalFeed

JOB = Path(__file__).with_name("job.py")


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
        """The run as soon as *reached*."""

        def is_reached() -> bool:
            self.engine.pump(0.1)
            return self.run is not None and reached(self.run)

        until(is_reached, self._seen)
        assert self.run is not None
        return self.run

    def _seen(self) -> object:
        run = self.run
        return run and (run.liveness, run.vitals.step, run.diagnosis.findings, run.ranks)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    directory = short_directory()
    monkeypatch.setenv("DETTUI_HOME", str(directory / "h"))
    monkeypatch.setenv("DETTUI_RUNS", str(directory / "r"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("DETTUI_RUN", raising=False)
    yield directory
    end_agent()
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
