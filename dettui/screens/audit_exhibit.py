"""One image of an audit: its pixels, the marks to draw on it, and the text beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

import numpy as np

from dettui.audit.dataset import UNKNOWN
from dettui.audit.gallery import Exhibit, Gallery
from dettui.audit.reading.files import imported
from dettui.audit.reading.torch_style import RAISED, first_line, pixels_of
from dettui.audit.scan import UNREADABLE
from dettui.charts.numbers import count
from dettui.screens.audit_keys import KEYS
from dettui.screens.audit_text import SIGNS
from dettui.widgets.picture import COLOURS, Mark
from dettui.widgets.text import BLANK, Line, Span, crop, harmless, left, paragraph, spread

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PX: Final = 1600
"""Of the longer side: more is not seen in any terminal, and costs memory."""

BOX_ROWS: Final = 200


def load(exhibit: Exhibit) -> tuple[Image | None, str]:
    """The pixels of the image, RGB and shrunk to MOST_PX, and why there are none where there are none."""
    path = exhibit.audited.data.images.paths[exhibit.image]
    if exhibit.audited.data.picture is not None:
        return _from_dataset(exhibit, exhibit.audited.data.picture)
    if path is None:
        return None, "the file was not found"
    opener, turner = imported("PIL.Image", "showing images"), imported("PIL.ImageOps", "showing images")
    try:
        with opener.open(path) as opened:
            opened.draft("RGB", (MOST_PX, MOST_PX))
            # Boxes of YOLO are shares of what OpenCV reads, and that follows EXIF; other boxes are pixels of the file.
            is_turned = not exhibit.audited.data.images.declares_size[exhibit.image]
            image = (turner.exif_transpose(opened) if is_turned else opened).convert("RGB")
            image.thumbnail((MOST_PX, MOST_PX))
            return image, ""
    except UNREADABLE as error:
        return None, f"cannot be opened: {' '.join(str(error).split())[:120]}"


def _from_dataset(exhibit: Exhibit, picture: Callable[[int], object]) -> tuple[Image | None, str]:
    """The image as the user's Dataset gives it now: one that augments at random gives another each time."""
    opener = imported("PIL.Image", "showing images")
    try:
        image = opener.fromarray(pixels_of(picture(exhibit.image)))
    except RAISED as error:
        return None, f"{type(error).__name__}: {first_line(error)}"
    image.thumbnail((MOST_PX, MOST_PX))
    return image, ""


def letters(exhibit: Exhibit) -> dict[int, str]:
    """A letter for each class: the same on every image where they suffice, else anew for those of this image."""
    data = exhibit.audited.data
    classes = range(len(data.classes))
    if len(classes) > len(ascii_uppercase):
        classes = np.unique(data.boxes.classes[exhibit.boxes][data.boxes.classes[exhibit.boxes] >= 0]).tolist()
    named = {index: ascii_uppercase[place] if place < 26 else "#" for place, index in enumerate(classes)}
    return {**named, UNKNOWN: "?"}


def colour_of(class_index: int) -> tuple[int, int, int]:
    """The colour of a class: the same on every image."""
    return (235, 235, 235) if class_index == UNKNOWN else COLOURS[class_index % len(COLOURS)]


def marks(exhibit: Exhibit, image: Image) -> tuple[Mark, ...]:
    """The boxes of the exhibit in pixels of *image*, which may be smaller than the file."""
    data, named = exhibit.audited.data, letters(exhibit)
    scale = np.tile(np.asarray(image.size) / frame_size(exhibit, image), 2)
    return tuple(
        Mark(
            tuple((data.boxes.xyxy[box] * scale).tolist()),
            named[class_index],
            colour_of(class_index),
            box in exhibit.flawed,
        )
        for box, class_index in zip(exhibit.boxes.tolist(), data.boxes.classes[exhibit.boxes].tolist(), strict=True)
    )


