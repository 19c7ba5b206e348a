"""What the image files themselves say: size, format, orientation, and a fingerprint of the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dettui.audit.dataset import Dataset, Ints
from dettui.audit.progress import Progress
from dettui.audit.reading.files import imported

ORIENTATION_TAG: Final = 274
TURNED: Final = frozenset({5, 6, 7, 8})  # EXIF: shown with width and height exchanged
HASH_SIDE: Final = 16
JPEG_END: Final = b"\xff\xd9"
JPEG_FORMATS: Final = frozenset({"JPEG", "MPO"})

UNREADABLE: Final = (OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError)
"""What Pillow raises over files that are no image, or not whole.  SyntaxError: of broken PNG files."""


@dataclass(frozen=True)
class Header:
    """What the start and the end of an image file say."""

    width: int
    height: int
    format: str
    orientation: int = 1
    is_cut_off: bool = False
    error: str = ""

    @property
    def is_turned(self) -> bool:
        """Whether a viewer shows it with width and height exchanged."""
        return self.orientation in TURNED


@dataclass(frozen=True, eq=False)
class Scan:
    """The headers, and the fingerprints, of the images that were looked at."""

    headers: Mapping[int, Header]  # by index of the image
    hashed: Ints  # (m,) indices of the images whose pixels were read
    hashes: NDArray[np.bool_]  # (m, 256)


EMPTY: Final = Scan({}, np.empty(0, np.int64), np.empty((0, HASH_SIDE**2), np.bool_))


def scan(dataset: Dataset, limit: int, progress: Progress, *, with_pixels: bool) -> Scan:
    """Read at most *limit* of the image files, spread evenly; 0 reads all.  Raises MissingExtra without Pillow."""
    present = np.asarray([i for i, path in enumerate(dataset.images.paths) if path is not None and path.is_file()])
    if not len(present):
        return EMPTY
    imported("PIL.Image", "reading images")
    chosen = spread(present.astype(np.int64), limit)
    headers: dict[int, Header] = {}
    prints: dict[int, NDArray[np.bool_]] = {}
    for done, index in enumerate(chosen.tolist()):
        progress("images read", done, len(chosen))
        path = dataset.images.paths[index]
        assert path is not None
        headers[index] = read_header(path)
        if with_pixels and not headers[index].error and (print_ := fingerprint(path)) is not None:
            prints[index] = print_
    progress("images read", len(chosen), len(chosen))
    hashes = np.stack(list(prints.values())) if prints else EMPTY.hashes
    return Scan(headers, np.asarray(list(prints), np.int64), hashes)


def spread(indices: Ints, most: int) -> Ints:
    """At most *most* of *indices*, evenly spread; all for 0."""
    if not most or len(indices) <= most:
        return indices
    places = np.linspace(0, len(indices) - 1, most).round().astype(np.int64)
    chosen: Ints = indices[places]
    return chosen


def read_header(path: Path) -> Header:
    """The header of the image at *path*; one with an error where it cannot be read."""
    image_module = imported("PIL.Image", "reading images")
    try:
        with image_module.open(path) as image:
            orientation = int(image.getexif().get(ORIENTATION_TAG, 1) or 1)
            cut_off = image.format in JPEG_FORMATS and not _ends_as_jpeg(path)
            return Header(image.width, image.height, str(image.format), orientation, cut_off)
    except UNREADABLE as error:
        return Header(0, 0, "", error=" ".join(str(error).split())[:120] or type(error).__name__)


def _ends_as_jpeg(path: Path) -> bool:
    """Whether the end marker stands in the last 4 KiB: cameras may write more after it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return JPEG_END in file.read()


def fingerprint(path: Path) -> NDArray[np.bool_] | None:
    """Difference hash of 256 bits: is each of 16 x 17 grey cells darker than its right neighbour?  None if unreadable.

    It survives recompression and resizing, see http://www.hackerfactor.com/blog/index.php?/archives/529-.html.
    """
    image_module = imported("PIL.Image", "reading images")
    try:
        with image_module.open(path) as image:
            image.draft("L", (HASH_SIDE * 8, HASH_SIDE * 8))  # lets the JPEG decoder skip most of its work
            small = image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), image_module.Resampling.BOX)
    except UNREADABLE:
        return None
    cells = np.asarray(small, np.int16)
    bits: NDArray[np.bool_] = (cells[:, 1:] > cells[:, :-1]).ravel()
    return bits


def measured(dataset: Dataset, found: Scan) -> Dataset:
    """*dataset* with sizes where only the files know them; boxes that were shares become pixels there."""
    sizes, in_pixels = dataset.images.sizes.copy(), dataset.images.in_pixels.copy()
    scales = np.ones_like(sizes)
    for index, header in found.headers.items():
        if header.error or (in_pixels[index] and np.isfinite(sizes[index]).all()):
            continue
        size = (header.height, header.width) if header.is_turned else (header.width, header.height)
        if not in_pixels[index]:
            scales[index] = size
        sizes[index], in_pixels[index] = size, True
    boxes = dataset.boxes
    xyxy = boxes.xyxy * np.tile(scales[boxes.images], 2)
    images = replace(dataset.images, sizes=sizes, in_pixels=in_pixels)
    return replace(dataset, images=images, boxes=replace(boxes, xyxy=xyxy))
