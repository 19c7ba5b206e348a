"""A widget that shows lines of text and repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from dettui.widgets import palette
from dettui.widgets.components import LazyComponents
from dettui.widgets.text import BLANK, ROLES, Line, Span


class LinesView(LazyComponents, ScrollView, can_focus=False):
    """Shows the lines it was given last.  The screens make the lines; this only puts the difference on screen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"text--{role}" for role in ROLES}
    DEFAULT_CSS = """
    LinesView {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        scrollbar-color: $secondary;
        scrollbar-background: $panel;
        &.-still { overflow-y: hidden; scrollbar-gutter: auto; }

        & > .text--muted { color: $secondary; }
        & > .text--rule { color: $secondary; }
        & > .text--strong { text-style: bold; }
        & > .text--critical { color: $error; text-style: bold; }
        & > .text--warning { color: $warning; }
        & > .text--info { color: $accent; }
        & > .text--good { color: $success; }
        & > .text--accent { color: $primary; }
        & > .text--key { color: $primary; text-style: bold; }
        & > .text--chosen { color: $foreground; background: $panel; text-style: bold; }
        &:nocolor > .text--chosen { text-style: reverse; }
        &:nocolor > .text--muted { text-style: dim; }
    }
    """ + "".join(f"LinesView > .text--line-{i} {{ color: {c}; }}" for i, c in enumerate(palette.LINE_COLOURS))

    class Scrolled(Message):
        """Other lines are in sight."""

    def __init__(self, *, id: str, scrolls: bool = True) -> None:
        super().__init__(id=id, classes="" if scrolls else "-still")
        self.lines: tuple[Line, ...] = ()
        self._own_style: Style | None = None

    @property
    def columns(self) -> int:
        """Cells that a line may take, beside the scrollbar's own."""
        return self.scrollable_content_region.width

    def show(self, lines: tuple[Line, ...]) -> None:
        """Show *lines* from now on; where nothing changed, nothing is repainted."""
        old, self.lines = self.lines, lines
        if len(old) != len(lines):
            self.virtual_size = Size(self.columns, len(lines))
        for region in changed_regions(old, lines):
            self.refresh(region.translate(-self.scroll_offset))

    def keep_visible(self, first: int, last: int) -> None:
        """Scroll as little as needed to have the lines *first* to *last* in sight, *first* above all."""
        top, height = self.scroll_offset.y, self.size.height
        if last >= top + height:
            top = last - height + 1
        self.scroll_to(y=min(top, first), animate=False, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say so."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Scrolled())

    def render_line(self, y: int) -> Strip:
        """The strip of the visible row *y*."""
        index = y + self.scroll_offset.y
        line = self.lines[index] if index < len(self.lines) else BLANK
        segments = [Segment(text, self.get_component_rich_style(f"text--{role}")) for text, role in line]
        return Strip(segments).adjust_cell_length(self.columns, self._ground())

    def _ground(self) -> Style:
        """The style of the widget itself, which Textual would work out anew for each row."""
        if self._own_style is None:
            self._own_style = self.rich_style
        return self._own_style

    def notify_style_update(self) -> None:
        """Another theme has other colours."""
        super().notify_style_update()
        self._own_style = None


def changed_regions(old: tuple[Line, ...], new: tuple[Line, ...]) -> Iterator[Region]:
    """For every line that differs, the region from its first to its last differing cell."""
    for y, (before, after) in enumerate(zip_longest(old, new, fillvalue=BLANK)):
        if before == after:
            continue
        first = _common_width(before, after)
        width = max(_width(before), _width(after))
        equal_tail = _common_width(before[::-1], after[::-1]) if _width(before) == _width(after) else 0
        yield Region(first, y, max(1, width - equal_tail - first), 1)


def _common_width(before: Line, after: Line) -> int:
    """Cells of the spans that both lines begin with."""
    width = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        width += cell_len(one.text)
    return width


def _width(line: tuple[Span, ...]) -> int:
    return sum(cell_len(span.text) for span in line)