def frame_size(exhibit: Exhibit, image: Image) -> tuple[float, float]:
    """Width and height of the file in the units of its boxes: of the file itself, whatever the annotations say."""
    data = exhibit.audited.data
    if not data.images.in_pixels[exhibit.image]:
        return 1.0, 1.0
    header = exhibit.audited.found.headers.get(exhibit.image)
    if header is not None and not header.error:
        turn = header.is_turned and not data.images.declares_size[exhibit.image]
        return (header.height, header.width) if turn else (header.width, header.height)
    width, height = data.images.sizes[exhibit.image]
    return (float(width), float(height)) if np.isfinite(width) else (float(image.width), float(image.height))


def heading(shown: Gallery, place: int, total: int, width: int) -> Line:
    """Which image this is, of how many."""
    if not len(shown):
        return crop((Span(" no image fits the filter", "warning"),), width)
    exhibit = shown.exhibit(place)
    name = f"{exhibit.audited.name}: " if exhibit.audited.name else ""
    of = f"{count(place + 1)} of {count(len(shown))}" + (f" ({count(total)} in all)" if len(shown) != total else "")
    return spread((Span(f" {harmless(name + exhibit.file)}", "strong"),), (Span(f"{of} ", "muted"),), width)


def beside(exhibit: Exhibit, why_not: str, width: int) -> Iterator[Line]:
    """The text beside the picture: what is wrong, the classes, the boxes."""
    data = exhibit.audited.data
    if why_not:
        yield from paragraph(f"no picture: {why_not}", width, (Span("! ", "warning"),), "warning")
        yield BLANK
    for finding in exhibit.findings:
        sign = SIGNS[finding.severity]
        yield from paragraph(finding.title, width, (Span(f"{sign.glyph} ", sign.role),), "strong")
    if not exhibit.findings:
        yield (Span("✓ ", "good"), Span("nothing found here"))
    yield BLANK
    yield (Span("Classes", "accent"),)
    named = letters(exhibit)
    classes = data.boxes.classes[exhibit.boxes].tolist()
    for index in dict.fromkeys(sorted(classes)):
        text = f"{left(named[index], 2)} {classes.count(index):>3}  {harmless(data.classes.name(index))}"
        yield crop((Span(text),), width)
    yield BLANK
    yield (Span("Boxes", "accent"), Span("  x1 y1 x2 y2", "muted"))
    yield from _boxes(exhibit, named, width)
    yield from _remedies(exhibit, width)


def _boxes(exhibit: Exhibit, named: dict[int, str], width: int) -> Iterator[Line]:
    """One line for each box, the flawed ones first."""
    data = exhibit.audited.data
    order = sorted(exhibit.boxes.tolist(), key=lambda box: (box not in exhibit.flawed, box))
    for box in order[:BOX_ROWS]:
        letter = named[int(data.boxes.classes[box])]
        corners = " ".join(f"{value:.4g}" for value in data.boxes.xyxy[box])
        is_flawed = box in exhibit.flawed
        yield crop(
            (Span(f"{'!' if is_flawed else ' '}{letter} {corners}", "warning" if is_flawed else "muted"),), width
        )
    if len(order) > BOX_ROWS:
        yield (Span(f"  and {count(len(order) - BOX_ROWS)} more", "muted"),)


def _remedies(exhibit: Exhibit, width: int) -> Iterator[Line]:
    remedies = dict.fromkeys(finding.remedy for finding in exhibit.findings if finding.severity != "info")
    if remedies:
        yield BLANK
        yield (Span("What to do", "accent"),)
    for remedy in remedies:
        yield from paragraph(remedy, width, (Span("→ ", "good"),), "muted")


def help_lines(width: int) -> Iterator[Line]:
    """The key table and the signs."""
    yield (Span("  Keys", "accent"),)
    for key in KEYS:
        yield from paragraph(key.description, width, (Span(f"    {left(key.shown, 11)}", "key"),))
    yield BLANK
    yield (Span("  Signs", "accent"),)
    signs: Sequence[tuple[str, str]] = (
        ("A", "a box and the letter of its class; the text beside the picture names the classes"),
        ("!A", "a box, dashed, of which a finding speaks"),
        *((sign.glyph, f"a finding: {sign.word}") for sign in SIGNS.values()),
    )
    for glyph, text in signs:
        yield from paragraph(text, width, (Span(f"    {left(glyph, 11)}", "key"),))
