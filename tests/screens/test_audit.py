"""The browser of an audit: what it shows first, what the keys do, and that boxes are where they belong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.segment import Segment
from textual.geometry import Size
from textual.pilot import Pilot
from unit.audit.sets import audited, scenes, write_coco, write_image

from dettui.audit.audit import Audit
from dettui.screens.audit import AuditBrowser, AuditScreen
from dettui.screens.audit_keys import KEYS, bindings
from dettui.widgets.picture import COLOURS, INK, Mark, frame_of, half_blocks, place, strips
from dettui.widgets.picture_graphics import paint

IMAGES = scenes(images=12, size=(160, 120))
SIZES = ((80, 24), (140, 45))
GROUND = (1, 2, 3)


@pytest.fixture
def found(tmp_path: Path) -> Audit:
    """Two suspicious images, 0004 and 0009, one whose file is missing, and healthy ones."""
    for index, scene in enumerate(IMAGES):
        write_image(tmp_path / "images" / scene.file, scene.size, seed=index)
    (tmp_path / "images" / "0009.jpg").unlink()

    def spoil(document: dict[str, Any]) -> None:
        first = next(a for a in document["annotations"] if a["image_id"] == 5)
        first["bbox"][2] = 0

    return audited(write_coco(tmp_path, IMAGES, spoil))


@dataclass
class Stage:
    """The browser in a headless terminal."""

    app: AuditBrowser
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self) -> None:
        same, before = 0, ""
        while same < 4:
            await self.pilot.pause()
            now = self.text
            same, before = (same + 1 if now == before else 0), now

    @property
    def text(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    @property
    def heading(self) -> str:
        return self.text.splitlines()[0]

    def segments(self) -> list[list[Segment]]:
        return [list(strip) for strip in self.app.screen._compositor.render_strips()]


@asynccontextmanager
async def on_stage(found: Audit, size: tuple[int, int] = (140, 45), **options: Any) -> AsyncIterator[Stage]:
    app = AuditBrowser(found, **options)
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot)
        await stage.settle()
        yield stage


@pytest.mark.parametrize("size", SIZES)
async def test_the_most_suspicious_image_comes_first_with_its_finding_beside_it(
    found: Audit, size: tuple[int, int]
) -> None:
    async with on_stage(found, size) as stage:
        assert "1 of 12" in stage.heading
        assert "■" in stage.text and "▀" in stage.text and "Classes" in stage.text
        assert {len(row) for row in stage.text.splitlines()} == {size[0]}


async def test_arrows_go_from_image_to_image_and_stop_at_the_ends(found: Audit) -> None:
    async with on_stage(found) as stage:
        await stage.press("left")
        assert "1 of 12" in stage.heading
        await stage.press("right", "right")
        assert "3 of 12" in stage.heading
        await stage.press("end", "right")
        assert "12 of 12" in stage.heading
        await stage.press("home")
        assert "1 of 12" in stage.heading


async def test_n_goes_from_suspicious_to_suspicious_and_around(found: Audit) -> None:
    async with on_stage(found) as stage:
        await stage.press("n")
        assert "2 of 12" in stage.heading
        await stage.press("n")
        assert "1 of 12" in stage.heading
        await stage.press("N")
        assert "2 of 12" in stage.heading


async def test_an_image_that_is_missing_says_so_and_keeps_its_boxes_in_words(found: Audit) -> None:
    async with on_stage(found) as stage:
        await stage.press("slash", *"0009", "enter")
        assert "0009.jpg" in stage.heading and "1 of 1 (12 in all)" in stage.heading
        assert "no picture: the file was not found" in stage.text and "Boxes" in stage.text


async def test_the_filter_takes_findings_and_escape_drops_it(found: Audit) -> None:
    async with on_stage(found) as stage:
        await stage.press("slash", *"area", "enter")
        assert "0004.jpg" in stage.heading and "1 of 1" in stage.heading
        await stage.press("slash", *"xyz", "enter")
        assert "no image fits the filter" in stage.heading
        await stage.press("escape")
        assert "1 of 12" in stage.heading


async def test_question_mark_opens_the_key_table_and_escape_closes_it(found: Audit) -> None:
    async with on_stage(found, (140, 45)) as stage:
        await stage.press("question_mark")
        for key in KEYS:
            assert key.description in stage.text and key.shown in stage.text
        await stage.press("escape")
        assert "Classes" in stage.text


async def test_b_takes_the_boxes_off_and_puts_them_on(found: Audit) -> None:
    async with on_stage(found) as stage:
        with_boxes = stage.segments()
        await stage.press("b")
        assert stage.segments() != with_boxes
        await stage.press("b")
        assert stage.segments() == with_boxes


async def test_the_light_theme_has_another_ground(found: Audit) -> None:
    async with on_stage(found) as stage:
        dark = stage.segments()
        await stage.press("d")
        assert stage.segments() != dark


@pytest.mark.parametrize("size", [(30, 8), (20, 5), (300, 80)])
async def test_any_size_of_terminal_is_survived(found: Audit, size: tuple[int, int]) -> None:
    async with on_stage(found, size) as stage:
        await stage.press("right", "question_mark", "escape")
        assert {len(row) for row in stage.text.splitlines()} == {size[0]}


def test_every_key_has_an_action_and_means_one_thing() -> None:
    names = [binding.key for binding in bindings()]  # type: ignore[union-attr]
    assert len(names) == len(set(names))
    for key in KEYS:
        owner: type = AuditBrowser if key.action.startswith("app.") else AuditScreen
        assert callable(getattr(owner, f"action_{key.action.removeprefix('app.').partition('(')[0]}"))


# --- the picture itself


def white(width: int = 100, height: int = 100) -> Image.Image:
    return Image.new("RGB", (width, height), (255, 255, 255))


def mark(*corners: float, flawed: bool = False) -> Mark:
    return Mark((corners[0], corners[1], corners[2], corners[3]), "A", COLOURS[0], flawed)


@pytest.mark.parametrize(
    ("image", "columns", "rows"), [((100, 100), (30, 70), (0, 40)), ((200, 100), (0, 100), (0, 40))]
)
def test_the_picture_stands_in_the_middle_with_its_proportions(
    image: tuple[int, int], columns: tuple[int, int], rows: tuple[int, int]
) -> None:
    canvas, _ = half_blocks(white(*image), (), Size(100, 20), GROUND)
    there = (canvas != GROUND).any(axis=2)
    xs, ys = np.flatnonzero(there.any(axis=0)), np.flatnonzero(there.any(axis=1))
    width, height = xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1
    assert width / height == pytest.approx(image[0] / image[1], rel=0.05)
    assert abs(xs[0] - (100 - xs[-1] - 1)) <= 1 and abs(ys[0] - (40 - ys[-1] - 1)) <= 1


def test_a_box_is_one_pixel_thin_and_where_it_belongs() -> None:
    canvas, chips = half_blocks(white(), [mark(25, 25, 75, 75)], Size(80, 40), GROUND)
    drawn = (canvas == COLOURS[0]).all(axis=2)
    ys, xs = np.nonzero(drawn)
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (20, 59, 20, 59)
    assert drawn.sum() == 4 * 39  # a closed outline
    assert [(chip.column, chip.row, chip.text) for chip in chips] == [(20, 10, "A")]


def test_a_flawed_box_is_dashed_and_carries_a_sign() -> None:
    canvas, chips = half_blocks(white(), [mark(25, 25, 75, 75, flawed=True)], Size(80, 40), GROUND)
    top = canvas[20, 20:60]
    assert (top == INK).all(axis=1).any() and (top == COLOURS[0]).all(axis=1).any()
    assert chips[0].text == "!A"


def test_what_reaches_beyond_the_image_is_shown_in_its_margin() -> None:
    canvas, _ = half_blocks(white(), [mark(50, 50, 120, 80)], Size(80, 40), GROUND)
    white_columns = np.flatnonzero((canvas > 150).all(axis=2).any(axis=0))
    box_columns = np.flatnonzero((canvas == COLOURS[0]).all(axis=2).any(axis=0))
    assert box_columns.max() > white_columns.max()


@pytest.mark.parametrize(
    "corners",
    [
        (float("nan"), 0, 5, 5), (10, 10, 10, 90), (90, 90, 10, 10), (-1e9, -1e9, 1e9, 1e9), (500, 500, 900, 900),
        (0, 0, 100, 100), (99.99, 99.99, 100, 100),
    ],
)  # fmt: skip
def test_no_box_is_too_odd_to_be_drawn(corners: tuple[float, float, float, float]) -> None:
    odd = mark(*corners, flawed=True)
    canvas, chips = half_blocks(white(), [odd], Size(40, 12), GROUND)
    assert canvas.shape == (24, 40, 3)
    assert all(strip.cell_length == 40 for strip in strips(canvas, chips))
    assert paint(white(), [odd], (400, 240), GROUND).size == (400, 240)


def test_letters_of_boxes_at_one_corner_stand_side_by_side() -> None:
    marks = [mark(20, 20, 60, 60), mark(20, 20, 70, 60, flawed=True), mark(20, 20, 80, 60)]
    _, chips = half_blocks(white(), marks, Size(80, 40), GROUND)
    cells = [(chip.row, chip.column + offset) for chip in chips for offset in range(len(chip.text))]
    assert len(chips) == 3 and len(cells) == len(set(cells))
    assert chips[0].text == "!A"  # what is wrong has the best place


def test_half_blocks_and_graphics_place_a_box_alike() -> None:
    placed = place(frame_of((100, 100), ()), 400, 200)
    painted = np.asarray(paint(white(), [mark(25, 25, 75, 75)], (400, 200), GROUND))
    ys, xs = np.nonzero((painted == COLOURS[0]).all(axis=2))
    assert xs.max() == pytest.approx(placed.across(75), abs=2) and ys.max() == pytest.approx(placed.down(75), abs=2)


@pytest.mark.parametrize(("graphics", "sign"), [("sixel", "\x1bP0;"), ("kitty", "\U0010eeee")])
async def test_a_terminal_with_graphics_gets_pixels(found: Audit, graphics: str, sign: str) -> None:
    async with on_stage(found, graphics=graphics) as stage:
        await stage.press("end")
        assert "12 of 12" in stage.heading and "Classes" in stage.text
        assert any(sign in segment.text for row in stage.segments() for segment in row)
