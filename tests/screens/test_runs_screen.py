"""The list of runs, as a reader with a keyboard meets it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screens.frames import BAD_TARGETS, OSCILLATION, frame, run_frame, sick_run
from screens.stage import SIZES, on_stage, screen_text

from dettui.charts.numbers import number
from dettui.domain.finding import Severity
from dettui.domain.frame import Frame, RunFrame
from dettui.domain.run import RunState
from dettui.screens.run import RunScreen
from dettui.screens.runs import RunsScreen
from dettui.widgets.words import SEVERITIES, STATES


def three_runs() -> tuple[RunFrame, RunFrame, RunFrame]:
    return (
        run_frame("a", "alpha", findings=(BAD_TARGETS,)),
        run_frame("b", "beta", findings=(OSCILLATION,)),
        run_frame("c", "gamma"),
    )


async def test_one_run_opens_on_its_own_screen() -> None:
    async with on_stage(frame(sick_run())) as stage:
        assert isinstance(stage.app.screen, RunScreen)


async def test_several_runs_open_on_the_list() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        assert isinstance(stage.app.screen, RunsScreen)
        assert all(name in stage.text for name in ("alpha", "beta", "gamma"))


async def test_a_second_run_that_was_there_all_along_brings_the_list() -> None:
    first, second, _ = three_runs()
    async with on_stage(frame(first)) as stage:
        await stage.show(frame(first, second, made_at=1.7e9 + 0.5))
        assert isinstance(stage.app.screen, RunsScreen)


async def test_a_run_that_starts_later_does_not_take_the_screen_away() -> None:
    first, second, _ = three_runs()
    async with on_stage(frame(first)) as stage:
        await stage.show(frame(first, made_at=1.7e9 + 60))
        await stage.show(frame(first, second, made_at=1.7e9 + 61))
        assert isinstance(stage.app.screen, RunScreen)


async def test_no_run_teaches_both_ways_to_attach_one() -> None:
    async with on_stage(frame(), size=(80, 24)) as stage:
        assert "probe.watch(model, optimizer" in stage.text
        assert "python -m dettui_probe train.py" in stage.text


async def test_the_empty_list_fills_by_itself() -> None:
    async with on_stage(frame()) as stage:
        await stage.show(frame(*three_runs()))
        assert "alpha" in stage.text
        assert "No run yet" not in stage.text


async def test_selection_survives_reordering() -> None:
    a, b, c = three_runs()
    async with on_stage(frame(a, b, c)) as stage:
        await stage.press("j")
        await stage.show(frame(c, a, b, tick=2))
        await stage.press("enter")
        assert isinstance(stage.app.screen, RunScreen)
        assert stage.app.screen.run_id == "b"


async def test_enter_opens_and_escape_returns_to_the_list() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        await stage.press("enter")
        assert isinstance(stage.app.screen, RunScreen)
        await stage.press("escape")
        assert isinstance(stage.app.screen, RunsScreen)


async def test_the_filter_leaves_matching_runs_and_escape_brings_all_back() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        await stage.press("slash", *"bet", "enter")
        assert "beta" in stage.text
        assert "alpha" not in stage.text
        await stage.press("escape")
        assert "alpha" in stage.text


async def test_keys_typed_into_the_filter_are_text_and_not_commands() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        await stage.press("slash", *"qd?p")
        assert stage.app.is_running
        assert "No run matches qd?p" in stage.text


async def test_every_state_has_a_word_on_screen() -> None:
    runs = [run_frame(state.value, f"run {state.value}", state=state, step=50) for state in RunState]
    async with on_stage(frame(*runs)) as stage:
        for state, sign in STATES.items():
            row = next(row for row in stage.text.splitlines() if f"run {state.value}" in row)
            assert sign.word in row
            assert sign.glyph in row


@pytest.mark.parametrize("severity", list(SEVERITIES))
async def test_no_colour_still_tells_severity(severity: Severity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    finding = replace(OSCILLATION, severity=severity)
    async with on_stage(frame(sick_run(diagnosis=run_frame(findings=(finding,)).diagnosis))) as stage:
        sign = SEVERITIES[severity]
        assert f"{sign.glyph} {sign.word}" in stage.text


async def test_no_colour_sends_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(frame(*three_runs())) as stage:
        styles = [segment.style for strip in stage.strips() for segment in strip if segment.style]
        assert styles
        assert all(style.color is None or style.color.is_default for style in styles)
        assert all(style.bgcolor is None or style.bgcolor.is_default for style in styles)


async def test_old_data_is_called_stale_in_words() -> None:
    async with on_stage(frame(run_frame("a", "alpha", age_s=42.0), run_frame("b", "beta"))) as stage:
        assert "!STALE 42s" in stage.text


async def test_a_hostile_name_moves_nothing_and_obeys_nothing() -> None:
    name = "\x1b[2J\x1b]0;owned\x07\u202e" + "x" * 300
    async with on_stage(frame(run_frame("a", name), run_frame("b", "beta")), size=(80, 24)) as stage:
        assert "\x1b" not in stage.text
        assert "\u202e" not in stage.text
        rows = stage.text.splitlines()
        assert all(len(row) <= 80 for row in rows)
        assert rows[2].rstrip().endswith(number(run_frame().series["loss/total"].last))


@pytest.mark.parametrize("size", SIZES)
async def test_sixty_four_runs_scroll_and_the_last_one_is_reachable(size: tuple[int, int]) -> None:
    runs = [run_frame(f"r{i}", f"number {i:02d}", step=200) for i in range(64)]
    async with on_stage(frame(*runs), size=size) as stage:
        await stage.press("G")
        assert "▸" in next(row for row in stage.text.splitlines() if "number 63" in row)


async def test_a_frame_that_says_the_same_repaints_nothing() -> None:
    runs = three_runs()
    async with on_stage(frame(*runs)) as stage:
        before = screen_text(stage.app)
        painted = stage.count_repaints()
        await stage.show(Frame(2, 1.7e9 + 0.1, runs))
        assert painted() == 0
        assert screen_text(stage.app) == before
