"""A chart says what it shows, what it does not show, and never says anything by colour alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dettui.charts.axes import StepAxis
from dettui.charts.cells import GUTTER, Ground, Ink, Picture
from dettui.charts.chart import ChartCache, render, spaced, x_axis
from dettui.charts.view import Band, CurveView, Glyphs, Line
from dettui.domain.frame import Mark
from dettui.domain.series import Series

MakeSeries = Callable[..., Series]
ALL_GLYPHS: tuple[Glyphs, ...] = ("braille", "block", "ascii")


def draw(view: CurveView, width: int = 100, height: int = 20, glyphs: Glyphs = "braille") -> Picture:
    return render(view, width, height, ChartCache(), glyphs)


def noisy(n: int, seed: int = 0) -> np.ndarray:
    return 0.4 + 2 * np.exp(-np.arange(n) / (n / 6)) + 0.05 * np.random.default_rng(seed).normal(size=n)


def inks_used(picture: Picture) -> set[int]:
    return {run.ink for y in range(picture.height) for run in picture.runs(y)}


def test_a_clipped_spike_is_said_with_its_value_and_step(series: MakeSeries) -> None:
    values = noisy(3_000)
    values[1777] = 30
    picture = draw(CurveView("loss", (Line(series(values)),)))
    assert "▲ 1 above, max 30 @ 1,777" in picture.row_text(0)


@pytest.mark.parametrize("at", [0, 1, 777, 1500, 2998, 2999])
def test_a_spike_of_one_step_changes_the_picture(series: MakeSeries, at: int) -> None:
    values = noisy(3_000)
    calm = draw(CurveView("loss", (Line(series(values)),)), height=30)
    values[at] += 1.0
    spiky = draw(CurveView("loss", (Line(series(values)),)), height=30)
    assert spiky.plain() != calm.plain()


def test_non_finite_values_are_marked_counted_and_do_not_hide_what_follows(series: MakeSeries) -> None:
    values = noisy(1_000)
    values[500:520] = math.nan
    values[700] = math.inf
    picture = draw(CurveView("loss", (Line(series(values)),), smoothing=0.9))
    axis = x_axis(CurveView("loss", (Line(series(values)),)), 100)
    assert axis is not None
    assert "✗ 21 non-finite" in picture.row_text(0)
    assert picture.row_text(1)[GUTTER + axis.slot_of(700) // 2] == "✗"
    last = GUTTER + axis.slot_of(999) // 2
    assert any(picture.row_text(y)[last] != " " for y in range(2, 18))


def test_a_series_of_nothing_but_nan_says_so(series: MakeSeries) -> None:
    picture = draw(CurveView("loss", (Line(series([math.nan] * 50)),)))
    assert "✗ 50 non-finite" in picture.row_text(0)
    assert "✗" in picture.row_text(1)


@pytest.mark.parametrize(
    ("kind", "ground", "sign"), [("plateau", Ground.QUIET, "━"), ("oscillation", Ground.RESTLESS, "≈")]
)
def test_a_band_is_shaded_ruled_and_named(series: MakeSeries, kind: str, ground: Ground, sign: str) -> None:
    picture = draw(CurveView("loss", (Line(series(noisy(1_000))),), bands=(Band(300, 700, kind),)))
    assert f" {kind} " in picture.row_text(1) and "├" in picture.row_text(1) and "┤" in picture.row_text(1)
    assert sign in picture.row_text(18)
    assert all(any(run.ground == ground for run in picture.runs(y)) for y in range(2, 18))


def test_a_chart_too_low_for_a_row_of_signs_still_shows_bands_and_nan(series: MakeSeries) -> None:
    values = noisy(1_000)
    values[100] = math.nan
    picture = draw(CurveView("loss", (Line(series(values)),), bands=(Band(600, 900, "plateau"),)), height=6)
    assert "━" in picture.row_text(4) and "✗" in picture.row_text(4)


def test_marks_stand_on_the_axis_and_a_finding_hides_lesser_ones(series: MakeSeries) -> None:
    marks = (Mark(100, "lr", ""), Mark(500, "finding", ""), Mark(500, "epoch", ""), Mark(900, "evaluation", ""))
    axis_row = draw(CurveView("loss", (Line(series(noisy(1_000))),), marks=marks)).row_text(18)
    assert axis_row.count("▾") == 1 and axis_row.count("◇") == 1
    assert axis_row.count("!") == 1 and "╵" not in axis_row


def test_marks_outside_the_visible_steps_are_not_drawn(series: MakeSeries) -> None:
    view = CurveView("loss", (Line(series(noisy(1_000))),), marks=(Mark(10, "lr", ""),), x_range=(500, 700))
    assert "▾" not in draw(view).plain()


def test_the_raw_curve_lies_under_the_smoothed_one(series: MakeSeries) -> None:
    view = CurveView("loss", (Line(series(noisy(1_000)), colour_class=2),), smoothing=0.9)
    assert {Ink.LINE + 2, Ink.RAW + 2} <= inks_used(draw(view))
    without_raw = replace(view, lines=(replace(view.lines[0], raw=False),))
    assert Ink.RAW + 2 not in inks_used(draw(without_raw))


def test_several_lines_carry_letters_as_well_as_colours(series: MakeSeries) -> None:
    lines = tuple(Line(series(noisy(500, i) + i, tag=f"loss/{n}"), i) for i, n in enumerate(("cls", "box")))
    picture = draw(CurveView("terms", lines))
    assert "a cls" in picture.row_text(0) and "b box" in picture.row_text(0)
    body = [picture.row_text(y)[GUTTER:] for y in range(2, 18)]
    assert any("a" in row for row in body) and any("b" in row for row in body)


def test_the_cursor_reads_out_the_value_at_its_step(series: MakeSeries) -> None:
    values = np.arange(100, dtype=float)
    picture = draw(CurveView("ramp", (Line(series(values)),), cursor=42))
    assert "@ 42  42" in picture.row_text(0)
    axis = x_axis(CurveView("ramp", (Line(series(values)),)), 100)
    assert axis is not None
    assert any(run.ground == Ground.CURSOR for run in picture.runs(5))
    assert picture.row_text(3)[GUTTER + axis.slot_of(42) // 2] == "│"


def test_logarithmic_values_label_decades_and_say_what_lies_at_or_below_zero(series: MakeSeries) -> None:
    values = np.logspace(0, -4, 400)
    values[200] = 0.0
    picture = draw(CurveView("grad", (Line(series(values)),), y_log=True))
    labels = [picture.row_text(y)[: GUTTER - 1].strip() for y in range(20)]
    assert "1" in labels and "0.01" in labels
    assert "▼ 1 below, min 0 @ 200" in picture.row_text(0)


@pytest.mark.parametrize("glyphs", ALL_GLYPHS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (8, 3), (12, 4), (20, 5), (40, 8), (200, 50)])
def test_every_size_gives_a_picture_of_that_size(series: MakeSeries, glyphs: Glyphs, width: int, height: int) -> None:
    marks = (Mark(3, "finding", ""), Mark(10**9, "lr", ""))
    view = CurveView("loss", (Line(series(noisy(300))),), bands=(Band(0, 10**6, "plateau"),), marks=marks, cursor=5)
    picture = draw(view, width, height, glyphs)
    assert (picture.width, picture.height) == (width, height)


@pytest.mark.parametrize("glyphs", ALL_GLYPHS)
@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0], [math.nan], [-5.0, 5.0], [1e-300, 1e300], [0.0] * 9])
def test_odd_histories_draw_without_a_warning(series: MakeSeries, glyphs: Glyphs, values: list[float]) -> None:
    for y_log in (False, True):
        draw(CurveView("odd", (Line(series(values)),), y_log=y_log, smoothing=0.6), glyphs=glyphs)


def test_ascii_glyphs_use_nothing_but_ascii(series: MakeSeries) -> None:
    values = noisy(1_000)
    values[300], values[400] = math.nan, 40
    marks = (Mark(10, "lr", ""), Mark(200, "hole", ""), Mark(600, "finding", ""), Mark(800, "checkpoint", ""))
    bands = (Band(300, 600, "plateau"), Band(610, 640, "oscillation"), Band(700, 900, "divergence"))
    view = CurveView("loss", (Line(series(values)),), bands, marks, smoothing=0.6, cursor=500)
    assert draw(view, glyphs="ascii").plain().isascii()


def test_an_empty_view_says_that_it_waits() -> None:
    assert "no data yet" in draw(CurveView("loss")).plain()


def test_a_growing_curve_changes_one_cell_column_and_its_newest_value(series: MakeSeries) -> None:
    values, cache = noisy(4_000), ChartCache()
    whole = series(values)
    before = render(CurveView("loss", (Line(whole.between(0, 2_000)),)), 100, 20, cache)
    after = render(CurveView("loss", (Line(whole.between(0, 2_010)),)), 100, 20, cache)
    spans = after.changes(before)
    assert spans is not None
    assert sum(span.width for span in spans) < 0.02 * 100 * 20


def test_the_same_view_changes_nothing(series: MakeSeries) -> None:
    view, cache = CurveView("loss", (Line(series(noisy(500))),), smoothing=0.6), ChartCache()
    before = render(view, 100, 20, cache)
    assert render(view, 100, 20, cache).changes(before) == []


def test_a_cached_picture_equals_a_fresh_one(series: MakeSeries) -> None:
    whole, cache = series(noisy(3_000)), ChartCache()
    for n in (5, 50, 51, 700, 2_000, 3_000):
        view = CurveView("loss", (Line(whole.between(0, n)),), y_log=True, smoothing=0.9)
        assert render(view, 90, 18, cache).width == 90
        cache.axis = None  # limits remember where they were; everything else must not
        assert render(view, 90, 18, cache).plain() == render(view, 90, 18, ChartCache()).plain()


@pytest.mark.parametrize(
    ("rows", "room", "placed"),
    [
        ([2, 5, 9], 10, [2, 5, 9]),
        ([5, 5, 5], 10, [5, 6, 7]),
        ([9, 9, 9], 10, [7, 8, 9]),
        ([0, 0, 0], 2, [0, 0, 1]),
        ([], 4, []),
    ],
)
def test_letters_of_lines_that_end_together_stand_below_each_other(
    rows: list[int], room: int, placed: list[int]
) -> None:
    assert spaced(rows, room) == placed


def test_a_growing_history_fills_most_of_the_axis_and_rarely_moves() -> None:
    spreads = []
    for last in range(500, 20_000, 10):
        axis = StepAxis.over((0, last), 186, fixed=False)
        spreads.append((axis.k, axis.spread))
        assert axis.slot_of(last) < 186
        assert axis.slot_of(last) >= 0.75 * 186
    assert len(set(spreads)) <= 24


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("last", [3, 40, 77, 185, 186, 300, 5_000])
def test_a_column_names_the_bucket_that_is_drawn_in_it(last: int, fixed: bool) -> None:
    axis = StepAxis.over((0, last), 186, fixed=fixed)
    for bucket in range((last >> axis.k) + 1):
        assert axis.step_at(axis.slot_of(bucket << axis.k)) == bucket << axis.k


def test_a_rewound_run_reads_out_its_newer_value_and_counts_its_spikes_once(series: MakeSeries) -> None:
    steps = np.r_[0:500, 300:800]
    values = 0.5 + 0.05 * np.random.default_rng(0).normal(size=1_000)
    values[400], values[650] = 30, 7.0  # step 400 of the first strand, step 450 of the second
    line = Line(series(values, steps=steps))
    assert "▲ 2 above, max 30 @ 400" in draw(CurveView("loss", (line,))).row_text(0)
    assert "@ 450  7 " in draw(CurveView("loss", (line,), cursor=450)).row_text(0)


def test_overlapping_bands_both_show_their_ends(series: MakeSeries) -> None:
    bands = (Band(500, 600, "plateau"), Band(100, 900, "oscillation"))
    signs = draw(CurveView("loss", (Line(series(noisy(1_000))),), bands=bands)).row_text(1)
    assert signs.count("├") == 2 and signs.count("┤") == 2


@pytest.mark.parametrize("scale", [1e-9, 3e-5, 0.004, 1.0, 250.0, 7e4, 3e8, 2e13])
@pytest.mark.parametrize("sign", [1, -1])
def test_value_labels_are_never_cut_off(series: MakeSeries, scale: float, sign: int) -> None:
    picture = draw(CurveView("scaled", (Line(series(sign * scale * (1 + np.linspace(0, 0.3, 200)))),)), height=30)
    labels = [text for y in range(2, 28) if (text := picture.row_text(y)[: GUTTER - 1].strip())]
    assert len(labels) >= 2
    low, high = sorted((sign * scale, 1.3 * sign * scale))
    span = high - low
    assert all(low - span <= numeric(label) <= high + span for label in labels)


@pytest.mark.parametrize("level", [0.6931, 0.00693, 6.931e-5, 99.5, 1_234.0, -0.0123, 123_456.0])
@pytest.mark.parametrize("height", [8, 20, 40])
def test_labels_of_a_narrow_range_all_differ(series: MakeSeries, level: float, height: int) -> None:
    values = level * (1 + 1e-4 * np.random.default_rng(0).normal(size=300))
    picture = draw(CurveView("stuck", (Line(series(values)),)), height=height)
    labels = [text for y in range(2, height - 2) if (text := picture.row_text(y)[: GUTTER - 1].strip())]
    assert len(labels) >= (2 if level > 0 else 1)  # a small negative number needs more room than there is
    assert len(set(labels)) == len(labels)


def numeric(label: str) -> float:
    """The number that *label* stands for."""
    powers = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    return float(label[:-1]) * powers[label[-1]] if label[-1] in powers else float(label)
