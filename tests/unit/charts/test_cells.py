"""Pictures as runs of cells."""

from __future__ import annotations

from dettui.charts.cells import Canvas, Ink


def test_runs_of_a_row_are_split_where_the_style_changes() -> None:
    canvas = Canvas(6, 1)
    canvas.write(2, 0, "ab", Ink.TITLE)
    assert [(run.text, run.ink) for run in canvas.picture().runs(0)] == [
        ("  ", Ink.PLAIN),
        ("ab", Ink.TITLE),
        ("  ", Ink.PLAIN),
    ]


def test_a_picture_without_columns_has_no_runs() -> None:
    assert list(Canvas(0, 1).picture().runs(0)) == []
