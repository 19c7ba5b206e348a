"""The images that the model was last given, with their boxes."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal

from dettui.domain.frame import Frame, RunFrame
from dettui.domain.given import GivenImage
from dettui.screens.keys import Where, bindings_of
from dettui.screens.one_run import OneRunScreen
from dettui.widgets.given_text import beside, heading, marks_of
from dettui.widgets.lines import LinesView
from dettui.widgets.picture import HalfBlockPicture
from dettui.widgets.raster import ArrayRaster

TEXT_SHARE: Final = 0.34
LEAST_TEXT, MOST_TEXT = 26, 46
"""Cells of the text beside the picture, as in the browser of an audit."""


class ImagesScreen(OneRunScreen):
    """One image at a time.  The one being looked at stays until it is forgotten.  Opened at the first image whose
    targets failed one of *checks*, or at the first one."""

    where: Where = "images"
    BINDINGS = bindings_of("everywhere", "images")

    def __init__(self, run: str, checks: frozenset[str] = frozenset()) -> None:
        super().__init__(run)
        self.checks = checks
        self.chosen: tuple[int, int, bool] | None = None  # as ``_identity`` has it; None: none was chosen yet
        self._with_boxes = True
        self._drawn: object = None  # what the picture shows: a tick must not draw it again

    def compose_page(self) -> ComposeResult:
        """Picture and text side by side."""
        yield LinesView(id="heads", scrolls=False)
        with Horizontal(id="images"):
            yield HalfBlockPicture(id="picture")
            yield LinesView(id="beside")

    def draw_run(self, run: RunFrame, frame: Frame) -> None:
        """Show the chosen image as *frame* has it."""
        width, place = self.size.width, self._place(run.given)
        self.query_one("#beside").styles.width = min(max(round(width * TEXT_SHARE), LEAST_TEXT), MOST_TEXT)
        self.query_one("#heads", LinesView).show((heading(run.given, place, frame.made_at, width),))
        view = self.query_one("#beside", LinesView)
        image = run.given[place] if run.given else None
        view.show(tuple(beside(image, run, view.columns)) if image else ())
        self._draw_picture(image, run)

    def _draw_picture(self, image: GivenImage | None, run: RunFrame) -> None:
        marks = marks_of(image, run) if image and self._with_boxes else ()
        if (image, marks) != self._drawn:
            self._drawn = (image, marks)
            self.query_one(HalfBlockPicture).show(ArrayRaster(image.rgb) if image else None, marks)

    def _place(self, images: tuple[GivenImage, ...]) -> int:
        """Where the chosen image stands now; the first one that was asked for where none is chosen or it is gone."""
        known = [_identity(image) for image in images]
        if self.chosen in known:
            return known.index(self.chosen)
        return next((place for place, image in enumerate(images) if self.checks.intersection(image.what)), 0)

    def action_move(self, by: int) -> None:
        """Another image, *by* places on; stays at the ends."""
        run = self.run_frame
        if run is None or not run.given:
            return
        place = min(max(self._place(run.given) + by, 0), len(run.given) - 1)
        self.chosen = _identity(run.given[place])
        self.query_one("#beside", LinesView).scroll_home(animate=False)
        self.redraw()

    def action_boxes(self) -> None:
        """Show the picture without its boxes, or with them."""
        self._with_boxes = not self._with_boxes
        self.redraw()

    def action_scroll(self, by: int) -> None:
        """Scroll the text beside the picture by *by* lines."""
        self.query_one("#beside", LinesView).scroll_relative(y=by, animate=False)


def _identity(image: GivenImage) -> tuple[int, int, bool]:
    """What tells the images apart: one may be there twice, as an example of its batch and for its targets."""
    return image.step, image.index, bool(image.what)
