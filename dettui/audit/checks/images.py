"""Image files against what the annotations say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from dettui.audit.dataset import Dataset, Ints
from dettui.audit.finding import AuditFinding, on_images
from dettui.audit.policy import AuditPolicy
from dettui.audit.scan import Header, Scan


def missing(data: Dataset) -> Iterator[AuditFinding]:
    """Images that are listed and not there.  Silent where none was found at all: then the folder is another."""
    if not data.images.was_searched:
        return
    absent = np.asarray([i for i, path in enumerate(data.images.paths) if path is None or not path.is_file()], np.int64)
    if 0 < len(absent) < len(data.images):
        yield on_images(
            data, "image_missing", "certain", "Images are listed and not there", absent,
            remedy="bring the files, or drop their entries: the loader stops at them", cause="empty_targets",
        )  # fmt: skip


def headers(data: Dataset, found: Scan, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Everything that the headers show."""
    yield from _unreadable(data, found)
    yield from _small(data, found, policy)
    yield from _cut_off(data, found)
    yield from _unusual(data, found, policy)
    yield from _sizes(data, found, policy)
    yield from _turned(data, found)


def _unreadable(data: Dataset, found: Scan) -> Iterator[AuditFinding]:
    flagged = _where(found, lambda _, header: bool(header.error))
    if len(flagged):
        yield on_images(
            data, "image_unreadable", "certain", "Images cannot be opened", flagged,
            remedy="replace them: trainers skip them, or stop", cause="inputs_constant", total=len(found.headers),
            describe=lambda index: found.headers[index].error,
        )  # fmt: skip


def _small(data: Dataset, found: Scan, policy: AuditPolicy) -> Iterator[AuditFinding]:
    flagged = _where(found, lambda _, h: not h.error and min(h.width, h.height) < policy.least_side_px)
    if len(flagged):
        yield on_images(
            data, "image_too_small", "warning", f"Images have less than {policy.least_side_px} pixels a side", flagged,
            remedy="drop them; ultralytics does", total=len(found.headers), describe=_size_text(found),
        )  # fmt: skip


def _cut_off(data: Dataset, found: Scan) -> Iterator[AuditFinding]:
    flagged = _where(found, lambda _, header: header.is_cut_off)
    if len(flagged):
        yield on_images(
            data, "image_cut_off", "warning", "JPEG files end early", flagged,
            remedy="copy them again: the lower part is grey, or the loader stops", cause="inputs_constant",
            total=len(found.headers),
        )  # fmt: skip


def _unusual(data: Dataset, found: Scan, policy: AuditPolicy) -> Iterator[AuditFinding]:
    flagged = _where(found, lambda _, header: not header.error and header.format not in policy.formats)
    if len(flagged):
        yield on_images(
            data, "image_format_unusual", "info", "Images are in a format that some trainers do not read", flagged,
            remedy="convert them to JPEG or PNG", total=len(found.headers),
            describe=lambda index: found.headers[index].format,
        )  # fmt: skip


def _sizes(data: Dataset, found: Scan, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Declared against real sizes; exchanged sides are EXIF's, or a swap."""
    flagged = _where(
        found, lambda index, header: _differs(data, index, header, policy) and not _is_exif(data, index, header)
    )
    if len(flagged):
        yield on_images(
            data, "image_size_differs", "certain", "Images have another size than the annotations say", flagged,
            remedy="scale the boxes, or restore the images they were drawn on", cause="boxes_wrong_scale",
            total=len(found.headers), describe=_sizes_text(data, found),
        )  # fmt: skip


def _turned(data: Dataset, found: Scan) -> Iterator[AuditFinding]:
    """Boxes drawn on the turned image while the loader reads it unturned (A16)."""
    against = _where(found, lambda index, header: _is_exif(data, index, header))
    if len(against):
        yield on_images(
            data, "image_turned_by_exif", "warning", "Boxes were drawn on images that EXIF turns", against,
            remedy="turn the pixels for good (PIL.ImageOps.exif_transpose): PIL and torchvision do not, OpenCV does",
            cause="boxes_not_transformed", total=len(found.headers), describe=_sizes_text(data, found),
        )  # fmt: skip
    other = _where(found, lambda index, header: header.is_turned and not _is_exif(data, index, header))
    if len(other):
        yield on_images(
            data, "image_has_exif_turn", "info", "EXIF turns images: OpenCV and PIL read them differently", other,
            remedy="turn the pixels for good, so that every reader sees the same", total=len(found.headers),
        )  # fmt: skip


def _differs(data: Dataset, index: int, header: Header, policy: AuditPolicy) -> bool:
    width, height = data.images.sizes[index]
    if header.error or not data.images.declares_size[index]:
        return False
    return bool(max(abs(width - header.width), abs(height - header.height)) > policy.size_tolerance_px)


def _is_exif(data: Dataset, index: int, header: Header) -> bool:
    """Whether the declared size is that of the turned image, and the file's another."""
    width, height = data.images.sizes[index]
    is_exchanged = (width, height) == (header.height, header.width) and header.width != header.height
    return bool(header.is_turned and is_exchanged and data.images.declares_size[index])


def _where(found: Scan, is_so: Callable[[int, Header], bool]) -> Ints:
    return np.asarray([index for index, header in found.headers.items() if is_so(index, header)], np.int64)


def _size_text(found: Scan) -> Callable[[int], str]:
    return lambda index: f"{found.headers[index].width}x{found.headers[index].height}"


def _sizes_text(data: Dataset, found: Scan) -> Callable[[int], str]:
    def say(index: int) -> str:
        width, height = data.images.sizes[index]
        return f"declared {width:.0f}x{height:.0f}, is {found.headers[index].width}x{found.headers[index].height}"

    return say
