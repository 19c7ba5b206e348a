"""The widgets of curves and bars in a running application."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.geometry import Region

from dettui.charts.cells import GUTTER
from dettui.charts.view import Band, CurveView, Line
from dettui.domain.frame import Mark
from dettui.domain.series import ClassCounts, Series
from dettui.widgets.bars import REDRAW_EVERY_S, ClassBars
from dettui.widgets.curve import CurveChart

VALUES = 0.4 + 2 * np.exp(-np.arange(4_000) / 600) + 0.05 * np.random.default_rng(0).normal(size=4_000)


def view_of(n: int, **changes: Any) -> CurveView:
    steps = np.arange(n)
    return CurveView("loss/total", (Line(Series("loss/total", steps, VALUES[:n], steps * 0.1)),), **changes)


class RecordingChart(CurveChart):
    """Keeps what it was asked to refresh."""

    refreshed: list[tuple[Region, ...]]

    def refresh(self, *regions: Region, **options: bool) -> Any:
        self.__dict__.setdefault("refreshed", []).append(regions)
        return super().refresh(*regions, **options)


class ChartApp(App[None]):
    """One chart in a frame, as on the run screen, and how many updates went to the terminal."""

    CSS = "RecordingChart { border: round $primary; padding: 1 2; }"
    updates = 0

    def compose(self) -> ComposeResult:
        yield RecordingChart(view_of(2_000))

    @property
    def chart(self) -> RecordingChart:
        return self.query_one(RecordingChart)

    def _display(self, screen: Any, renderable: Any) -> None:
        self.updates += renderable is not None
        super()._display(screen, renderable)

    def screen_rows(self) -> list[str]:
        return [strip.text for strip in self.screen._compositor.render_strips()]


async def test_the_same_view_sends_nothing() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        app.chart.refreshed.clear()
        app.updates = 0
        for _ in range(5):
            app.chart.show(view_of(2_000))
            await pilot.pause()
        assert app.chart.refreshed == []
        assert app.updates == 0


async def test_a_view_that_draws_the_same_cells_sends_nothing() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        app.chart.refreshed.clear()
        app.chart.show(view_of(2_000, marks=(Mark(10**9, "lr", "not reached yet"),)))
        assert app.chart.refreshed == []


async def test_new_points_refresh_a_few_cells_only() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        app.chart.refreshed.clear()
        app.chart.show(view_of(2_010))
        (regions,) = app.chart.refreshed
        assert 0 < sum(region.area for region in regions) < 0.02 * 100 * 30


async def test_partial_refreshes_leave_the_whole_picture_on_screen() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        for n in (2_010, 2_050, 2_500, 3_900):
            app.chart.show(view_of(n, bands=(Band(1_000, n, "plateau"),)))
            await pilot.pause()
        picture, region = app.chart.picture, app.chart.content_region
        assert picture is not None
        shown = [row[region.x : region.right] for row in app.screen_rows()[region.y : region.bottom]]
        assert shown == [picture.row_text(y) for y in range(picture.height)]


async def test_resizing_draws_for_the_new_size() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.resize_terminal(60, 16)
        await pilot.pause()
        assert app.chart.picture is not None
        assert (app.chart.picture.width, app.chart.picture.height) == tuple(app.chart.size)


async def test_columns_know_their_steps() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert app.chart.step_at(0) is None
        assert app.chart.step_at(GUTTER) == 0
        at, next_to_it = app.chart.step_at(GUTTER + 10), app.chart.step_at(GUTTER + 11)
        assert at is not None and next_to_it is not None
        assert abs(next_to_it - at - app.chart.steps_per_column) <= 16  # a bucket


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "nord", "solarized-light"])
async def test_every_colour_is_legible_on_its_ground(theme: str) -> None:
    app = ChartApp()
    app.theme = theme
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        values = VALUES[:2_000].copy()
        values[500:510] = np.nan
        steps = np.arange(2_000)
        marks = tuple(Mark(100 * i, kind, "") for i, kind in enumerate(("lr", "evaluation", "finding", "event"), 1))
        series = Series("loss/total", steps, values, steps * 0.1)
        lines = tuple(Line(series, i) for i in range(8))
        app.chart.show(CurveView("loss", lines, (Band(900, 1_500, "plateau"),), marks, cursor=700, smoothing=0.6))
        for y in range(app.chart.size.height):
            for segment in app.chart.render_line(y):
                if segment.text.strip() and segment.style is not None:
                    assert contrast(segment.style) > 1.25, (segment.text, segment.style)


def contrast(style: Any) -> float:
    """The WCAG contrast ratio of a Rich style; 1 is invisible."""
    light = sorted(luminance(Color.from_rich_color(c)) for c in (style.color, style.bgcolor))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(colour: Color) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_another_theme_repaints_in_its_colours() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        dark = app.chart.render_line(0)
        app.theme = "textual-light"
        await pilot.pause()
        assert app.chart.render_line(0) != dark


class BarsApp(App[None]):
    """One pane of class bars."""

    def compose(self) -> ComposeResult:
        yield ClassBars()


async def test_bars_show_their_heading_and_classes() -> None:
    app = BarsApp()
    async with app.run_test(size=(80, 10)) as pilot:
        bars = app.query_one(ClassBars)
        bars.show((), "classes")
        await pilot.pause()
        assert "no classes seen yet" in bars.render_line(1).text
        bars.show((ClassCounts("targets", ("circle", "star"), np.array([990, 10])),), "classes")
        await pilot.pause()
        assert bars.render_line(0).text.startswith("classes  targets: 1,000")
        assert bars.render_line(1).text.startswith(" circle")
        assert "rare" in bars.render_line(2).text
        assert bars.render_line(5).text.strip() == ""


async def test_growing_counts_are_drawn_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    app = BarsApp()
    async with app.run_test(size=(80, 10)) as pilot:
        bars = app.query_one(ClassBars)
        bars.show((ClassCounts("targets", ("circle",), np.array([1])),), "classes")
        await pilot.pause()
        timers: list[float] = []
        monkeypatch.setattr(bars, "set_timer", lambda delay, _: timers.append(delay))
        for seen in (2, 3, 4):
            bars.show((ClassCounts("targets", ("circle",), np.array([seen])),), "classes")
        assert timers == [REDRAW_EVERY_S]
        bars._redraw()
        assert "targets: 4" in bars.render_line(0).text


async def test_the_same_counts_are_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = BarsApp()
    async with app.run_test(size=(80, 10)) as pilot:
        bars, classes = app.query_one(ClassBars), (ClassCounts("targets", ("circle",), np.array([1])),)
        bars.show(classes, "classes")
        await pilot.pause()
        monkeypatch.setattr(bars, "_redraw", None)
        monkeypatch.setattr(bars, "set_timer", None)
        bars.show(classes, "classes")
