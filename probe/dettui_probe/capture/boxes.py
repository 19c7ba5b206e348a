"""Checks of boxes and labels, on the writer thread.  Formulas: rows A1-A9, M1 and M2 of the failure catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from dettui_probe import tags
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.targets import Snapshot, plain_name, sorted_by_image
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.contract import UNKNOWN, BoxFormat, Contract

TOLERANCE_PX: Final = 1.0  # rounding of annotation tools; beyond it a box sticks out (catalogue A5)
LARGEST_SHARE: Final = 1.5  # boxes may reach out of their image (catalogue A3)
FAR_SHARE: Final = 4.0  # shares of another image than their own may reach so far
LEAST_SIDE_SHARE: Final = 1 / 16  # of an image, within which all boxes of a batch hardly ever lie
TINY_PX: Final = 2.001  # a side of 2 pixels or less [catalogue A7], as float32 subtracts it
WHOLE: Final = 0.98  # share of both sides of an image from which on a box is all of it
MOSTLY_LEGAL: Final = 0.9  # share of a batch in one format, above which nothing has to be undone
OFFENCES_TOLD: Final = 3  # events per kind of offence and run: the rows count all of them


class Placed(NamedTuple):
    """All boxes of a batch beside the size of the image that each belongs to."""

    raw: Tensor  # (n, 4) float32, in pixels, in whatever format they came
    xyxy: Tensor  # (n, 4) corners, as the head reads them
    width: Tensor  # (n,)
    height: Tensor  # (n,)
    image: Tensor  # (n,) index of the image in the batch


def place(snapshot: Snapshot, boxes: Tensor, contract: Contract = UNKNOWN) -> Placed:
    """Each box of *snapshot* with its image, in pixels; corners as *contract* reads them (xyxy where unknown)."""
    counts = torch.tensor([max(count, 0) for count in snapshot.box_counts])
    image = torch.repeat_interleave(torch.arange(len(counts)), counts)
    sizes = torch.tensor(snapshot.sizes, dtype=torch.float32)[image]
    height, width = sizes.unbind(1)
    side = min((min(size) for size in snapshot.sizes), default=0)
    raw = boxes * torch.stack([width, height, width, height], dim=1) if are_shares(boxes, contract, side) else boxes
    return Placed(raw, corners(raw, contract.box_format), width, height, image)


def are_shares(boxes: Tensor, contract: Contract, side: int) -> bool:
    """Whether *boxes* are shares of the sides of their images, the shortest of *side* pixels: as *contract* says, else
    as no box of pixels could be."""
    if contract.box_scale is not None:
        return contract.box_scale == "unit"
    largest = max(LARGEST_SHARE, min(FAR_SHARE, side * LEAST_SIDE_SHARE))
    return len(boxes) > 0 and bool((boxes <= largest).all())


def corners(boxes: Tensor, box_format: BoxFormat | None) -> Tensor:
    """x1, y1, x2, y2 of *boxes* (n, 4)."""
    readings = {"xywh": read_as_xywh, "cxcywh": read_as_cxcywh, "yxyx": read_as_yxyx}
    return readings[box_format](boxes) if box_format in readings else boxes


def shares_of_image(boxes: Tensor, size: tuple[int, int], contract: Contract) -> Tensor:
    """Corners of *boxes* (n, 4), read as *contract* says, as shares of the (height, width) *size* of their image."""
    read, (height, width) = corners(boxes.float(), contract.box_format), size
    return read if are_shares(boxes, contract, min(size)) else read / torch.tensor([width, height] * 2)


def legal(placed: Placed, xyxy: Tensor) -> Tensor:
    """Which rows of *xyxy* are finite, have an area, and lie inside their image."""
    x1, y1, x2, y2 = xyxy.unbind(1)
    inside = (torch.minimum(x1, y1) >= -TOLERANCE_PX) & (x2 <= placed.width + TOLERANCE_PX)
    return (x2 > x1) & (y2 > y1) & inside & (y2 <= placed.height + TOLERANCE_PX)


def read_as_xywh(boxes: Tensor) -> Tensor:
    """Corners of *boxes*, were they x, y, width, height."""
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)


def read_as_cxcywh(boxes: Tensor) -> Tensor:
    """Corners of *boxes*, were they centre x, centre y, width, height."""
    half = boxes[:, 2:] / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)


def read_as_yxyx(boxes: Tensor) -> Tensor:
    """Corners of *boxes*, were they y1, x1, y2, x2."""
    return boxes[:, [1, 0, 3, 2]]


READINGS: Final[Mapping[BoxFormat, Callable[[Tensor], Tensor]]] = {
    "xyxy": lambda boxes: boxes,
    "cxcywh": read_as_cxcywh,
    "xywh": read_as_xywh,
}
"""Formats that boxes of a head that nobody knows may have, the likelier first, and their corners if they do."""


def _centres_and_sizes(corners: Tensor) -> Tensor:
    return torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)


def _starts_and_sizes(corners: Tensor) -> Tensor:
    return torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1)


UNDONE: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "xyxy_as_cxcywh": _centres_and_sizes,
    "xywh_as_cxcywh": lambda corners: read_as_xywh(_centres_and_sizes(corners)),
    "xyxy_as_xywh": _starts_and_sizes,
    "cxcywh_as_xywh": lambda corners: read_as_cxcywh(_starts_and_sizes(corners)),
}
"""Formats that boxes are mistaken for when their corners are made, and the corners that they had."""


def undone(placed: Placed) -> dict[str, Tensor]:
    """By tag, which boxes are legal once such a mistake is undone."""
    return {tags.TARGET_UNDONE + name: legal(placed, before(placed.xyxy)) for name, before in UNDONE.items()}


def edges(placed: Placed) -> dict[str, tuple[float, float]]:
    """By reading, the smallest left or top edge and the largest right or bottom one of the finite boxes, as shares of
    the sides of their images."""
    raw = placed.raw / torch.stack([placed.width, placed.height, placed.width, placed.height], dim=1)
    raw = raw[torch.isfinite(raw).all(dim=1)]
    if not len(raw):
        return {}
    read = {name: corners_of(raw) for name, corners_of in READINGS.items()}
    return {name: (float(boxes[:, :2].min()), float(boxes[:, 2:].max())) for name, boxes in read.items()}


def without_extent(placed: Placed) -> int:
    """Boxes without width or height in every reading."""
    sizes = placed.raw[:, 2:] - placed.raw[:, :2], placed.raw[:, 2:]
    flat, empty = ((size <= 0).any(dim=1) for size in sizes)
    return int((flat & empty).sum())


def offences(placed: Placed) -> dict[str, Tensor]:
    """By tag, which boxes offend."""
    x1, y1, x2, y2 = placed.xyxy.unbind(1)
    finite = torch.isfinite(placed.xyxy).all(dim=1)
    width, height = x2 - x1, y2 - y1
    sticks_out = (torch.minimum(x1, y1) < -TOLERANCE_PX) | (x2 > placed.width + TOLERANCE_PX)
    return {
        tags.TARGET_NONFINITE: ~finite,
        tags.TARGET_DEGENERATE: finite & ((width <= 0) | (height <= 0)),
        tags.TARGET_OUTSIDE: finite & (sticks_out | (y2 > placed.height + TOLERANCE_PX)),
        tags.TARGET_TINY: finite & (torch.minimum(width, height) < TINY_PX) & (torch.minimum(width, height) > 0),
    }


def formats(placed: Placed) -> dict[str, Tensor]:
    """By tag, which boxes are legal under each reading, and whose centre lies in the top left quadrant."""
    boxes = placed.raw
    centre_x, centre_y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return {
        tags.TARGET_TOP_LEFT: (centre_x <= placed.width / 2) & (centre_y <= placed.height / 2),
        tags.TARGET_LEGAL_XYXY: legal(placed, boxes),
        tags.TARGET_LEGAL_XYWH: legal(placed, read_as_xywh(boxes)),
        tags.TARGET_LEGAL_CXCYWH: legal(placed, read_as_cxcywh(boxes)),
        tags.TARGET_LEGAL_YXYX: legal(placed, read_as_yxyx(boxes)),
    }


_FORMATS: Final = (
    tags.TARGET_LEGAL_XYXY,
    tags.TARGET_LEGAL_XYWH,
    tags.TARGET_LEGAL_CXCYWH,
    tags.TARGET_LEGAL_YXYX,
)


def duplicates(placed: Placed) -> int:
    """Boxes that repeat an earlier one of their image exactly."""
    keyed = _keyed(placed)
    return len(keyed) - len(set(keyed))


def _keyed(placed: Placed) -> list[tuple[float, ...]]:
    """Each box with its image."""
    rows: list[list[float]] = torch.cat([placed.image[:, None].float(), placed.raw], dim=1).tolist()
    return [tuple(row) for row in rows]


def label_offences(labels: Tensor, contract: Contract) -> dict[str, Tensor]:
    """By tag, which labels offend; empty where the head is unknown."""
    if not contract.known:
        return {}
    least = contract.first_label if contract.background is None else min(contract.first_label, contract.background)
    illegal = labels < least
    if contract.num_classes is not None:
        illegal = illegal | (labels >= contract.num_classes)
    found = {tags.TARGET_LABEL_ILLEGAL: illegal}
    if contract.background is not None:
        found[tags.TARGET_BACKGROUND] = labels == contract.background
    return found


def below_zero(placed: Placed, labels: Tensor) -> Tensor:
    """Which of the *labels* (n,) are below 0 though an object's box is theirs, and none that fills up a target: one
    that is repeated, has no size, or is the whole image."""
    image = torch.stack([placed.width, placed.height], dim=1)
    sides = placed.raw[:, 2:] - placed.raw[:, :2], placed.raw[:, 2:]  # of corners, and as they stand
    has_size = (sides[0] > TINY_PX).all(dim=1) | (sides[1] > TINY_PX).all(dim=1)
    is_whole = (sides[0] > WHOLE * image).all(dim=1) | (sides[1] > WHOLE * image).all(dim=1)
    rows = _keyed(placed)
    counts = Counter(rows)
    is_single = torch.tensor([counts[row] == 1 for row in rows])
    return (labels < 0) & has_size & ~is_whole & is_single


class Anchors(Protocol):
    """Of a head that nobody knows."""

    def compare(self, sheet: Sheet, placed: Placed, are_legal_corners: Tensor) -> None: ...


class TargetChecks:
    """Fills in the ``targets/*`` values of a step, and tells the first offences of each kind."""

    def __init__(self, anchors: Anchors | None = None) -> None:
        self._told: dict[str, int] = {}
        self._anchors = anchors

    def check(self, sheet: Sheet, snapshot: Snapshot, tensors: Sequence[Tensor], contract: Contract) -> None:
        """Adds *snapshot*, with its *tensors* on the CPU, to the values of *sheet*."""
        tally = _Tally(sheet.values)
        snapshot, boxes, labels = sorted_by_image(snapshot, tensors)
        placed = place(snapshot, boxes, contract)
        self._count_images(tally, sheet, snapshot)
        self._count_boxes(tally, sheet, snapshot, placed)
        if contract.box_format is None:
            _note_readings(tally, placed)
        if self._anchors is not None and not contract.known:
            self._anchors.compare(sheet, placed, legal(placed, placed.raw))
        _note_range(tally, boxes)
        if labels is not None and len(labels):
            tally.low(tags.TARGET_LABEL_MIN, labels.min().item())
            tally.high(tags.TARGET_LABEL_MAX, labels.max().item())
            for tag, bad in label_offences(labels, contract).items():
                tally.add(tag, int(bad.sum()))
                self._tell_labels(sheet, snapshot, tag, labels, bad)
            if not contract.known and len(labels) == len(boxes):
                self._count_below_zero(tally, sheet, snapshot, placed, labels)

    def _count_below_zero(
        self, tally: _Tally, sheet: Sheet, snapshot: Snapshot, placed: Placed, labels: Tensor
    ) -> None:
        """Where nobody knows the head, the one class id that hardly any has."""
        tally.add(tags.TARGET_BELOW_ZERO, 0)
        if bool((labels < 0).any()):
            bad = below_zero(placed, labels)
            tally.add(tags.TARGET_BELOW_ZERO, int(bad.sum()))
            self._tell_labels(sheet, snapshot, tags.TARGET_BELOW_ZERO, labels, bad)

    def _count_images(self, tally: _Tally, sheet: Sheet, snapshot: Snapshot) -> None:
        tally.add(tags.BATCH_SIZE, len(snapshot.sizes))
        tally.add(tags.TARGET_EMPTY, sum(count == 0 for count in snapshot.box_counts))
        tally.add(tags.TARGET_MISMATCH, sum(snapshot.mismatched))
        tally.low(tags.TARGET_IMAGE_SIDE, min(min(size) for size in snapshot.sizes))
        for image, count in enumerate(snapshot.box_counts):
            if count < 0:
                self._tell(sheet, "shape", "boxes that are not of shape (n, 4)", _where(snapshot, image))
            elif snapshot.mismatched[image]:
                text = f"{count} boxes but {snapshot.label_counts[image]} labels"
                self._tell(sheet, tags.TARGET_MISMATCH, text, _where(snapshot, image))

    def _count_boxes(self, tally: _Tally, sheet: Sheet, snapshot: Snapshot, placed: Placed) -> None:
        tally.add(tags.TARGET_BOXES, len(placed.xyxy))
        for tag, bad in offences(placed).items():
            tally.add(tag, int(bad.sum()))
            self._tell_boxes(sheet, snapshot, tag, placed, bad)
        legal_in = {tag: int(good.sum()) for tag, good in formats(placed).items()}
        for tag, count in legal_in.items():
            tally.add(tag, count)
        if max(legal_in[tag] for tag in _FORMATS) < MOSTLY_LEGAL * len(placed.xyxy):
            tally.add(tags.TARGET_STRAYING, len(placed.xyxy))
            for tag, good in undone(placed).items():
                tally.add(tag, int(good.sum()))
        tally.add(tags.TARGET_DUPLICATES, duplicates(placed))

    def _tell_boxes(self, sheet: Sheet, snapshot: Snapshot, tag: str, placed: Placed, bad: Tensor) -> None:
        if tag == tags.TARGET_TINY:  # small objects are no fault; the share of them is for the rules to judge
            return
        for row in self._untold(tag, bad):
            image = int(placed.image[row])
            first = int((placed.image < image).sum())
            box = [round(value, 3) for value in placed.raw[row].tolist()]
            data = {**_where(snapshot, image), "box_index": row - first, "box": box}
            height, width = snapshot.sizes[image]
            self._tell(sheet, tag, f"box {box} in an image of {width} x {height}", data)

    def _tell_labels(self, sheet: Sheet, snapshot: Snapshot, tag: str, labels: Tensor, bad: Tensor) -> None:
        for row in self._untold(tag, bad):
            image, index = _image_of(row, snapshot.label_counts)
            label = int(labels[row])
            self._tell(sheet, tag, f"label {label}", {**_where(snapshot, image), "box_index": index, "label": label})

    def _untold(self, tag: str, bad: Tensor) -> list[int]:
        left = OFFENCES_TOLD - self._told.get(tag, 0)
        return bad.nonzero()[:left, 0].tolist() if left > 0 and bool(bad.any()) else []

    def _tell(self, sheet: Sheet, kind: str, text: str, data: Mapping[str, object]) -> None:
        self._told[kind] = self._told.get(kind, 0) + 1
        if self._told[kind] <= OFFENCES_TOLD:
            what = kind.removeprefix("targets/")
            sheet.tell("bad_target", f"{what}: {text}, image {data['image']} of the batch", what=what, **data)


class _Tally:
    """Adds the batches of one step up into its row."""

    def __init__(self, values: dict[str, float]) -> None:
        self._values = values

    def add(self, tag: str, amount: float) -> None:
        self._values[tag] = self._values.get(tag, 0) + amount

    def low(self, tag: str, value: float) -> None:
        self._values[tag] = min(self._values.get(tag, value), value)

    def high(self, tag: str, value: float) -> None:
        self._values[tag] = max(self._values.get(tag, value), value)


def _note_readings(tally: _Tally, placed: Placed) -> None:
    """What boxes are in each reading, where nobody knows how the head reads them."""
    tally.add(tags.TARGET_NO_EXTENT, without_extent(placed))
    for name, (start, reach) in edges(placed).items():
        tally.low(tags.TARGET_START + name, start)
        tally.high(tags.TARGET_REACH + name, reach)


def _note_range(tally: _Tally, boxes: Tensor) -> None:
    coordinates = boxes[torch.isfinite(boxes)]
    if len(coordinates):
        tally.low(tags.TARGET_MIN_COORD, coordinates.min().item())
        tally.high(tags.TARGET_MAX_COORD, coordinates.max().item())


def _where(snapshot: Snapshot, image: int) -> dict[str, object]:
    """Which image of the batch it was, and its name where the target carries one."""
    height, width = snapshot.sizes[image]
    where: dict[str, object] = {"image": image, "width": width, "height": height}
    name = plain_name(snapshot.names[image])
    return where if name is None else {**where, "file": name}


def _image_of(row: int, counts: Sequence[int]) -> tuple[int, int]:
    """The image of the *row*-th label of a batch, and its index within that image."""
    for image, count in enumerate(counts):
        if row < count:
            return image, row
        row -= count
    raise IndexError(row)
