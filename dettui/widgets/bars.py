"""The widget that shows how often each class occurred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip

from dettui.charts.class_bars import Standing, class_bars, of_kind
from dettui.charts.numbers import count
from dettui.domain.series import ClassCounts
from dettui.widgets.components import LazyComponents

_CLASSES: dict[Standing, str] = {
    "usual": "bars--usual",
    "rare": "bars--rare",
    "unseen": "bars--unseen",
    "hidden": "bars--hidden",
}

REDRAW_EVERY_S = 0.5
"""plotext takes 2 to 5 ms for a pane of bars: at ten frames a second that would be half of what 16 curves cost."""


class ClassBars(LazyComponents):
    """A heading and one bar a class.  ``show`` redraws only the rows that changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"bars--heading", *_CLASSES.values()}

    DEFAULT_CSS = """
    ClassBars {
        height: 1fr;
        width: 1fr;
        .bars--heading { color: $foreground; text-style: bold; }
        .bars--usual { color: $primary; }
        .bars--rare { color: $text-warning; text-style: bold; }
        .bars--unseen { color: $text-error; text-style: bold; }
        .bars--hidden { color: $foreground 60%; }
    }
    """

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        """Empty until the first ``show``."""
        super().__init__(name=name, id=id, classes=classes)
        self._counted: Sequence[ClassCounts] = ()
        self._heading = ""
        self._lines: tuple[Strip, ...] = ()
        self._is_first = True
        self._is_waiting = False

    def show(self, classes: Sequence[ClassCounts], heading: str = "classes") -> None:
        """Show the targets of *classes*, with the predictions beside them where they are known.

        A new heading shows at once, new counts within ``REDRAW_EVERY_S``.
        """
        is_news, is_same = heading != self._heading, classes == self._counted  # counts compare by identity
        self._counted, self._heading = classes, heading
        if self._is_first and classes:  # importing plotext costs a quarter second: not before the first curve is seen
            self._is_first = False
            self.call_after_refresh(self._redraw)
        elif is_news:
            self._redraw()
        elif not is_same and not self._is_waiting:
            self._is_waiting = True
            self.set_timer(REDRAW_EVERY_S, self._redraw)

    def render_line(self, y: int) -> Strip:
        """Row *y*: the heading first."""
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width, self.rich_style)

    def notify_style_update(self) -> None:
        """Another theme has other colours."""
        super().notify_style_update()
        self._lines = ()
        if self.is_attached:
            self._redraw()

    def on_resize(self) -> None:
        """Draw for the new size, once the frame in hand is out."""
        self.call_after_refresh(self._redraw)

    def _redraw(self) -> None:
        self._is_waiting = False
        size = self.size
        if not size:
            return
        before, self._lines = self._lines, tuple(self._drawn(size))
        if len(before) != len(self._lines):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, self._lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, size.width, 1) for y in changed))

    def _drawn(self, size: Size) -> Iterator[Strip]:
        counts = of_kind(self._counted, "targets") or next(iter(self._counted), None)
        if counts is None:
            yield self._strip(size.width, Segment(self._heading, self._style("bars--heading")))
            yield self._strip(size.width, Segment("no classes seen yet", self._style("bars--hidden")))
            return
        total = f"  {counts.kind}: {count(int(counts.seen.sum()))}"
        heading = Segment(self._heading, self._style("bars--heading"))
        yield self._strip(size.width, heading, Segment(total, self._style("bars--hidden")))
        predicted = of_kind(self._counted, "predictions") if counts.kind == "targets" else None
        for row in class_bars(counts, size.width - 1, size.height - 1, predicted=predicted):
            style = self._style(_CLASSES[row.standing])
            text = Segment(f" {row.text}", self.rich_style if row.standing == "usual" else style)
            yield self._strip(size.width, text, Segment(row.bar, style))

    def _strip(self, width: int, *segments: Segment) -> Strip:
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _style(self, component: str) -> Style:
        """A component's colour blended over the widget's own: Rich knows no transparency."""
        _, background = self.background_colors
        styles = self.get_component_styles(component)
        return Style.from_color((background + styles.color).rich_color, background.rich_color) + styles.text_style
