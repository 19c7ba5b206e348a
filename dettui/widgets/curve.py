"""The widget that shows a chart of curves and sends only the cells that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip

from dettui.charts.cells import GUTTER, Ground, Ink, Picture
from dettui.charts.chart import ChartCache, render, x_axis
from dettui.charts.raster import FONTS
from dettui.charts.view import LINE_COLOURS, CurveView, Glyphs
from dettui.widgets import palette, refresh
from dettui.widgets.ascii import AsciiOnly
from dettui.widgets.components import LazyComponents

if TYPE_CHECKING:
    from typing_extensions import Self

_INK_CLASSES: dict[int, str] = {
    Ink.TITLE: "curve--title",
    Ink.VALUE: "curve--value",
    Ink.DIM: "curve--dim",
    Ink.NOTE: "curve--note",
    Ink.CURSOR: "curve--cursor",
    Ink.LR: "curve--lr",
    Ink.EVALUATION: "curve--evaluation",
    Ink.EVENT: "curve--event",
    Ink.FINDING: "curve--finding",
    Ink.NONFINITE: "curve--nonfinite",
    Ink.BAND: "curve--band",
    **{Ink.LINE + i: f"curve--line-{i}" for i in range(LINE_COLOURS)},
    **{Ink.RAW + i: f"curve--raw-{i}" for i in range(LINE_COLOURS)},
}
_GROUND_CLASSES: dict[Ground, str] = {
    Ground.QUIET: "curve--quiet",
    Ground.RESTLESS: "curve--restless",
    Ground.CURSOR: "curve--under-cursor",
}

_RAW_STRENGTH = "40%"


def _palette() -> str:
    """The rules of the colour classes: a line, and its raw curve in the same colour, fainter."""
    return "\n".join(
        f".curve--line-{i} {{ color: {colour}; }} .curve--raw-{i} {{ color: {colour} {_RAW_STRENGTH}; }}"
        for i, colour in enumerate(palette.LINE_COLOURS)
    )


class CurveChart(LazyComponents):
    """A chart of curves.  ``show`` gives it a view; it compares the new picture with the one on screen and refreshes
    the difference, which is nothing at all where nothing changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*_INK_CLASSES.values(), *_GROUND_CLASSES.values()}

    DEFAULT_CSS = f"""
    CurveChart {{
        height: 1fr;
        width: 1fr;
        .curve--title {{ text-style: bold; color: $foreground; }}
        .curve--value {{ color: $foreground; }}
        .curve--dim {{ color: $foreground 55%; }}
        .curve--note {{ color: $text-warning; }}
        .curve--cursor {{ color: $text-accent; }}
        .curve--lr {{ color: $text-secondary; text-style: bold; }}
        .curve--evaluation {{ color: $text-accent; }}
        .curve--event {{ color: $foreground 60%; }}
        .curve--finding {{ color: $text-error; text-style: bold; }}
        .curve--nonfinite {{ color: $text-error; text-style: bold; }}
        .curve--band {{ color: $text-warning; }}
        .curve--quiet {{ background: $warning 14%; }}
        .curve--restless {{ background: $error 16%; }}
        .curve--under-cursor {{ background: $accent 30%; }}
        {_palette()}
    }}
    """

    def __init__(
        self,
        view: CurveView | None = None,
        *,
        glyphs: Glyphs = "braille",
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Show *view* to begin with, in *glyphs*."""
        super().__init__(name=name, id=id, classes=classes)
        self._view = view
        self._fingerprint = view.fingerprint if view is not None else None
        self._glyphs = glyphs
        self._cache = ChartCache()
        self._picture: Picture | None = None
        self._styles_by_code: dict[int, Style] = {}
        self._strips: dict[int, Strip] = {}  # by row: those that have not changed since they were made
        self._dress: tuple[object, ...] = ()  # what their colours hang on beside the theme

    @property
    def view(self) -> CurveView | None:
        """What is shown."""
        return self._view

    @property
    def picture(self) -> Picture | None:
        """The cells on screen, None before the first layout."""
        return self._picture

    @property
    def is_drawn(self) -> bool:
        """True where there is more on screen than a title."""
        return self._picture is not None and self._picture.height > 1

    def show(self, view: CurveView) -> None:
        """Show *view*; only cells that differ from those on screen are drawn again."""
        fingerprint = view.fingerprint
        if fingerprint == self._fingerprint and self._picture is not None:
            return
        self._view, self._fingerprint = view, fingerprint
        if self.size:
            self._redraw(self.size)

    def step_at(self, x: int) -> int | None:
        """The step under column *x* of the widget, None left of the curves or where there is no step."""
        axis = x_axis(self._view, self.size.width, self._glyphs) if self._view is not None and self.size else None
        slot = (x - GUTTER) * FONTS[self._glyphs].columns
        return axis.step_at(slot) if axis is not None and 0 <= slot < axis.slots else None

    @property
    def steps_per_column(self) -> int:
        """How many steps one column holds, at least 1: how far an arrow key moves a cursor."""
        axis = x_axis(self._view, self.size.width, self._glyphs) if self._view is not None and self.size else None
        return max(1, round((FONTS[self._glyphs].columns << axis.k) / axis.spread)) if axis is not None else 1

    def render_line(self, y: int) -> Strip:
        """Row *y* as one segment a run of equal style."""
        strip = self._strips.get(y)
        if strip is None:
            strip = self._strips[y] = self._made(y)
        return strip

    def _made(self, y: int) -> Strip:
        picture = self._picture
        if picture is None or y >= picture.height:
            return Strip.blank(self.size.width, self.rich_style)
        segments = [Segment(text, self._style(code)) for text, code in picture.runs(y)]
        _, background = self.background_colors
        for line_filter in self.get_line_filters():
            if isinstance(line_filter, AsciiOnly):  # the others change styles, and styles know them already
                segments = line_filter.apply(segments, background)
        return Strip(segments, picture.width)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows of *crop*; only those that changed are made anew.

        Textual makes three strips of each row, for borders, tints and filters: half the cost of a frame of 16 charts.
        Here the filters went into the styles, and a chart without a border needs nothing else.
        """
        dress = (*self.background_colors, *self.get_line_filters())
        if dress != self._dress:
            self._dress = dress
            self._forget_colours()
        if self.size != self.outer_size or self.opacity < 1 or self.styles.tint.a:
            return super().render_lines(crop)
        strips = [self.render_line(y) for y in crop.line_range]
        return strips if crop.column_span == (0, self.size.width) else [s.crop(*crop.column_span) for s in strips]

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Make the rows of *regions* anew, all of them where there are none."""
        if regions:
            for region in regions:
                for y in region.line_range:
                    self._strips.pop(y, None)
        elif repaint:
            self._strips.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def notify_style_update(self) -> None:
        """Another theme has other colours."""
        super().notify_style_update()
        self._forget_colours()

    def _forget_colours(self) -> None:
        self._styles_by_code.clear()
        self._strips.clear()

    def on_mount(self) -> None:
        """See that partial updates stay partial; without it a new column costs a whole row."""
        refresh.install()

    def on_resize(self) -> None:
        """Draw for the new size: that of the content, not of the event, which counts borders too."""
        self._redraw(self.size)

    def _redraw(self, size: Size) -> None:
        if self._view is None:
            return
        before, self._picture = self._picture, render(self._view, size.width, size.height, self._cache, self._glyphs)
        changes = self._picture.changes(before)
        if changes is None:
            self.refresh()
        elif changes:
            self.refresh(*(Region(change.x, change.y, change.width, 1) for change in changes))

    def _style(self, code: int) -> Style:
        style = self._styles_by_code.get(code)
        if style is None:
            style = self._styles_by_code[code] = self._filtered(self._component_style(code & 0xFF, Ground(code >> 8)))
        return style

    def _filtered(self, style: Style) -> Style:
        """*style* as the filters of the terminal leave it: without colours, or without the dim ones."""
        _, background = self.background_colors
        segments = [Segment(" ", style)]
        for line_filter in self.get_line_filters():
            segments = line_filter.apply(segments, background)
        return segments[0].style or style

    def _component_style(self, ink: int, ground: Ground) -> Style:
        """The theme's colours blended over the widget's own: Rich knows no transparency."""
        _, background = self.background_colors
        _, _, foreground, _ = self.colors
        text_style = Style.null()
        if ground in _GROUND_CLASSES:
            background += self.get_component_styles(_GROUND_CLASSES[ground]).background
        if ink in _INK_CLASSES:
            component = self.get_component_styles(_INK_CLASSES[ink])
            foreground, text_style = component.color, component.text_style
        colours = Style.from_color((background + foreground).rich_color, background.rich_color)
        return colours + text_style
