"""The help screen: the key table, read out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.app import ComposeResult

from dettui.domain.frame import Frame
from dettui.screens.base import DashboardScreen
from dettui.screens.keys import WHERES, Where, bindings_of, keys_of
from dettui.widgets.lines import LinesView
from dettui.widgets.text import BLANK, Line, Span, left, paragraph
from dettui.widgets.words import BY_CHANCE, SEVERITIES, STATES, TIERS, Sign

ONE_OF_MANY = BY_CHANCE._replace(word="in the list: a warning that may be chance among so many runs")


class HelpScreen(DashboardScreen):
    """All keys and all signs."""

    where: Where = "help"
    BINDINGS = bindings_of("everywhere", "help")

    def compose_body(self) -> ComposeResult:
        """One scrolling text."""
        yield LinesView(id="page")

    def draw(self, frame: Frame) -> None:
        """The help does not depend on any frame."""

    def redraw(self) -> None:
        """Show the help even before the first frame."""
        super().redraw()
        if self.is_mounted:
            view = self.query_one("#page", LinesView)
            view.show(help_lines(view.columns))

    def action_scroll(self, by: int) -> None:
        """Scroll by *by* lines."""
        self.query_one("#page", LinesView).scroll_relative(y=by, animate=False)

    def action_back(self) -> None:
        """Close the help."""
        self.dismiss()


def help_lines(width: int) -> tuple[Line, ...]:
    """The key table and the legend of the signs."""
    keys = [line for where, title in WHERES.items() for line in _keys(where, title, width)]
    return (
        *keys,
        *_signs("States", STATES.values()),
        *_signs("Findings", (*SEVERITIES.values(), ONE_OF_MANY)),
        *_signs("How sure a cause is", TIERS),
    )


def _keys(where: Where, title: str, width: int) -> Iterator[Line]:
    yield (Span(f"  {title}", "accent"),)
    for key in keys_of(where):
        yield from paragraph(key.description, width, (Span(f"    {left(key.shown, 11)}", "key"),))
    yield BLANK


def _signs(title: str, signs: Iterable[Sign]) -> Iterator[Line]:
    yield (Span(f"  {title}", "accent"),)
    for sign in signs:
        yield (Span(f"    {left(sign.glyph, 11)}", sign.role), Span(sign.word))
    yield BLANK
