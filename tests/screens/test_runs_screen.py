"""The list of runs, as a reader with a keyboard meets it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screens.frames import BAD_TARGETS, OSCILLATION, frame, run_frame, sick_run
from screens.stage import SIZES, on_stage, screen_text

from dettui.charts.numbers import number
from dettui.domain.finding import Severity
from dettui.domain.frame import Frame, RunFrame
from dettui.domain.link import Link, LinkState
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


# --- warnings that may be chance ----------------------------------------------------------------------------------


def sixty_four_runs() -> Frame:
    """A critical run, a warning that stands, two that may be chance, and 60 without a finding."""
    critical, standing, _ = three_runs()
    chance = [run_frame(id, f"maybe {id}", findings=(OSCILLATION,), step=50) for id in ("x", "y")]
    calm = [run_frame(f"r{i}", f"number {i:02d}", step=50) for i in range(60)]
    return replace(frame(critical, standing, *chance, *calm), by_chance=frozenset(("x", "y")))


@pytest.mark.parametrize("size", SIZES)
async def test_a_warning_that_may_be_chance_is_hollow_and_says_so(size: tuple[int, int]) -> None:
    async with on_stage(sixty_four_runs(), size=size) as stage:
        assert "■ 1  ▲ 1  △ 2 may be chance among 64 runs" in stage.text.splitlines()[0]
        assert stage.text.count("△ may be chance: Loss swings by") == 2
        assert stage.text.count("▲ Loss swings by") == 1


async def test_a_warning_that_may_be_chance_is_told_without_unicode() -> None:
    async with on_stage(sixty_four_runs(), ascii_only=True) as stage:
        assert "! 1  ^ 2 may be chance among 64 runs" in stage.text.splitlines()[0]
        assert stage.text.count("^ may be chance: Loss swings by") == 2
        assert stage.text.count("! Loss swings by") == 1


async def test_a_warning_that_comes_to_stand_is_full_at_once() -> None:
    shown = sixty_four_runs()
    async with on_stage(shown) as stage:
        await stage.show(replace(shown, tick=2, by_chance=frozenset("x")))
        assert stage.text.count("△ may be chance: Loss swings by") == 1
        assert stage.text.count("▲ Loss swings by") == 2


async def test_a_group_is_as_bad_as_its_worst_warning_that_stands() -> None:
    shown = sixty_four_runs()
    on_other_host = [replace(run, info=replace(run.info, host="gpu02")) for run in shown.runs[2:]]
    async with on_stage(replace(shown, runs=(*shown.runs[:2], *on_other_host))) as stage:
        await stage.press("o")
        heads = [row for row in stage.text.splitlines() if "▼" in row]
        assert "■ 2 with findings" in heads[0]
        assert "△ 2 with findings" in heads[1]


async def test_the_run_itself_says_what_was_found_as_ever() -> None:
    shown = sixty_four_runs()
    async with on_stage(shown) as stage:
        await stage.press("j", "j", "enter")
        assert isinstance(stage.app.screen, RunScreen)
        assert "▲ Loss swings by" in stage.text
        assert "chance" not in stage.text


# --- groups, picks, filters ---------------------------------------------------------------------------------------


def on_hosts() -> tuple[RunFrame, ...]:
    """Two hosts; the worst run is on the second."""
    a, b, c = three_runs()
    return (replace(a, info=replace(a.info, host="gpu02")), b, c)


async def test_runs_are_grouped_by_host_in_the_order_of_their_worst() -> None:
    async with on_stage(frame(*on_hosts())) as stage:
        await stage.press("o")
        heads = [row.split()[1] for row in stage.text.splitlines() if row.lstrip("▸ ").startswith("▼")]
        assert heads == ["gpu02", "gpu01"]
        assert "by host" in stage.text


async def test_a_group_folds_into_its_head_and_unfolds_again() -> None:
    async with on_stage(frame(*on_hosts())) as stage:
        await stage.press("o", "G", "left")
        assert "▶ gpu01" in stage.text
        assert "beta" not in stage.text
        await stage.press("enter")
        assert "beta" in stage.text


async def test_seeds_of_one_setting_are_a_group() -> None:
    runs = [run_frame(str(i), f"net s{i}") for i in range(3)]
    async with on_stage(frame(*runs, run_frame("x", "other"))) as stage:
        await stage.press("o", "o")
        assert "▼ net  3 runs" in stage.text
        assert "▼ other  1 run" in stage.text


async def test_a_filter_that_is_not_done_keeps_the_last_result_and_says_why() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        await stage.press("slash", *"finding:osc")
        assert "beta" in stage.text
        assert "alpha" not in stage.text
        await stage.press(*" or (")
        assert "beta" in stage.text
        assert "alpha" not in stage.text
        assert "✗" in stage.text
        assert "shown is the last filter that held" in stage.text


async def test_a_filter_is_never_silent() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        await stage.press("slash", *"beta", "enter")
        assert "1 of 3 shown" in stage.text
        assert "beta" in stage.text.splitlines()[-2]  # its field stays


async def test_tab_completes_what_is_typed() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        await stage.press("slash", *"cause:lr", "tab")
        assert "cause:lr_too_high" in stage.text
        assert "alpha" not in stage.text


async def test_a_picked_run_shows_its_letter_and_the_summary_counts() -> None:
    async with on_stage(frame(*three_runs())) as stage:
        await stage.press("j", "space")
        assert "1 picked" in stage.text
        assert next(row for row in stage.text.splitlines() if "beta" in row)[1] == "a"


async def test_a_crash_says_its_last_line_in_the_list() -> None:
    crashed = run_frame("a", "alpha", state=RunState.CRASHED)
    crashed = replace(crashed, liveness=replace(crashed.liveness, reason="ValueError: no boxes"))
    async with on_stage(frame(crashed, run_frame("b", "beta")), size=(80, 24)) as stage:
        assert "✗ ValueError: no boxes" in stage.text


async def test_figures_of_a_row_move_twice_a_second_and_its_state_at_once() -> None:
    a, b, _ = three_runs()
    async with on_stage(frame(a, b)) as stage:
        further = replace(b, vitals=replace(b.vitals, step=1_000))
        await stage.show(frame(a, further, tick=2, made_at=1.7e9 + 0.2))
        assert "1,000/" not in stage.text
        await stage.show(frame(a, further, tick=3, made_at=1.7e9 + 0.6))
        assert "1,000/" in stage.text
        dead = replace(further, liveness=replace(b.liveness, state=RunState.KILLED))
        await stage.show(frame(a, dead, tick=4, made_at=1.7e9 + 0.7))
        assert "KILLED" in stage.text


async def test_a_lost_link_is_told_with_its_age() -> None:
    link = Link("gpu07", LinkState.LOST, since=1.7e9 - 12, text="connection reset", retry_at=1.7e9 + 4)
    shown = replace(frame(*three_runs()), links=(link,))
    async with on_stage(shown) as stage:
        assert "LINK LOST gpu07 for 12s, tried again in 4.0s: connection reset" in stage.text


async def test_a_row_that_comes_into_sight_is_up_to_date() -> None:
    runs = [run_frame(f"r{i}", f"number {i:02d}", step=200) for i in range(64)]
    further = [replace(run, vitals=replace(run.vitals, step=777)) for run in runs]
    async with on_stage(frame(*runs), size=(160, 24)) as stage:
        await stage.show(frame(*further, tick=2, made_at=1.7e9 + 0.6))
        await stage.press("G")
        assert "777/" in next(row for row in stage.text.splitlines() if "number 63" in row)
