"""Bands that overlap stay legible."""

from __future__ import annotations

from dettui.charts.annotations import draw_bands
from dettui.charts.cells import GUTTER, Canvas, Ground
from dettui.charts.view import Band

BODY = slice(1, 3)


def drawn(*bands: Band, width: int = 60) -> Canvas:
    """*bands* on a canvas on which step n stands in column GUTTER + n."""
    canvas = Canvas(GUTTER + width, 4)
    draw_bands(canvas, bands, lambda step: GUTTER + step, BODY, signs_row=0, glyphs="braille")
    return canvas


def test_overlapping_bands_are_both_named_side_by_side() -> None:
    canvas = drawn(Band(0, 40, "plateau"), Band(30, 55, "oscillation"))
    assert canvas.picture().row_text(0).strip() == "├───────── plateau ──────────┤├───── oscillation ──────┤"


def test_the_shorter_band_lies_on_top_and_the_longer_one_is_named_beside_it() -> None:
    canvas = drawn(Band(0, 55, "plateau"), Band(5, 25, "oscillation"))
    assert canvas.picture().row_text(0).strip() == "├─── oscillation ───┤├───────── plateau ──────────┤"
    assert canvas.grounds[1, GUTTER + 10] == Ground.RESTLESS
    assert canvas.grounds[1, GUTTER + 40] == Ground.QUIET


def test_a_band_that_is_covered_wholly_is_not_named() -> None:
    canvas = drawn(Band(10, 30, "plateau"), Band(10, 30, "oscillation"))
    assert canvas.picture().row_text(0).strip() == "├─── oscillation ───┤"
    assert "plateau" not in canvas.picture().plain()


def test_a_long_name_is_cut_between_words() -> None:
    canvas = drawn(Band(10, 20, "plateau_after_lr_drop"))
    assert canvas.picture().row_text(0).strip() == "├ plateau ┤"


def test_a_name_that_just_fits_is_not_cut() -> None:
    assert drawn(Band(10, 18, "plateau")).picture().row_text(0).strip() == "├plateau┤"


def test_a_band_outside_the_axis_is_not_drawn() -> None:
    assert drawn(Band(-9, -3, "plateau"), Band(80, 90, "plateau")).picture().plain().strip() == ""
