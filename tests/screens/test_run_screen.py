"""The screen of one run: where things stand, what each key does, and what the screen owns up to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from screens.frames import (
    BAD_BOXES,
    BAD_TARGETS,
    IMBALANCE,
    OSCILLATION,
    diagnosis,
    evaluated_run,
    frame,
    run_frame,
    series,
    sick_run,
)
from screens.stage import SIZES, Stage, on_stage

from dettui.charts.view import CurveView
from dettui.domain.finding import Evidence
from dettui.domain.frame import Frame, RunFrame, Vitals
from dettui.domain.run import Liveness, RunState
from dettui.domain.series import Series
from dettui.screens.finding import FindingScreen
from dettui.screens.run import RunScreen
from dettui.screens.runs import RunsScreen
from dettui.screens.view_state import ViewState
from dettui.screens.views import curve_view
from dettui.widgets.curve import CurveChart
from dettui.widgets.run_text import headline
from dettui.widgets.text import text_of


def view_of(stage: Stage, pane: str = "loss") -> CurveView:
    view = stage.app.screen.query_one(f"#{pane}", CurveChart).view
    assert view is not None
    return view


def panes_of(stage: Stage) -> set[str]:
    return {str(pane.id) for pane in stage.app.screen.query_one("#panes").children if pane.display}


@pytest.mark.parametrize("size", SIZES)
async def test_the_worst_finding_its_cause_and_its_remedy_are_on_screen_at_once(size: tuple[int, int]) -> None:
    async with on_stage(frame(sick_run()), size=size) as stage:
        assert "■ Boxes are not in the format that" in stage.text
        assert "certain  boxes wrong format" in stage.text
        assert "convert the boxes to xyxy" in stage.text


@pytest.mark.parametrize("size", SIZES)
async def test_the_header_says_how_firmly_the_cause_is_held(size: tuple[int, int]) -> None:
    async with on_stage(frame(sick_run()), size=size) as stage:
        assert "← boxes wrong format (certain)  +1" in stage.text.splitlines()[1]


def test_a_long_title_is_cut_before_its_cause_and_that_before_its_tier() -> None:
    long = replace(BAD_TARGETS, title="x" * 200, causes=(replace(BAD_BOXES, id="y" * 60),))
    for run in (run_frame(findings=(finding, OSCILLATION)) for finding in (BAD_TARGETS, long)):
        whole = text_of(headline(run))
        for room in range(40, 200):
            told = text_of(headline(run, room=room))
            assert told.startswith("■ ") and told.endswith(" (certain)  +1")
            assert len(told) <= room
            assert ("… ←" in told) == (len(whole) > room)


@pytest.mark.parametrize("size", SIZES)
async def test_no_row_is_wider_than_the_terminal(size: tuple[int, int]) -> None:
    async with on_stage(frame(sick_run()), size=size) as stage:
        assert {len(row) for row in stage.text.splitlines()} == {size[0]}


async def test_a_small_terminal_shows_one_chart_and_the_findings() -> None:
    async with on_stage(frame(sick_run()), size=(80, 24)) as stage:
        assert panes_of(stage) == {"loss", "findings"}
        await stage.press("3")
        assert panes_of(stage) == {"grad", "findings"}


async def test_a_large_terminal_shows_every_pane() -> None:
    async with on_stage(frame(sick_run()), size=(200, 50)) as stage:
        assert panes_of(stage) == {"loss", "lr", "grad", "update", "classes", "findings"}


async def test_a_pane_can_be_maximised_and_escape_brings_the_others_back() -> None:
    async with on_stage(frame(sick_run()), size=(200, 50)) as stage:
        await stage.press("5", "m")
        assert panes_of(stage) == {"classes"}
        await stage.press("escape")
        assert len(panes_of(stage)) == 6


@pytest.mark.parametrize("size", SIZES)
async def test_evaluations_have_a_chart_of_their_own(size: tuple[int, int]) -> None:
    async with on_stage(frame(evaluated_run()), size=size) as stage:
        await stage.press("7")
        assert "eval" in panes_of(stage)
        view = view_of(stage, "eval")
        assert [(line.series.tag, line.style) for line in view.lines] == [("eval/mAP50", "curve")]
        assert view.smoothing == 0
        assert view.extent == (1, 990)


@pytest.mark.parametrize(
    ("size", "beside"),
    [((80, 24), set()), ((140, 45), {"grad", "eval"}), ((200, 50), {"grad", "update", "eval"})],
)
async def test_evaluations_stand_beside_the_gradient_norm_where_there_is_room(
    size: tuple[int, int], beside: set[str]
) -> None:
    async with on_stage(frame(evaluated_run()), size=size) as stage:
        assert panes_of(stage) & {"grad", "update", "eval"} == beside


async def test_the_update_ratio_takes_the_place_of_the_evaluations_while_it_is_focused() -> None:
    async with on_stage(frame(evaluated_run()), size=(140, 45)) as stage:
        await stage.press("4")
        assert panes_of(stage) & {"grad", "update", "eval"} == {"grad", "update"}


@pytest.mark.parametrize("size", SIZES)
async def test_newest_and_best_evaluation_stand_in_the_title(size: tuple[int, int]) -> None:
    async with on_stage(frame(evaluated_run()), size=size) as stage:
        await stage.press("7")
        assert "▸7 eval mAP50  0.605  best 0.666 @ 600" in stage.text


async def test_the_best_of_errors_is_the_lowest() -> None:
    async with on_stage(frame(evaluated_run(tag="eval/loss", scores=(2.0, 0.9, np.nan, 1.1)))) as stage:
        await stage.press("7", "m")
        assert "7 eval loss  1.1  best 0.9 @ 200" in stage.text


async def test_no_evaluation_is_called_the_best_where_its_name_has_no_direction() -> None:
    async with on_stage(frame(evaluated_run(tag="eval/boxes_per_image"))) as stage:
        assert "7 eval boxes_per_image  0.605" in stage.text
        assert "best" not in stage.text


async def test_several_evaluations_share_the_chart_and_each_names_its_best() -> None:
    run = evaluated_run()
    both = {**evaluated_run(tag="eval/mAP", scores=(0.1, 0.3, 0.2)).series, **run.series}
    async with on_stage(frame(replace(run, series=both)), size=(200, 50)) as stage:
        await stage.press("7", "m")
        assert "▸7 eval  a mAP 0.2  b mAP50 0.605  a best 0.3 @ 200  b best 0.666 @ 600" in stage.text


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_without_evaluations_has_no_chart_for_them(size: tuple[int, int]) -> None:
    async with on_stage(frame(sick_run()), size=size) as stage:
        before = panes_of(stage)
        await stage.press("7")
        assert panes_of(stage) == before
        assert "eval" not in before


async def test_the_chart_of_evaluations_comes_with_the_first_one() -> None:
    async with on_stage(frame(run_frame())) as stage:
        assert "eval" not in panes_of(stage)
        await stage.show(frame(evaluated_run(scores=(0.3,)), tick=2))
        assert "7 eval mAP50  0.3  best 0.3 @ 100" in stage.text


async def test_only_findings_measured_on_evaluations_are_drawn_over_them() -> None:
    worse = Evidence("eval/mAP50", (600, 900), 0.06, 0.03, ">", "worse than its best")
    overfit = replace(OSCILLATION, kind="overfit", first_step=600, last_step=900, title="worse", evidence=(worse,))
    async with on_stage(frame(evaluated_run(OSCILLATION, overfit))) as stage:
        view = view_of(stage, "eval")
        assert [(band.first, band.last, band.kind) for band in view.bands] == [(600, 900, "overfit")]
        assert [mark.step for mark in view.marks if mark.kind == "finding"] == [600]


async def test_enter_on_a_finding_jumps_to_its_steps() -> None:
    spike = replace(OSCILLATION, kind="spike", first_step=420, last_step=450)
    async with on_stage(frame(sick_run(diagnosis=diagnosis(BAD_TARGETS, spike)))) as stage:
        await stage.press("j", "enter")
        view = view_of(stage)
        assert view.cursor == 420
        assert view.x_range is not None
        assert 300 < view.x_range[0] <= 420
        assert 450 <= view.x_range[1] < 600
        assert view_of(stage, "lr").x_range == view.x_range


async def test_enter_once_more_opens_the_finding() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("j", "enter", "enter")
        assert isinstance(stage.app.screen, FindingScreen)
        assert "What was measured" in stage.text
        assert "− the gradient norm did not grow" in stage.text
        assert "divide the learning rate by 10" in stage.text


async def test_n_goes_round_the_findings_and_shows_the_steps_of_each() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("n")
        assert view_of(stage).cursor == OSCILLATION.first_step
        await stage.press("n")
        assert view_of(stage).cursor == IMBALANCE.first_step
        await stage.press("n")
        assert view_of(stage).cursor == BAD_TARGETS.first_step


async def test_the_selected_finding_stays_selected_when_a_worse_one_comes() -> None:
    before = sick_run(diagnosis=diagnosis(OSCILLATION))
    async with on_stage(frame(before)) as stage:
        await stage.press("j")
        later = replace(OSCILLATION, last_step=1000, title="Loss swings by 41 % with a period of 24 steps")
        await stage.show(frame(sick_run(diagnosis=diagnosis(BAD_TARGETS, later))))
        assert "▸ ▲ warning   Loss swings by 41 %" in stage.text


async def test_a_worse_finding_that_came_later_is_opened_while_none_was_chosen() -> None:
    async with on_stage(frame(sick_run(diagnosis=diagnosis(OSCILLATION)))) as stage:
        assert "▸ ▲ warning   Loss swings" in stage.text
        await stage.show(frame(sick_run(diagnosis=diagnosis(BAD_TARGETS, OSCILLATION))))
        assert "▸ ■ critical" in stage.text
        await stage.show(frame(sick_run(diagnosis=diagnosis(OSCILLATION))))
        assert "▸ ▲ warning   Loss swings" in stage.text


async def test_a_finding_over_a_range_is_a_band_on_the_loss() -> None:
    async with on_stage(frame(sick_run())) as stage:
        assert [(band.first, band.last, band.kind) for band in view_of(stage).bands] == [(420, 990, "oscillation")]


async def test_zoom_pan_and_follow() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("plus")
        zoomed = view_of(stage).x_range
        assert zoomed is not None
        assert zoomed[1] == 990
        await stage.press("h")
        panned = view_of(stage).x_range
        assert panned is not None
        assert panned[1] < 990
        await stage.press("0")
        assert view_of(stage).x_range is None


async def test_the_zoom_survives_new_data() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("plus")
        zoomed = view_of(stage).x_range
        await stage.show(frame(run_frame(step=1200)))
        assert view_of(stage).x_range == zoomed


async def test_one_cursor_on_all_charts() -> None:
    async with on_stage(frame(sick_run()), size=(200, 50)) as stage:
        await stage.press("left_square_bracket", "left_square_bracket")
        cursor = view_of(stage).cursor
        assert cursor is not None
        assert cursor < 990
        assert {view_of(stage, pane).cursor for pane in ("lr", "grad", "update")} == {cursor}


async def test_smoothing_goes_round_and_keeps_the_raw_curve() -> None:
    async with on_stage(frame(sick_run())) as stage:
        first = view_of(stage).smoothing
        await stage.press("s")
        assert view_of(stage).smoothing != first
        assert view_of(stage).lines[0].raw
        await stage.press("s", "s")
        assert view_of(stage).smoothing == first


async def test_the_learning_rate_is_drawn_as_steps_and_never_smoothed() -> None:
    async with on_stage(frame(sick_run())) as stage:
        assert view_of(stage, "lr").smoothing == 0
        assert {line.style for line in view_of(stage, "lr").lines} == {"steps"}


async def test_log_scale_is_a_matter_of_each_pane() -> None:
    async with on_stage(frame(sick_run()), size=(200, 50)) as stage:
        await stage.press("y")
        assert view_of(stage).y_log
        await stage.press("3", "y")
        assert not view_of(stage, "grad").y_log
        assert view_of(stage).y_log


async def test_terms_of_the_loss_can_be_looked_at_one_by_one() -> None:
    async with on_stage(frame(sick_run())) as stage:
        assert len(view_of(stage).lines) == 5
        await stage.press("t")
        assert [line.series.tag for line in view_of(stage).lines] == ["loss/total"]
        await stage.press("t")
        only = view_of(stage).lines[0]
        assert (only.series.tag, only.colour_class) == ("loss/loss_box_reg", 1)


async def test_tab_walks_through_all_panes() -> None:
    async with on_stage(frame(sick_run()), size=(80, 24)) as stage:
        seen = []
        for _ in range(6):
            await stage.press("tab")
            assert isinstance(stage.app.screen, RunScreen)
            seen.append(stage.app.screen.state.focused)
        assert seen == ["lr", "grad", "update", "classes", "findings", "loss"]


async def test_tab_reaches_the_evaluations_of_a_run_that_has_some() -> None:
    async with on_stage(frame(evaluated_run()), size=(80, 24)) as stage:
        await stage.press("shift+tab")
        assert panes_of(stage) == {"eval", "findings"}


async def test_escape_takes_back_one_thing_at_a_time() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("plus", "left_square_bracket", "escape")
        assert view_of(stage).cursor is None
        assert view_of(stage).x_range is not None
        await stage.press("escape")
        assert view_of(stage).x_range is None
        await stage.press("escape")
        assert isinstance(stage.app.screen, RunsScreen)


async def test_paused_display_says_so() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("p")
        await stage.show(Frame(2, 1.7e9 + 12, (run_frame(step=1110),)))
        assert "PAUSED, 12s and 120 steps behind" in stage.text
        assert "step 990/4,000" in stage.text
        await stage.press("p")
        assert "PAUSED" not in stage.text
        assert "step 1,110/4,000" in stage.text


async def test_stale_data_is_told_in_words_at_the_top_and_in_a_line_of_its_own() -> None:
    async with on_stage(frame(run_frame(age_s=12.0)), size=(80, 24)) as stage:
        assert "!STALE 12s" in stage.text
        assert "what you see is 12s old" in stage.text


async def test_lost_data_is_told_even_on_a_narrow_terminal() -> None:
    vitals = Vitals(990, 9.8, None, 0.1, 0.01, dropped=1234)
    async with on_stage(frame(sick_run(vitals=vitals)), size=(80, 24)) as stage:
        assert "! 1,234 rows DROPPED" in stage.text


async def test_dropped_thinned_and_unreadable_data_are_owned_up_to() -> None:
    vitals = Vitals(990, 9.8, None, 0.1, 0.01, dropped=1234, thinned={"gradients": 4}, holes=2)
    async with on_stage(frame(sick_run(vitals=vitals)), size=(200, 50)) as stage:
        assert "1,234 rows DROPPED" in stage.text
        assert "2 HOLES in the log" in stage.text
        assert "thinned: gradients 1/4" in stage.text


async def test_a_lost_link_and_a_crash_give_their_reason() -> None:
    lost = sick_run(liveness=Liveness(RunState.LOST, "no answer from gpu01; trying again"))
    async with on_stage(frame(lost), size=(80, 24)) as stage:
        assert "? LINK LOST" in stage.text
        assert "no answer from gpu01; trying again" in stage.text
        await stage.show(frame(sick_run(liveness=Liveness(RunState.CRASHED, "ValueError: bad box"))))
        assert "✗ CRASHED: ValueError: bad box" in stage.text


async def test_the_panes_take_the_row_of_a_notice_that_has_gone() -> None:
    noticed = sick_run(notices=("the log ends in the middle of a record",))
    async with on_stage(frame(noticed)) as stage:
        await stage.show(frame(sick_run(), tick=2))
        room, pane = (stage.app.screen.query_one(name) for name in ("#panes", "#grad"))
        while pane.region.bottom != room.region.bottom:  # the layout comes when it comes; the test's limit is the end
            await stage.pilot.pause(0.01)
        assert "the log ends" not in stage.text


async def test_notices_of_the_run_are_shown() -> None:
    async with on_stage(frame(sick_run(notices=("the log ends in the middle of a record",)))) as stage:
        assert "! the log ends in the middle of a record" in stage.text


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_but_nan_is_shown_as_nan(size: tuple[int, int]) -> None:
    nothing = {tag: series(tag, np.full(300, np.nan)) for tag in run_frame().series}
    async with on_stage(frame(sick_run(series=nothing)), size=size) as stage:
        assert "NaN" in stage.text


async def test_a_run_without_any_point_says_that_there_is_none_yet() -> None:
    young = RunFrame(run_frame().info, Liveness(RunState.STARTING), Vitals(), diagnosis(step=0))
    async with on_stage(frame(young), size=(80, 24)) as stage:
        assert "no data yet" in stage.text
        assert "○ starting" in stage.text


async def test_too_small_a_terminal_says_what_it_needs() -> None:
    async with on_stage(frame(sick_run()), size=(50, 12)) as stage:
        assert stage.text.splitlines()[0].startswith("terminal too small: needs 60x16")
        assert [row for row in stage.text.splitlines()[1:] if row.strip()] == []


async def test_ascii_mode_draws_nothing_beyond_ascii() -> None:
    async with on_stage(frame(sick_run()), size=(200, 50), ascii_only=True) as stage:
        assert stage.text.isascii()
        assert "critical" in stage.text


async def test_idle_repaints_nothing() -> None:
    run = sick_run()
    async with on_stage(frame(run), size=(200, 50)) as stage:
        painted = stage.count_repaints()
        await stage.show(Frame(2, 1.7e9 + 1, (run,)))
        assert painted() == 0


async def test_a_small_change_repaints_few_cells() -> None:
    run = sick_run()
    async with on_stage(frame(run), size=(200, 50)) as stage:
        painted = stage.count_repaints()
        await stage.show(Frame(2, 1.7e9 + 1, (replace(run, vitals=replace(run.vitals, rate=9.9)),)))
        assert "9.9/s" in stage.text
        assert 0 < painted() <= 200


async def test_light_and_dark_change_places_and_say_the_same() -> None:
    async with on_stage(frame(sick_run()), light=True) as stage:
        light = stage.text
        await stage.press("d")
        assert stage.app.theme == "dettui-dark"
        assert stage.text == light


async def test_quit_leaves_at_once() -> None:
    async with on_stage(frame(sick_run())) as stage:
        await stage.press("q")
        assert not stage.app.is_running


def started_again(step: int = 600) -> RunFrame:
    """A run that came to step 600 and was started again at step 400."""
    run = sick_run()
    total = run.series["loss/total"]
    again = total.between(400, 500)
    joined = [
        np.concatenate([getattr(total.between(1, step), n), getattr(again, n)]) for n in ("steps", "values", "times")
    ]
    series = Series("loss/total", *joined, starts=(step,))
    return replace(run, series={"loss/total": series}, vitals=replace(run.vitals, step=500))


def test_an_earlier_start_is_a_faint_line_of_its_own() -> None:
    view = curve_view(started_again(), "loss", ViewState())
    newest, older = view.lines
    assert (newest.style, older.style) == ("curve", "older")
    assert (len(newest.series), len(older.series)) == (101, 600)
    assert view.curves == (newest,)
    assert view.full_range == (1, 600)


async def test_a_run_that_was_started_again_shows_both_starts() -> None:
    async with on_stage(frame(started_again()), size=(140, 45)) as stage:
        dots = [segment.style for strip in stage.strips() for segment in strip if _has_dots(segment.text)]
        assert len({style.color.name for style in dots if style and style.color}) >= 2


def _has_dots(text: str) -> bool:
    return any("\u2800" < character <= "\u28ff" for character in text)
