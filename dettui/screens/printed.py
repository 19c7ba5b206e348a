"""One frame as printed text, for pipes and scrollbacks: the same words as on screen, without an application."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.color import ColorSystem
from rich.style import Style

from dettui.charts.chart import ChartCache, render
from dettui.charts.view import Glyphs
from dettui.domain.frame import Frame, RunFrame
from dettui.screens.view_state import ViewState
from dettui.screens.views import curve_view
from dettui.widgets.finding_text import around, panel
from dettui.widgets.link_text import troubles
from dettui.widgets.run_text import header, reason
from dettui.widgets.runs_text import EMPTY, Sparks, column_heads, rows
from dettui.widgets.text import BLANK, Line, Role, Span, crop, harmless

CHART_SHARE = 0.5
"""Of the rows: a chart below eight rows has no axis, and above half it pushes the findings out."""

_STYLES: dict[Role, Style] = {
    "muted": Style(dim=True),
    "rule": Style(dim=True),
    "strong": Style(bold=True),
    "critical": Style(color="red", bold=True),
    "warning": Style(color="yellow"),
    "info": Style(color="cyan"),
    "good": Style(color="green"),
    "accent": Style(color="blue"),
    "key": Style(color="blue", bold=True),
    "chosen": Style(bold=True),
}


def printed(frame: Frame, width: int, height: int, colour: bool, glyphs: Glyphs = "braille") -> str:
    """*frame* in at most *width* columns: one run with its loss and findings, or the list of several.

    The chart takes its share of *height* rows; words are never cut, since paper and scrollbacks have no end.
    """
    lines = (*_notices(frame, width), *_body(frame, width, height, glyphs))
    return "\n".join(line_text(line, colour).rstrip() for line in lines)


def _body(frame: Frame, width: int, height: int, glyphs: Glyphs) -> tuple[Line, ...]:
    if not frame.runs:
        return EMPTY
    if len(frame.runs) == 1:
        return tuple(_run(frame.runs[0], width, height, glyphs))
    return (column_heads(width), *rows(frame, width, Sparks()))


def _notices(frame: Frame, width: int) -> Iterator[Line]:
    yield from (crop(line, width) for line in troubles(frame.links, frame.made_at))
    for notice in frame.notices:
        yield crop((Span("! ", "warning"), Span(harmless(notice))), width)


def _run(run: RunFrame, width: int, height: int, glyphs: Glyphs) -> Iterator[Line]:
    yield from header(run, width)
    yield from reason(run)
    rows = max(8, round(height * CHART_SHARE))
    picture = render(curve_view(run, "loss", ViewState()), width, rows, ChartCache(), glyphs)
    yield from ((Span(picture.row_text(y)),) for y in range(picture.height))
    yield BLANK
    yield from panel(run.diagnosis, 0, width, around(run))


def line_text(line: Iterable[Span], colour: bool) -> str:
    """*line* with ANSI styles where *colour*, else bare."""
    if not colour:
        return "".join(span.text for span in line)
    return "".join(
        _STYLES.get(span.role, Style.null()).render(span.text, color_system=ColorSystem.STANDARD) for span in line
    )
