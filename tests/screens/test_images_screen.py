"""What the model was last given to look at, as a reader sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from screens.frames import frame, run_frame
from screens.stage import SIZES, Stage, on_stage

from dettui.domain.finding import Evidence, Finding
from dettui.domain.frame import RunFrame
from dettui.domain.given import GivenImage
from dettui.domain.run import ModelInfo
from dettui.screens.images import ImagesScreen
from dettui.screens.run import RunScreen
from dettui.widgets.picture import HALF_BLOCK
from dettui.widgets.raster import ArrayRaster

BOXES = ((10.0, 10.0, 40.0, 50.0), (50.0, 20.0, 90.0, 70.0))


def given(
    step: int = 12, index: int = 0, boxes: Sequence[Sequence[float]] = BOXES, labels: tuple[int, ...] = (1, 2)
) -> GivenImage:
    rgb = np.full((72, 96, 3), 90, np.uint8)
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return GivenImage(step, 1.7e9 - 200, index, rgb, corners, labels, len(corners), (192, 144), (0.0, 1.0), False)


def exhibit(step: int, *what: str) -> GivenImage:
    """An image whose second box has no area."""
    boxes = (BOXES[0], (50.0, 20.0, 50.0, 70.0))
    return replace(given(step, 3, boxes), what=what, file="train/000042.jpg")


def run_with(*images: GivenImage, **changes: object) -> RunFrame:
    return replace(run_frame(), given=images, **changes)  # type: ignore[arg-type]


def colours_of_blocks(stage: Stage) -> set[tuple[int, ...]]:
    segments = [segment for strip in stage.strips() for segment in strip if HALF_BLOCK in segment.text]
    return {tuple(s.style.color.get_truecolor()) for s in segments if s.style and s.style.color}


@pytest.mark.parametrize("size", SIZES)
async def test_i_shows_the_newest_image_with_its_step_its_age_and_its_classes(size: tuple[int, int]) -> None:
    async with on_stage(frame(run_with(given())), size=size) as stage:
        await stage.press("i")
        assert isinstance(stage.app.screen, ImagesScreen)
        assert "image 0 of the batch of step 12  3m20s ago" in stage.text
        assert "B    1  circle" in stage.text
        assert "C    1  square" in stage.text
        assert "192x144 as given" in stage.text
        assert "20 20 80 100" in stage.text
        assert stage.text.count(HALF_BLOCK) > 40 * 15
        assert "terminal too small" not in stage.text


async def test_a_run_without_images_says_when_the_first_one_comes() -> None:
    async with on_stage(frame(run_with()), size=(80, 24)) as stage:
        await stage.press("i")
        assert "no image yet: the probe sends one with the first batch, then every 5 minutes" in stage.text
        await stage.press("right", "b", "down")
        assert isinstance(stage.app.screen, ImagesScreen)


async def test_left_and_right_browse_and_stay_at_the_ends() -> None:
    async with on_stage(frame(run_with(given(12, 0), given(12, 1), given(3, 5))), size=(80, 24)) as stage:
        await stage.press("i", "right")
        assert "image 1 of the batch of step 12" in stage.text
        await stage.press("right", "right")
        assert "image 5 of the batch of step 3" in stage.text
        await stage.press("left", "left", "left")
        assert "1 of 3" in stage.text


async def test_a_chosen_image_stays_when_a_newer_batch_comes() -> None:
    async with on_stage(frame(run_with(given(12, 0), given(12, 1))), size=(80, 24)) as stage:
        await stage.press("i", "right")
        await stage.show(frame(run_with(given(99), given(12, 0), given(12, 1)), tick=2))
        assert "image 1 of the batch of step 12" in stage.text


async def test_without_a_choice_the_newest_batch_is_shown_as_it_comes() -> None:
    async with on_stage(frame(run_with(given(12))), size=(80, 24)) as stage:
        await stage.press("i")
        await stage.show(frame(run_with(given(99), given(12)), tick=2))
        assert "batch of step 99" in stage.text


async def test_b_takes_the_boxes_off_and_puts_them_on_again() -> None:
    async with on_stage(frame(run_with(given())), size=(80, 24)) as stage:
        await stage.press("i")
        with_boxes = colours_of_blocks(stage)
        await stage.press("b")
        assert colours_of_blocks(stage) < with_boxes
        await stage.press("b")
        assert colours_of_blocks(stage) == with_boxes


@pytest.mark.parametrize(
    ("box", "label", "words"),
    [
        ((50.0, 20.0, 50.0, 70.0), 1, "no area"),
        ((float("nan"), 20.0, 50.0, 70.0), 1, "not finite"),
        ((10.0, 20.0, 50.0, 70.0), 91, "class id 91"),
        ((10.0, 20.0, 50.0, 70.0), 0, "background"),
    ],
)
async def test_a_box_that_cannot_be_right_is_marked_in_words(box: tuple[float, ...], label: int, words: str) -> None:
    model = ModelInfo("torchvision.FasterRCNN", num_classes=5, background=0)
    run = run_with(given(boxes=[box], labels=(label,)), model=model)
    async with on_stage(frame(run), size=(140, 45)) as stage:
        await stage.press("i")
        assert words in stage.text


async def test_a_stretched_image_says_so() -> None:
    stretched = replace(given(), value_range=(-2.1, 2.6), is_stretched=True)
    async with on_stage(frame(run_with(stretched)), size=(140, 45)) as stage:
        await stage.press("i")
        assert "values -2.1 to 2.6" in stage.text
        assert "scaled here" in stage.text


async def test_escape_goes_back_to_the_run() -> None:
    async with on_stage(frame(run_with(given()))) as stage:
        await stage.press("i", "escape")
        assert isinstance(stage.app.screen, RunScreen)


def test_an_array_is_drawn_smaller_as_means_and_larger_as_repeats() -> None:
    row = np.repeat(np.array([[0, 100, 200, 40]], np.uint8)[..., None], 3, axis=2)
    raster = ArrayRaster(row)
    assert raster.resize((2, 1), 4, reducing_gap=2.0)[0, :, 0].tolist() == [50, 120]
    assert raster.resize((8, 2), 4, reducing_gap=2.0)[1, :, 0].tolist() == [0, 0, 100, 100, 200, 200, 40, 40]


async def test_an_image_with_a_bad_target_says_what_and_which_file() -> None:
    async with on_stage(frame(run_with(exhibit(9, "degenerate"), given())), size=(80, 24)) as stage:
        await stage.press("i")
        assert "■ degenerate: image 3 of the batch of step 9" in stage.text
        assert "train/000042.jpg" in stage.text
        assert "no area" in stage.text
        await stage.press("right")
        assert "image 0 of the batch of step 12" in stage.text


async def test_i_on_a_finding_opens_an_image_that_it_was_raised_for() -> None:
    tag = "targets/label_background"
    evidence = Evidence(tag, (1, 9), 3.0, 0.0, ">", "3 objects carry label 0")
    finding = Finding("bad_targets", "critical", "active", 1, 9, 1, "labels", (evidence,))
    run = replace(
        run_with(exhibit(9, "degenerate"), exhibit(4, "label_background"), given()),
        diagnosis=replace(run_frame().diagnosis, findings=(finding,)),
    )
    async with on_stage(frame(run), size=(140, 45)) as stage:
        await stage.press("e", "i")
        assert isinstance(stage.app.screen, ImagesScreen)
        assert "label background: image 3 of the batch of step 4" in stage.text
        await stage.press("escape", "escape", "c", "i")
        assert "degenerate: image 3 of the batch of step 9" in stage.text
