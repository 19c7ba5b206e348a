"""One image as the model was given it: the marks to draw on it, and the text beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Final, TypeAlias

import numpy as np

from dettui.charts.numbers import count, duration, number
from dettui.domain.frame import RunFrame
from dettui.domain.given import GivenImage
from dettui.domain.run import ModelInfo
from dettui.widgets.picture import COLOURS, Mark, Rgb
from dettui.widgets.text import BLANK, Line, Span, crop, harmless, left, paragraph, spread

NO_IMAGES: Final = "no image yet: the probe sends one with the first batch, then every 5 minutes"
NO_CLASS: Final[Rgb] = (235, 235, 235)


def letters_of(image: GivenImage, classes: int) -> dict[int, str]:
    """A letter for each class id: the same on every image where they suffice, else anew for those of this image."""
    shown = sorted(set(image.labels))
    if classes <= len(ascii_uppercase) and all(0 <= label < classes for label in shown):
        return {label: ascii_uppercase[label] for label in shown}
    return {label: ascii_uppercase[place] if place < 26 else "#" for place, label in enumerate(shown)}


def marks_of(image: GivenImage, run: RunFrame) -> tuple[Mark, ...]:
    """The boxes of *image*, in pixels of its picture."""
    letters = letters_of(image, len(run.info.class_names))
    return tuple(
        Mark(
            tuple(box.tolist()),
            "?" if label is None else letters[label],
            NO_CLASS if label is None else COLOURS[label % len(COLOURS)],
            bool(flaw_of(box, label, image, run.model)),
        )
        for box, label in boxes_of(image)
    )


def boxes_of(image: GivenImage) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.float64]], int | None]]:
    """Each box, (4,), with its class id; None where the target held fewer class ids than boxes."""
    for place, box in enumerate(image.boxes):
        yield box, image.labels[place] if place < len(image.labels) else None


Box: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]


def flaw_of(box: Box, label: int | None, image: GivenImage, model: ModelInfo | None) -> str:
    """What cannot be right with a box of *image*, however that looks; "" for nothing."""
    return _flaw_of_place(box, image) or _flaw_of_label(label, model)


def _flaw_of_place(box: Box, image: GivenImage) -> str:
    if not np.isfinite(box).all():
        return "not finite"
    if box[2] <= box[0] or box[3] <= box[1]:
        return "no area"
    return "beyond the image" if "outside" in image.what and _leaves(box, image) else ""


def _flaw_of_label(label: int | None, model: ModelInfo | None) -> str:
    if label is None:
        return "no class id"
    if label < 0 or (model is not None and model.num_classes is not None and label >= model.num_classes):
        return f"class id {label}: the head has none"
    if model is not None and label == model.background:
        return f"class id {label}: background"
    return ""


def _leaves(box: Box, image: GivenImage) -> bool:
    """Whether *box* reaches more than a pixel beyond the image as it was given."""
    sides = np.array(image.rgb.shape[1::-1], dtype=np.float64)
    slack = sides / np.array(image.size)
    return bool((box[:2] < -slack).any() or (box[2:] > sides + slack).any())


def heading(images: Sequence[GivenImage], place: int, now: float, width: int) -> Line:
    """Which image this is, of which step, how old, of how many."""
    if not images:
        return crop((Span(f" {NO_IMAGES}", "muted"),), width)
    image = images[place]
    age = duration(max(now - image.time, 0.0))
    faulty = f" ■ {words_of(image.what)}:" if image.what else ""
    what = f"{faulty} image {image.index} of the batch of step {count(image.step)}"
    return spread(
        (Span(what, "strong"), Span(f"  {age} ago", "muted")),
        (Span(f"{place + 1} of {len(images)} ", "muted"),),
        width,
    )


def words_of(what: Sequence[str]) -> str:
    """What cannot be right about the targets of an image."""
    return harmless(", ".join(name.replace("_", " ") for name in what))


def beside(image: GivenImage, run: RunFrame, width: int) -> Iterator[Line]:
    """The text beside the picture: how it was made, the classes, the boxes."""
    yield from _about(image, width)
    yield BLANK
    yield (Span("Classes", "accent"),)
    yield from _classes(image, run, width)
    yield BLANK
    yield (Span("Boxes", "accent"), Span("  x1 y1 x2 y2", "muted"))
    yield from _boxes(image, run, width)


def _about(image: GivenImage, width: int) -> Iterator[Line]:
    if image.file:
        yield from paragraph(harmless(image.file), width, role="strong")
    yield crop((Span(f"{image.size[0]}x{image.size[1]} as given, boxes {count(image.box_count)}"),), width)
    low, high = map(number, image.value_range)
    yield from paragraph(f"values {low} to {high}", width, role="muted")
    if image.is_stretched:
        text = "outside 0 to 1: scaled here, the smallest is black, the largest white"
        yield from paragraph(text, width, (Span("● ", "muted"),), "muted")


def _classes(image: GivenImage, run: RunFrame, width: int) -> Iterator[Line]:
    names = run.info.class_names
    for label, letter in letters_of(image, len(names)).items():
        name = names[label] if 0 <= label < len(names) else f"class id {label}"
        yield crop((Span(f"{left(letter, 2)} {image.labels.count(label):>3}  {harmless(name)}"),), width)
    if not image.labels:
        yield (Span("none", "muted"),)


def _boxes(image: GivenImage, run: RunFrame, width: int) -> Iterator[Line]:
    """One line for each box, in pixels of the image as given."""
    letters = letters_of(image, len(run.info.class_names))
    height_of_picture, width_of_picture = image.rgb.shape[:2]
    scale = np.tile(np.array(image.size) / (width_of_picture, height_of_picture), 2)
    for box, label in boxes_of(image):
        flaw = flaw_of(box, label, image, run.model)
        sign, letter = "!" if flaw else " ", "?" if label is None else letters[label]
        numbers = " ".join(f"{value:.4g}" for value in box * scale)
        yield crop((Span(f"{sign}{letter} {numbers}", "warning" if flaw else "muted"),), width)
        if flaw:
            yield from paragraph(flaw, width, (Span("   "),), "warning")
    if image.box_count > len(image.boxes):
        yield (Span(f"  and {count(image.box_count - len(image.boxes))} more", "muted"),)
    elif not image.box_count:
        yield (Span("none", "muted"),)
