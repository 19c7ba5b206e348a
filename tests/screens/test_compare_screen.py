"""Runs laid over each other, as a reader with a keyboard meets them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from screens.frames import evaluated_run, frame, run_frame
from screens.stage import SIZES, Stage, on_stage

from dettui.domain.frame import RunFrame
from dettui.domain.run import ModelInfo, RunInfo
from dettui.screens.compare import CompareScreen
from dettui.screens.run import RunScreen
from dettui.widgets.curve import CurveChart

RISING = tuple(np.linspace(0.1, 0.8, 9))
LOWER = tuple(np.linspace(0.05, 0.4, 9))


def run(place: int, name: str, scores: tuple[float, ...], **config: object) -> RunFrame:
    base = evaluated_run(scores=scores)
    info = replace(base.info, id=f"r{place}", name=name, config=config)
    return replace(base, info=info, model=ModelInfo("FasterRCNN", 5, optimizer=str(config.get("optim", "SGD"))))


def four() -> tuple[RunFrame, ...]:
    return (
        run(0, "high s1", RISING, lr=0.01, seed=1, optim="SGD"),
        run(1, "high s2", tuple(v - 0.1 for v in RISING), lr=0.01, seed=2, optim="SGD"),
        run(2, "low s1", LOWER, lr=0.1, seed=1, optim="SGD"),
        run(3, "other", LOWER, lr=0.1, seed=3, optim="AdamW"),
    )


async def compare(stage: Stage, *picks: str) -> CompareScreen:
    await stage.press(*picks, "c")
    screen = stage.app.screen
    assert isinstance(screen, CompareScreen)
    return screen


def row(stage: Stage, name: str) -> str:
    return next(line for line in stage.text.splitlines() if name in line and "running" in line)


@pytest.mark.parametrize("size", SIZES)
async def test_picked_runs_are_laid_over_each_other_with_letters(size: tuple[int, int]) -> None:
    async with on_stage(frame(*four()), size) as stage:
        screen = await compare(stage, "space", "space")
        assert [member.run.info.name for member in screen.members] == ["high s1", "high s2"]
        view = screen.query_one("#main-chart", CurveChart).view
        assert view is not None
        assert [(line.letter, line.colour_class) for line in view.lines] == [("a", 0), ("b", 1)]
        assert "eval/mAP50" in stage.text


async def test_a_run_keeps_its_letter_when_another_one_is_let_go() -> None:
    async with on_stage(frame(*four())) as stage:
        await stage.press("space", "space", "space", "g", "space")
        screen = await compare(stage)
        assert {member.run.info.name: member.letter for member in screen.members} == {"high s2": "b", "low s1": "c"}


async def test_the_best_value_respects_which_way_is_better() -> None:
    async with on_stage(frame(*four()), (200, 50)) as stage:
        await compare(stage, "a")
        assert "★ 0.8" in row(stage, "high s1")
        assert "★" not in row(stage, "low s1").split("loss")[0][:90]


async def test_the_baseline_shows_the_others_as_differences() -> None:
    async with on_stage(frame(*four()), (200, 50)) as stage:
        await compare(stage, "a")
        await stage.press("b")
        assert "-0.1" in row(stage, "high s2")
        assert "-0.4" in row(stage, "low s1")


async def test_only_what_differs_is_told() -> None:
    async with on_stage(frame(*four()), (200, 50)) as stage:
        await compare(stage, "a")
        side = [line[140:] for line in stage.text.splitlines()]
        text = "\n".join(side)
        assert all(name in text for name in ("lr", "seed", "optim", "optimizer"))
        assert "model" not in text
        assert any("abc SGD" in line for line in side)


async def test_differences_are_a_page_where_there_is_no_room_beside() -> None:
    async with on_stage(frame(*four()), (80, 24)) as stage:
        await compare(stage, "a")
        assert "in what they differ" not in stage.text
        await stage.press("i")
        assert "AdamW" in stage.text
        await stage.press("escape")
        assert "AdamW" not in stage.text


async def test_the_cursor_puts_values_into_the_table() -> None:
    async with on_stage(frame(*four()), (200, 50)) as stage:
        await compare(stage, "a")
        await stage.press("left_square_bracket", "left_curly_bracket")
        assert "at cursor" in stage.text
        await stage.press("escape")
        assert "at cursor" not in stage.text


async def test_the_axis_goes_from_steps_to_epochs_to_time() -> None:
    async with on_stage(frame(*four()), (140, 45)) as stage:
        screen = await compare(stage, "a")
        await stage.press("x")
        view = screen.query_one("#main-chart", CurveChart).view
        assert view is not None
        assert view.lines[0].series.steps[-1] == 900 * 1000 // 250
        await stage.press("x")
        assert "1m" in stage.text


async def test_a_run_that_declared_no_epochs_is_named() -> None:
    first, *rest = four()
    without = replace(first, info=replace(first.info, steps_per_epoch=None))
    async with on_stage(frame(without, *rest), (140, 45)) as stage:
        await compare(stage, "a")
        await stage.press("x")
        assert "a declared no steps_per_epoch" in stage.text


async def test_seeds_of_one_setting_become_a_mean_and_a_band() -> None:
    async with on_stage(frame(*four()), (140, 45)) as stage:
        screen = await compare(stage, "a")
        await stage.press("g")
        view = screen.query_one("#main-chart", CurveChart).view
        assert view is not None
        assert [line.style for line in view.lines] == ["band", "mean", "mean", "mean"]
        mean = view.lines[1].series
        assert mean.values[-1] == pytest.approx(0.75)
        assert "high (2)" in stage.text
        assert "min to max" in stage.text


async def test_no_seeds_are_said_to_be_none() -> None:
    async with on_stage(frame(*four()[1:]), (140, 45)) as stage:
        await compare(stage, "a")
        await stage.press("g")
        assert "no two runs differ in their seed only" in stage.text


async def test_a_metric_is_chosen_by_a_part_of_its_name() -> None:
    async with on_stage(frame(*four()), (140, 45)) as stage:
        screen = await compare(stage, "a")
        await stage.press("slash", *"box_r", "enter")
        assert screen.state.metric == "loss/loss_box_reg"
        await stage.press("m")
        assert screen.state.metric != "loss/loss_box_reg"


async def test_a_run_that_lacks_the_metric_is_named() -> None:
    plain = replace(run_frame("r9", "plain"), info=RunInfo("r9", "plain"))
    async with on_stage(frame(*four()[:2], plain), (140, 45)) as stage:
        await compare(stage, "a")
        assert "c has no such metric" in stage.text


async def test_enter_opens_the_selected_run_and_escape_comes_back() -> None:
    async with on_stage(frame(*four()), (140, 45)) as stage:
        await compare(stage, "a")
        await stage.press("j", "enter")
        assert isinstance(stage.app.screen, RunScreen)
        assert stage.app.screen.run_id == "r1"
        await stage.press("escape")
        assert isinstance(stage.app.screen, CompareScreen)


async def test_a_frame_that_says_the_same_repaints_nothing() -> None:
    runs = four()
    async with on_stage(frame(*runs), (200, 50)) as stage:
        await compare(stage, "a")
        painted = stage.count_repaints()
        await stage.show(frame(*runs, tick=2, made_at=1.7e9 + 0.1))
        assert painted() == 0
