"""What plotext draws: bars, histograms, heat maps and printed curves."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from dettui.charts.class_bars import class_bars
from dettui.charts.plotext_bars import heat_map, histogram, horizontal_bars
from dettui.charts.printed import curve
from dettui.charts.sparkline import sparkline
from dettui.charts.view import Band
from dettui.domain.frame import Mark
from dettui.domain.series import ClassCounts, Series

MakeSeries = Callable[..., Series]


def test_bars_are_as_long_as_their_values() -> None:
    rows = horizontal_bars(["a", "long"], [200, 100], 55)
    full, half = (row.count("█") for row in rows)
    assert full == 50 and abs(half - 25) <= 1
    assert rows[0].startswith("a    █")


def test_rare_and_unseen_classes_carry_a_word() -> None:
    counts = ClassCounts("targets", ("circle", "square", "star"), np.array([990, 10, 0]))
    rows = class_bars(counts, 70, 5)
    assert [row.standing for row in rows] == ["usual", "rare", "unseen"]
    assert "rare" in rows[1].text and "none" in rows[2].text
    assert "99 %" in rows[0].text


def test_a_background_class_is_not_called_unseen() -> None:
    rows = class_bars(ClassCounts("targets", ("__background__", "a", "b"), np.array([0, 5, 5])), 70, 5)
    assert [row.text.split()[0] for row in rows] == ["a", "b"]


def test_equal_classes_are_not_rare_however_many_there_are() -> None:
    rows = class_bars(ClassCounts("targets", (), np.full(80, 7)), 70, 80)
    assert {row.standing for row in rows} == {"usual"}


def test_more_classes_than_rows_show_both_ends_and_count_the_rest() -> None:
    rows = class_bars(ClassCounts("targets", (), np.arange(80)), 70, 9)
    assert len(rows) == 9
    assert "72 more classes" in rows[4].text
    assert "class 79" in rows[0].text and "class 0 " in rows[-1].text


def test_predictions_stand_beside_the_targets() -> None:
    targets = ClassCounts("targets", ("a", "b"), np.array([50, 50]))
    predictions = ClassCounts("predictions", ("a", "b"), np.array([100, 0]))
    assert "pred 100 %" in class_bars(targets, 80, 4, predicted=predictions)[0].text


def test_a_pane_too_narrow_for_bars_keeps_the_numbers() -> None:
    rows = class_bars(ClassCounts("targets", ("a", "b"), np.array([5, 6])), 20, 4)
    assert all(len(row.text) <= 20 and not row.bar for row in rows)


def test_a_histogram_says_what_it_leaves_out() -> None:
    rows = histogram(np.array([1.0, 2.0, 2.0, math.nan]), 50, 8, title="loss")
    assert "1 non-finite left out" in rows[0]
    assert histogram(np.array([math.nan]), 50, 8) == ("(1 non-finite left out)",)


def test_a_heat_map_without_colour_uses_shades() -> None:
    assert heat_map(np.array([[0.0, 1.0], [0.5, math.nan]]), 10, 4, colour=False) == (" █", "▒?")


def test_a_printed_curve_says_what_it_clips_and_marks_what_it_should(series: MakeSeries) -> None:
    values = 0.5 + 0.1 * np.random.default_rng(0).normal(size=1_000)
    values[500], values[800] = 30, math.nan
    text = curve(series(values), 90, 16, bands=(Band(100, 400, "plateau"),), marks=(Mark(600, "lr", ""),))
    assert "▲ 1 above, max 30 @ 500" in text and "✗ 1 non-finite" in text
    assert "plateau" in text and "▾" in text
    assert len(text.splitlines()) == 16
    assert max(map(len, text.splitlines())) <= 90
    assert "\x1b" not in text


def test_printed_curves_of_odd_histories_say_what_is_wrong(series: MakeSeries) -> None:
    assert curve(series([]), 60, 10) == "loss/total: no data"
    assert "none of them finite" in curve(series([math.nan]), 60, 10)
    assert "█" not in curve(series([1.0]), 60, 10)


def test_a_sparkline_is_as_wide_as_asked_and_falls_with_its_values() -> None:
    falling = np.linspace(1, 0, 500)
    blocks = sparkline(falling, 8, "block")
    assert blocks == "".join(sorted(blocks, reverse=True)) and blocks[0] > blocks[-1]
    assert sparkline(falling, 8, "ascii").isascii()
    assert all(len(sparkline(falling[:n], 12)) == 12 for n in (0, 1, 2, 7, 499))
    assert sparkline(np.array([math.nan] * 9), 5) == "     "


def test_no_curve_waits_for_the_import_of_plotext() -> None:
    modules = "dettui.widgets.curve, dettui.widgets.bars, dettui.charts.printed"
    subprocess.run([sys.executable, "-c", f"import sys, {modules}; assert 'plotext' not in sys.modules"], check=True)
