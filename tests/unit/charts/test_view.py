"""Zoom, pan and cursor as pure functions of a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dettui.charts.view import CurveView, Line, following, framing, panned, with_cursor, zoomed
from dettui.domain.series import Series


@pytest.fixture
def view(series: Callable[..., Series]) -> CurveView:
    return CurveView("loss", (Line(series(range(1_000))),))


def test_zooming_in_keeps_the_newest_steps(view: CurveView) -> None:
    assert zoomed(view, 2).x_range == (500, 999)


def test_zooming_in_keeps_the_cursor_where_it_stands(view: CurveView) -> None:
    first, last = zoomed(replace(view, cursor=250), 2).x_range or (0, 0)
    assert last - first == 499
    assert (250 - first) / 500 == pytest.approx(0.25, abs=0.01)


def test_zooming_out_beyond_the_history_follows_it_again(view: CurveView) -> None:
    assert zoomed(zoomed(view, 4), 0.1).x_range is None


def test_zooming_in_stops_at_a_few_steps(view: CurveView) -> None:
    first, last = zoomed(view, 1e9).x_range or (0, 0)
    assert last - first + 1 == 8


def test_panning_stops_at_both_ends(view: CurveView) -> None:
    zoom = zoomed(view, 4)
    assert panned(zoom, -0.5).x_range == (625, 874)
    assert panned(zoom, -99).x_range == (0, 249)
    assert panned(zoom, 99).x_range == (750, 999)


def test_panning_a_view_that_follows_does_nothing(view: CurveView) -> None:
    assert panned(view, -0.5) is view


def test_the_cursor_stays_on_the_axis(view: CurveView) -> None:
    assert with_cursor(view, 5_000).cursor == 999
    assert with_cursor(view, -3).cursor == 0
    assert with_cursor(view, None).cursor is None


def test_framing_shows_a_finding_with_air_around_it(view: CurveView) -> None:
    assert framing(view, 400, 499).x_range == (350, 549)
    assert framing(view, 0, 990).x_range is None


def test_an_empty_view_stays_as_it_is() -> None:
    empty = CurveView("loss")
    assert zoomed(empty, 2) is empty and panned(empty, 1) is empty and framing(empty, 1, 2) is empty
    assert with_cursor(empty, 5).cursor is None


def test_following_gives_up_the_range(view: CurveView) -> None:
    assert following(zoomed(view, 2)).x_range is None


def test_a_grown_series_has_another_fingerprint(view: CurveView, series: Callable[..., Series]) -> None:
    same, grown = replace(view, lines=(Line(series(range(1_000))),)), replace(view, lines=(Line(series(range(1_001))),))
    assert same.fingerprint == view.fingerprint
    assert grown.fingerprint != view.fingerprint
