"""The browser of an audit: the images with their boxes, the suspicious ones first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from textual import events
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Input

from dettui.audit.audit import Audit
from dettui.audit.gallery import gallery
from dettui.audit.reading.files import imported
from dettui.screens.audit_exhibit import beside, heading, help_lines, load, marks
from dettui.screens.audit_keys import KEYS, bindings
from dettui.screens.themes import DARK, LIGHT
from dettui.widgets.ascii import AsciiOnly
from dettui.widgets.lines import LinesView
from dettui.widgets.picture import HalfBlockPicture
from dettui.widgets.picture_graphics import Graphics, GraphicsPicture, graphics_of_terminal
from dettui.widgets.text import Line, Span, crop, width_of

PictureWidget: TypeAlias = "HalfBlockPicture | GraphicsPicture"

TEXT_SHARE: Final = 0.34
LEAST_TEXT, MOST_TEXT = 26, 46
"""Cells of the text beside the picture: what sentences need, and no more than they use."""


class AuditScreen(Screen[Any]):
    """One image at a time."""

    AUTO_FOCUS = ""  # a key must never land in the filter by accident
    BINDINGS = bindings()
    CSS = """
    AuditScreen { background: $background; color: $foreground; layout: vertical; overflow: hidden; }
    #heading, #foot { height: 1; }
    #middle { height: 1fr; }
    #beside { width: 26; height: 1fr; margin-left: 1; }
    #filter { height: 1; padding: 0 1; }
    #help { height: 1fr; }
    """

    def __init__(self, audit: Audit, graphics: Graphics | None) -> None:
        super().__init__()
        self._all = gallery(audit)
        self.shown = self._all
        self.place = 0
        self._with_boxes = True
        self._graphics = graphics

    def compose(self) -> ComposeResult:
        """Heading, picture and text beside it, the filter, the foot; the help over the middle."""
        yield LinesView(id="heading", scrolls=False)
        with Horizontal(id="middle"):
            yield GraphicsPicture(self._graphics, id="picture") if self._graphics else HalfBlockPicture(id="picture")
            yield LinesView(id="beside")
        yield LinesView(id="help")
        yield Input(placeholder="a finding or a file; enter keeps it, esc drops it", id="filter", compact=True)
        yield LinesView(id="foot", scrolls=False)

    def on_mount(self) -> None:
        """Start with the picture alone."""
        self.query_one("#filter").display = False
        self.query_one("#help").display = False

    def on_resize(self, event: events.Resize) -> None:
        """Share the room out again."""
        wanted = round(event.size.width * TEXT_SHARE)
        self.query_one("#beside").styles.width = min(max(wanted, LEAST_TEXT), MOST_TEXT)
        self.call_after_refresh(self.redraw)

    def redraw(self) -> None:
        """Draw the image at the place, and what is said of it."""
        width = self.size.width
        self.query_one("#heading", LinesView).show((heading(self.shown, self.place, len(self._all), width),))
        self.query_one("#foot", LinesView).show((foot(width),))
        help_view = self.query_one("#help", LinesView)
        help_view.show(tuple(help_lines(help_view.columns)))
        if len(self.shown):
            self._draw_exhibit()
        else:
            self.picture.show(None, ())
            self.query_one("#beside", LinesView).show(())

    @property
    def picture(self) -> PictureWidget:
        """The widget that draws the image."""
        if self._graphics:
            return self.query_one("#picture", GraphicsPicture)
        return self.query_one("#picture", HalfBlockPicture)

    def _draw_exhibit(self) -> None:
        exhibit = self.shown.exhibit(self.place)
        image, why_not = load(exhibit)
        drawn = marks(exhibit, image) if image is not None and self._with_boxes else ()
        self.picture.show(image, drawn)
        view = self.query_one("#beside", LinesView)
        view.show(tuple(beside(exhibit, why_not, view.columns)))

    def _go(self, place: int) -> None:
        if len(self.shown):
            self.place = min(max(place, 0), len(self.shown) - 1)
            self.query_one("#beside", LinesView).scroll_home(animate=False)
            self.redraw()

    def action_move(self, by: int) -> None:
        """Another image, *by* places on; stays at the ends."""
        self._go(self.place + by)

    def action_suspicious(self, direction: int) -> None:
        """The next suspicious image in *direction*, around the end."""
        self._go(self.shown.next_suspicious(self.place, direction))

    def action_to_end(self, direction: int) -> None:
        """The first or the last image."""
        self._go(direction * len(self.shown))

    def action_boxes(self) -> None:
        """Show the picture without its boxes, or with them."""
        self._with_boxes = not self._with_boxes
        self.redraw()

    def action_scroll(self, by: int) -> None:
        """Scroll the text in front."""
        name = "#help" if self.query_one("#help").display else "#beside"
        self.query_one(name, LinesView).scroll_relative(y=by, animate=False)

    def action_help(self) -> None:
        """Open the help, or close it."""
        self._show_help(not self.query_one("#help").display)

    def action_filter(self) -> None:
        """Ask for the text to filter by."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_back(self) -> None:
        """Close the help, else drop the filter."""
        if self.query_one("#help").display:
            self._show_help(False)
            return
        self.query_one("#filter", Input).value = ""
        self._leave_filter()

    def action_toggle_light(self) -> None:
        """Change between light and dark."""
        self.app.theme = DARK.name if self.app.theme == LIGHT.name else LIGHT.name

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the text is being typed."""
        text = event.value.strip()
        self.shown = self._all.only(text) if text else self._all
        self.place = 0
        self.redraw()

    def on_input_submitted(self) -> None:
        """Keep the filter; its field stays in sight, so that hidden images are never a riddle."""
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.set_focus(None)
        self.query_one("#filter").display = len(self.shown) != len(self._all)

    def _show_help(self, is_open: bool) -> None:
        self.query_one("#help").display = is_open
        self.query_one("#middle").display = not is_open
        self.call_after_refresh(self.redraw)


class AuditBrowser(App[None]):
    """The application around the one screen."""

    TITLE = "dettui audit"
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self, audit: Audit, *, graphics: Graphics | None = None, ascii_only: bool = False, light: bool = False
    ) -> None:
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._audit = audit
        self._graphics = graphics
        self._ascii_only = ascii_only
        self._first_theme = LIGHT if light else DARK

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters, then ours for terminals without Unicode."""
        filters = super().get_line_filters()
        return [*filters, AsciiOnly()] if self._ascii_only else filters

    def on_mount(self) -> None:
        """Open the browser."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = self._first_theme.name
        self.push_screen(AuditScreen(self._audit, self._graphics))


def foot(width: int) -> Line:
    """The keys that matter most, as many as fit."""
    spans: list[Span] = []
    for key in (key for key in KEYS if key.hint):
        hint = (Span(f" {key.shown.split()[0]}", "key"), Span(f" {key.hint} ", "muted"))
        if width_of((*spans, *hint)) > width:
            break
        spans += hint
    return crop(tuple(spans), width)


def run_browser(audit: Audit, *, ascii_only: bool = False, light: bool = False) -> None:
    """Show *audit* until the user quits.  Raises MissingExtra where nothing can open images."""
    imported("PIL.Image", "showing images")
    AuditBrowser(audit, graphics=graphics_of_terminal(), ascii_only=ascii_only, light=light).run()
