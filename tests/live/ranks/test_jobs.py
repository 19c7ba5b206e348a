"""What became of a real job of several ranks is named, with the rank."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState

Torchrun = Callable[..., Any]


def finding(run: RunFrame, kind: str) -> str:
    """The title of the active finding of *kind*, "" where there is none."""
    return next((f.title for f in run.diagnosis.findings if f.kind == kind and f.state == "active"), "")


def state_of(run: RunFrame, rank: int) -> RunState | None:
    views = run.ranks.ranks if run.ranks is not None else ()
    return next((view.liveness.state for view in views if view.rank == rank), None)


def steps(run: RunFrame) -> int:
    """Steps that the slowest rank has told, 0 until all are there."""
    table = run.ranks
    return 0 if table is None or table.missing else min(view.step for view in table.ranks)


def parts(run: RunFrame) -> set[str]:
    """The parts of a step that every rank has told."""
    return set() if run.ranks is None else {part.name for part in run.ranks.segments}


def test_ranks_are_one_run_and_one_that_is_suspended_is_named_as_the_hung_one(torchrun: Torchrun, watched: Any) -> None:
    torchrun(2, "none")
    told = {"data", "forward", "backward", "sync", "optimizer"}
    run = watched.until(lambda run: steps(run) > 40 and parts(run) >= told)
    assert run.ranks.world == 2
    suspended = next(view.pid for view in run.ranks.ranks if view.rank == 1)
    os.kill(suspended, signal.SIGSTOP)
    watched.until(lambda run: state_of(run, 1) is RunState.STOPPED)
    run = watched.until(lambda run: bool(finding(run, "hang")))
    assert finding(run, "hang").endswith(": rank 1 is behind")
    assert (run.ranks.ranks[0].rank, run.ranks.ranks[0].flaw) == (1, "hung")
    assert run.diagnosis.findings[0].causes[0].id == "training_hung"
    os.kill(suspended, signal.SIGCONT)
    watched.until(lambda run: [f.state for f in run.diagnosis.findings if f.kind == "hang"] == ["resolved"])


def test_parameters_that_are_not_kept_alike_are_found(torchrun: Torchrun, watched: Any) -> None:
    torchrun(2, "bypass", 60)
    run = watched.until(lambda run: bool(finding(run, "rank_desync")))
    assert finding(run, "rank_desync") == "Ranks 0 and 1 hold different parameters since step 1"
    (found,) = (f for f in run.diagnosis.findings if f.kind == "rank_desync")
    assert (found.causes[0].id, found.causes[0].certain) == ("rank_diverged", True)
    assert "gradients are not averaged" in found.evidence[1].text


def test_a_rank_that_raises_explains_the_end_of_the_job(torchrun: Torchrun, watched: Any) -> None:
    torchrun(2, "raise", FAULT_AT="30")
    run = watched.until(lambda run: run.liveness.state.is_over and state_of(run, 1) is RunState.CRASHED)
    assert run.liveness.state is RunState.CRASHED
    assert "ValueError: a box without a corner, at job.py:" in run.liveness.reason


@pytest.mark.long
def test_a_rank_that_is_killed_is_named(torchrun: Torchrun, watched: Any) -> None:
    torchrun(3, "kill", FAULT_AT="40", FAULTY_RANK="2")
    run = watched.until(lambda run: state_of(run, 2) is RunState.KILLED)
    assert any(notice.startswith("rank 2: killed") for notice in run.notices)


@pytest.mark.long
def test_a_rank_that_sleeps_in_its_loop_is_named(torchrun: Torchrun, watched: Any) -> None:
    torchrun(2, "sleep", FAULT_AT="40")
    run = watched.until(lambda run: bool(finding(run, "hang")))
    assert finding(run, "hang").endswith(": rank 1 is behind")


@pytest.mark.long
@pytest.mark.parametrize(("ranks", "fault"), [(4, "data"), (3, "forward"), (2, "data")])
def test_a_straggler_is_named_with_its_segment(torchrun: Torchrun, watched: Any, ranks: int, fault: str) -> None:
    torchrun(ranks, fault, 100_000, "40")
    run = watched.until(lambda run: bool(finding(run, "straggler")))
    title = finding(run, "straggler")
    assert title.startswith("Rank 1 holds up the others by ")
    assert title.endswith(f"in: {fault}")
    assert run.ranks.ranks[0].flaw == "slow"


@pytest.mark.long
def test_a_job_that_torchrun_starts_again_is_another_strand_of_the_same_run(
    torchrun: Torchrun, watched: Any, tmp_path: Path
) -> None:
    launcher = torchrun(2, "raise", 200, restarts=1, FAULT_AT="50", MEETING=str(tmp_path))
    run = watched.until(lambda run: run.ranks is not None and run.ranks.attempt == 1 and steps(run) >= 100)
    assert len(run.ranks.ranks) == 2
    assert all(view.liveness.state is not RunState.CRASHED for view in run.ranks.ranks)
    run = watched.until(lambda run: run.liveness.state is RunState.FINISHED)
    assert launcher.wait() == 0
    first, again = run.series["loss/total"].strands
    assert (first.steps[0], again.steps[0], again.steps[-1]) == (1, 1, 200)
    assert 40 <= first.steps[-1] < 50


@pytest.mark.long
def test_weights_and_random_states_of_every_rank_are_the_same_with_and_without_the_probe(
    torchrun: Torchrun, tmp_path: Path
) -> None:
    for name, env in (("watched", {}), ("plain", {"WITHOUT_PROBE": "1"})):
        (tmp_path / name).mkdir()  # the name of the file is a part of it
        torchrun(2, "none", 40, WEIGHTS=str(tmp_path / name / "weights"), **env).wait()
    for rank in range(2):
        watched, plain = ((tmp_path / name / f"weights.{rank}").read_bytes() for name in ("watched", "plain"))
        assert watched == plain


@pytest.mark.long
def test_without_rank_0_the_others_are_still_seen(torchrun: Torchrun, watched: Any) -> None:
    torchrun(3, "kill", FAULT_AT="40", FAULTY_RANK="0")
    run = watched.until(lambda run: state_of(run, 0) is RunState.KILLED)
    assert {view.rank for view in run.ranks.ranks} == {0, 1, 2}
    assert all(view.step >= 30 for view in run.ranks.ranks)
