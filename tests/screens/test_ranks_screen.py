"""The ranks of a job as a reader sees them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screens.frames import frame, run_frame
from screens.stage import SIZES, on_stage

from dettui.domain.finding import Cause, Evidence, Finding
from dettui.domain.frame import RunFrame
from dettui.domain.ranks import RankTable, RankView, SegmentView
from dettui.domain.run import Liveness, RunState
from dettui.screens.ranks import RanksScreen
from dettui.screens.run import RunScreen

PARTS = ("data", "forward", "backward", "sync", "optimizer")
STRAGGLER = Finding(
    "straggler", "warning", "active", 300, 990, 400, "Rank 1 holds up the others by 30 ms a step, in: data",
    evidence=(Evidence("time/data", (300, 990), 0.03, 0.005, ">", "data takes rank 1 31.0 ms and the others 1.0 ms"),),
    causes=(Cause("rank_slow", 0.99, True),),
)  # fmt: skip


def view(rank: int, data_ms: float = 1.0, sync_ms: float = 33.0, **more: object) -> RankView:
    times = dict(zip(PARTS, (data_ms / 1e3, 0.02, 0.04, sync_ms / 1e3, 0.004), strict=True))
    known = RankView(
        rank, Liveness(RunState.RUNNING), "gpu01", 4000 + rank, 990, "backward", times, 0.1, 1.25, 2.5, 7.0, 2.4e9
    )
    return replace(known, **more)  # type: ignore[arg-type]


def job(*views: RankView, **more: object) -> RunFrame:
    segments = tuple(SegmentView(name, 0.01, 0.031, 1, 0.3) for name in (*PARTS, "step"))
    table = replace(RankTable(4, views, 0, (), segments, (941, 990)), **more)  # type: ignore[arg-type]
    return replace(run_frame(findings=(STRAGGLER,)), ranks=table)


SLOW = (view(1, 31.0, 3.0, flaw="slow"), view(0), view(2), view(3))


@pytest.mark.parametrize("size", SIZES)
async def test_r_shows_the_ranks_worst_first_with_the_parts_of_their_steps(size: tuple[int, int]) -> None:
    async with on_stage(frame(job(*SLOW)), size=size) as stage:
        await stage.press("r")
        assert isinstance(stage.app.screen, RanksScreen)
        lines = [line for line in stage.text.splitlines() if "► running" in line and "990" in line]
        ranks = [line.split()[:2] for line in lines if "fasterrcnn" not in line]
        assert ranks == [["▲", "1"], ["0", "►"], ["2", "►"], ["3", "►"]]
        assert "31.0  20.0  40.0   3.0   4.0   100   1.25" in stage.text
        assert "slow" in stage.text
        assert "Rank 1 holds up the others by 30 ms a step, in: data" in stage.text
        assert "ms: medians of steps 941–990" in stage.text
        assert "30 % of a step" in stage.text
        await stage.press("escape")
        assert isinstance(stage.app.screen, RunScreen)
        assert "4 ranks" in stage.text


async def test_a_hung_rank_stands_on_top_with_its_state() -> None:
    hung = view(2, liveness=Liveness(RunState.STOPPED, "suspended by a signal"), flaw="hung", phase="data")
    async with on_stage(frame(job(hung, view(0), view(1))), size=(80, 24)) as stage:
        await stage.press("r")
        first = next(line for line in stage.text.splitlines() if line.startswith("▲ 2"))
        assert "stopped" in first
        assert "hung" in first


async def test_ranks_that_were_not_heard_of_are_named() -> None:
    async with on_stage(frame(job(view(0), missing=(1, 2, 3), attempt=2)), size=(100, 30)) as stage:
        await stage.press("r")
        assert "! not heard of: 1, 2, 3" in stage.text
        assert "started again 2 times" in stage.text


async def test_settings_that_differ_are_told() -> None:
    async with on_stage(frame(job(*SLOW, differing=("lr: 0.1 on 0; 0.2 on 1",))), size=(80, 24)) as stage:
        await stage.press("r")
        assert "differs between ranks: lr: 0.1 on 0; 0.2 on 1" in stage.text


async def test_a_process_on_its_own_says_so() -> None:
    async with on_stage(frame(run_frame()), size=(80, 24)) as stage:
        await stage.press("r")
        assert "this run has one process: nothing to compare" in stage.text


async def test_many_ranks_are_scrolled() -> None:
    async with on_stage(frame(job(*(view(rank) for rank in range(64)), world=64)), size=(80, 24)) as stage:
        await stage.press("r")
        assert "  63 " not in stage.text
        await stage.press(*["pagedown"] * 8)
        assert "  63 " in stage.text
