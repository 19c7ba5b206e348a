"""What was proved before training, and the targets to open, as a reader meets them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screens.frames import BAD_TARGETS, frame, run_frame, sick_run
from screens.stage import SIZES, on_stage

from dettui.domain.check import BadTarget, Check
from dettui.domain.finding import Evidence
from dettui.domain.frame import RunFrame
from dettui.domain.run import Liveness, RunState
from dettui.screens.checks import ChecksScreen
from dettui.screens.run import RunScreen
from dettui.widgets.checks_text import failed_first, target_text

PASSED = Check("target_structure", "passed", "keys, shapes, types and lengths agree in 128 images", seconds=0.4)
ABSTAINED = Check("evaluator", "abstained", "no evaluator was given")
NOTED = Check("batch_norm", "failed", "variance 3e5 times the median", "info", "batchnorm_poisoned", "look at it")
DOUBTED = Check("anchors", "failed", "38 % of the objects match no anchor", "warning", "anchors_mismatch", "add sizes")
PROVED = Check(
    "marker_boxes",
    "failed",
    "41 of 64 markers stayed where they were while the image was mirrored",
    "certain",
    "boxes_not_transformed",
    "give A.Compose bbox_params",
)
CHECKS = (PASSED, ABSTAINED, NOTED, DOUBTED, PROVED)

NEWEST = BadTarget(41, "degenerate", "no width", 2, "images/000123.jpg", 5, (10.0, 20.0, 10.0, 64.5), None, (640, 480))
NAMELESS = BadTarget(3, "label_illegal", "label 91", 0, box_index=1, label=91)
DEGENERATE = replace(BAD_TARGETS, evidence=(Evidence("targets/degenerate", (3, 990), 4.0, 0.0, ">", "4 of 90 boxes"),))


def checked_run(*checks: Check, targets: tuple[BadTarget, ...] = (), **changes: object) -> RunFrame:
    return replace(run_frame(), checks=checks, bad_targets=targets, **changes)  # type: ignore[arg-type]


def row_with(text: str, words: str) -> str:
    return next(row for row in text.splitlines() if words in row)


def test_failures_come_first_worst_ahead_then_what_was_not_judged() -> None:
    assert failed_first(CHECKS) == (PROVED, DOUBTED, NOTED, ABSTAINED, PASSED)


@pytest.mark.parametrize("size", SIZES)
async def test_c_opens_the_checks_with_the_worst_failure_explained(size: tuple[int, int]) -> None:
    async with on_stage(frame(checked_run(*CHECKS)), size=size) as stage:
        await stage.press("c")
        assert isinstance(stage.app.screen, ChecksScreen)
        assert "3 failed, 1 passed, 1 not judged" in stage.text
        assert "boxes not transformed" in row_with(stage.text, "because")
        assert "41 of 64 markers" in row_with(stage.text, "measured")
        assert "give A.Compose bbox_params" in row_with(stage.text, "  do ")


async def test_each_verdict_has_a_word_and_not_only_a_colour() -> None:
    async with on_stage(frame(checked_run(*CHECKS))) as stage:
        await stage.press("c")
        assert "▲ failed" in row_with(stage.text, "anchors")
        assert "● note" in row_with(stage.text, "batch norm")
        assert "✓ passed" in row_with(stage.text, "target structure")
        assert "… not judged" in row_with(stage.text, "evaluator")


async def test_moving_down_opens_the_next_check() -> None:
    async with on_stage(frame(checked_run(*CHECKS))) as stage:
        await stage.press("c", "j")
        assert "anchors mismatch" in row_with(stage.text, "because")
        await stage.press("k")
        assert "boxes not transformed" in row_with(stage.text, "because")


async def test_a_selected_check_stays_open_when_a_worse_one_is_told() -> None:
    async with on_stage(frame(checked_run(PASSED, DOUBTED))) as stage:
        await stage.press("c", "j", "k")
        await stage.show(frame(checked_run(PASSED, DOUBTED, PROVED), tick=2))
        assert "anchors mismatch" in row_with(stage.text, "because")


async def test_the_last_of_many_checks_is_in_sight_when_it_is_open() -> None:
    many = [replace(PASSED, name=f"check {i:02d}") for i in range(26)]
    async with on_stage(frame(checked_run(*many)), size=(80, 24)) as stage:
        await stage.press("c", *["j"] * 25)
        assert "▸ ✓ passed" in row_with(stage.text, "check 25")


async def test_escape_goes_back_to_the_run() -> None:
    async with on_stage(frame(checked_run(*CHECKS))) as stage:
        await stage.press("c", "escape")
        assert isinstance(stage.app.screen, RunScreen)


async def test_a_run_without_a_preflight_says_how_to_make_one() -> None:
    async with on_stage(frame(checked_run()), size=(80, 24)) as stage:
        await stage.press("c")
        assert "No pre-flight was made" in stage.text
        assert "probe.preflight(model, loader, optimizer)" in stage.text


@pytest.mark.parametrize("size", SIZES)
async def test_the_run_says_at_its_top_how_many_checks_failed(size: tuple[int, int]) -> None:
    async with on_stage(frame(checked_run(*CHECKS)), size=size) as stage:
        assert "pre-flight: 2 failed (c)" in stage.text.splitlines()[1]


async def test_a_preflight_that_passed_says_nothing_at_the_top() -> None:
    async with on_stage(frame(checked_run(PASSED, ABSTAINED, NOTED))) as stage:
        assert "pre-flight" not in stage.text


async def test_an_open_finding_names_the_newest_file_that_it_was_raised_for() -> None:
    run = sick_run(bad_targets=(NEWEST, NAMELESS), diagnosis=run_frame(findings=(DEGENERATE,)).diagnosis)
    async with on_stage(frame(run), size=(200, 50)) as stage:
        assert "step 41: images/000123.jpg (640x480)" in row_with(stage.text, "look at")
        assert "label 91" not in stage.text
        await stage.press("e")
        assert "step 41: images/000123.jpg (640x480) box 5 [10, 20, 10, 64.5]" in stage.text


async def test_all_bad_targets_stand_below_the_checks() -> None:
    async with on_stage(frame(checked_run(PASSED, targets=(NEWEST, NAMELESS)))) as stage:
        await stage.press("c")
        assert "images/000123.jpg" in row_with(stage.text, "degenerate")
        assert "image 0 of its batch box 1 label 91" in row_with(stage.text, "label illegal")


def test_a_target_without_box_or_label_says_what_was_wrong() -> None:
    assert target_text(BadTarget(2, "length_mismatch", "3 boxes but 5 labels", 1)) == (
        "step 2: image 1 of its batch 3 boxes but 5 labels"
    )


async def test_hostile_checks_and_files_move_nothing_and_obey_nothing() -> None:
    evil = "\x1b[2J\u202e" + "x" * 500
    run = checked_run(Check(evil, "failed", evil, "certain", evil, evil), targets=(replace(NEWEST, file=evil),))
    async with on_stage(frame(run), size=(80, 24)) as stage:
        await stage.press("c")
        assert "\x1b" not in stage.text
        assert "\u202e" not in stage.text


async def test_what_lasted_to_the_end_of_a_finished_run_reads_as_a_range() -> None:
    over = sick_run(liveness=Liveness(RunState.FINISHED))
    async with on_stage(frame(over), size=(200, 50)) as stage:
        assert "steps 3–990, raised at step 20" in stage.text
        assert "since step" not in stage.text
