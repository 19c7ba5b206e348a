"""`dettui slurm:JOBID` against a real Slurm, where one runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from live.patience import until
from live.places import short_directory
from live.ssh.place import TRAINING, Watcher

from dettui.domain.link import LinkState
from dettui.feed.ssh.feed import SshFeed
from dettui.feed.ssh.target import Way, host_target

SINFO = ["sinfo", "--noheader", "--responding", "--format=%t"]


@cache
def answers() -> bool:
    """True where there is a Slurm with a node that takes jobs."""
    if shutil.which("sbatch") is None:
        return False
    try:
        told = subprocess.run(SINFO, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return told.returncode == 0 and bool({"idle", "mix"} & set(told.stdout.split()))


@pytest.fixture(autouse=True)
def slurm() -> None:
    """A Slurm that takes jobs."""
    if not answers():
        pytest.skip("no Slurm with a free node here: apt-get install slurm-wlm")


Submit = Callable[..., str]


@pytest.fixture
def submit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Submit]:
    """Submits a training and gives the number of its job, which is cancelled at the end."""
    home = short_directory()
    monkeypatch.setenv("DETTUI_HOME", str(home / "h"))
    monkeypatch.setenv("DETTUI_RUNS", str(home / "r"))
    jobs: list[str] = []

    def start(*options: str) -> str:
        script = home / "train.py"
        script.write_text(TRAINING.format(name="in-a-job", steps=100_000, pause=0.01, waits=False))
        wrapped = f"exec {sys.executable} {script}"
        command = ["sbatch", "--parsable", "--ntasks=1", f"--output={home}/%j.out", *options, f"--wrap={wrapped}"]
        jobs.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
        return jobs[-1]

    yield start
    subprocess.run(["scancel", *jobs], check=True)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def follow() -> Iterator[Callable[[str], Watcher]]:
    """Watches what a word means, and hangs up at the end."""
    watchers: list[Watcher] = []

    def start(word: str) -> Watcher:
        watchers.append(Watcher(SshFeed(host_target(word), Way(), [])))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.feed.close()


def running(job: str) -> None:
    """Wait until *job* runs."""
    command = ["squeue", "--noheader", "--format=%t", f"--jobs={job}"]
    until(lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "R")


def test_a_job_is_watched_from_inside_and_its_end_is_told(submit: Submit, follow: Callable[[str], Watcher]) -> None:
    job = submit()
    running(job)
    watcher = follow(f"slurm:{job}")
    watcher.until(lambda watcher: len(watcher.steps()) > 50)
    assert {arrival.host for arrival in watcher.arrivals} == {f"slurm:{job}"}
    subprocess.run(["scancel", job], check=True)
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.FAILED)
    assert "no such running job" in watcher.feed.link.text


def test_a_task_of_an_array_is_watched(submit: Submit, follow: Callable[[str], Watcher]) -> None:
    job = submit("--array=3")
    running(f"{job}_3")
    follow(f"slurm:{job}_3").until(lambda watcher: len(watcher.steps()) > 50)


def test_a_job_that_is_not_there_is_told(follow: Callable[[str], Watcher]) -> None:
    for word in ("slurm:999999", "slurm:999999_1"):
        watcher = follow(word)
        watcher.until(lambda watcher: watcher.feed.link.state is LinkState.FAILED)
        assert "no such running job" in watcher.feed.link.text
