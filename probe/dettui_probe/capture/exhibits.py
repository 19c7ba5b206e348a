"""Pictures of images whose targets cannot be right: looked for on the training thread, where the pixels still are.

A look costs a few operations on all boxes of the batch, and only while a picture may be sent: the first at once, the
next after a second, then twice as late each time, and few of one kind.  Targets that lie on a device are not looked
at: reading them would wait.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from dettui_probe import tags, wire
from dettui_probe.capture.boxes import TOLERANCE_PX, corners, label_offences, offences, place
from dettui_probe.capture.gallery import Shot, picture_of
from dettui_probe.capture.pixels import strided
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.targets import Batch, Snapshot, boxes_of, labels_of, plain_name
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.contract import Contract

OF_ONE_KIND: Final = 3
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0
_KINDS: Final = (
    tags.TARGET_NONFINITE,
    tags.TARGET_DEGENERATE,
    tags.TARGET_OUTSIDE,
    tags.TARGET_LABEL_ILLEGAL,
    tags.TARGET_BACKGROUND,
    tags.TARGET_MISMATCH,
)
"""Series that count what a picture is worth: tiny boxes are for the rules to judge."""


class Exhibits:
    """Picks at most one image of a batch."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due_at = 0.0
        self._wait_s = FIRST_WAIT_S
        self._shown: Counter[str] = Counter()  # written by the writer thread alone

    @property
    def wanted(self) -> bool:
        """Whether a picture may be sent now."""
        return self._clock() >= self._due_at and sum(self._shown.values()) < OF_ONE_KIND * len(_KINDS)

    def look(self, batch: Batch, taken: Snapshot, contract: Contract) -> Reading | None:
        """The first image of *batch*, whose targets are *taken*, that cannot be right; None where all may be."""
        image = suspect(taken, contract)
        if image is None or image >= len(batch.images):
            return None
        self._due_at, self._wait_s = self._clock() + self._wait_s, min(2 * self._wait_s, LONGEST_WAIT_S)
        target, pixels = batch.targets[image], batch.images[image].detach()
        boxes, labels = boxes_of(target), labels_of(target)
        one = taken._replace(
            box_counts=(-1 if boxes is None else len(boxes),),
            sizes=(taken.sizes[image],),
            mismatched=(taken.mismatched[image],),
            names=(taken.names[image],),
        )
        present = [boxes is not None, labels is not None]
        sent = [strided(pixels).clone(), *(part.clone() for part in (boxes, labels) if part is not None)]

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            rest = iter(arrived)
            picture = next(rest)
            own, ids = (next(rest) if there else None for there in present)
            shot = Shot(image, picture, one.sizes[0], own, ids, pixels.dtype == torch.uint8)
            self._show(sheet, shot, one, contract)

        return Reading(sent, decode)

    def _show(self, sheet: Sheet, shot: Shot, taken: Snapshot, contract: Contract) -> None:
        kinds = [kind for kind in _kinds_of(shot, taken, contract) if self._shown[kind] < OF_ONE_KIND]
        if kinds:
            self._shown.update(kinds)
            what, name = [kind.removeprefix("targets/") for kind in kinds], plain_name(taken.names[0])
            picture = picture_of(shot, contract, what=what, file="" if name is None else str(name))
            sheet.messages.append(wire.Pictures(sheet.step, sheet.time, [picture]))


def suspect(taken: Snapshot, contract: Contract) -> int | None:
    """The first image of *taken* with a target that cannot be right; None where there is none, or it would be a wait
    to know."""
    wrong = [image for image, is_wrong in enumerate(taken.mismatched) if is_wrong]
    boxes, labels = taken.boxes, taken.labels
    if boxes is not None and len(boxes) and boxes.device.type == "cpu" and taken.owners is None:
        wrong += _owner(_is_wrong(boxes, taken, contract), taken.box_counts)
    if labels is not None and len(labels) and labels.device.type == "cpu" and taken.owners is None:
        for bad in label_offences(labels, contract).values():
            wrong += _owner(bad, taken.label_counts)
    return min(wrong, default=None)


def _is_wrong(boxes: Tensor, taken: Snapshot, contract: Contract) -> Tensor:
    """Which *boxes* (n, 4) are not finite or, where it is known how to read them, have no area or leave their image."""
    if contract.box_format is None:
        return ~torch.isfinite(boxes).all(dim=1)
    read = corners(boxes, contract.box_format)
    low, high = read[:, :2], read[:, 2:]
    limit = _limits(taken)
    slack = TOLERANCE_PX
    if contract.box_scale == "unit":
        low, high = low * limit, high * limit
    sound = (high > low) & (low >= -slack) & (high <= limit + slack)  # NaN is never sound
    return ~sound.all(dim=1)


def _limits(taken: Snapshot) -> Tensor:
    """Width and height of the image of each box, (n, 2) or (2,)."""
    if len(set(taken.sizes)) == 1:
        height, width = taken.sizes[0]
        return torch.tensor([width, height])
    sizes = torch.tensor([(width, height) for height, width in taken.sizes])
    return torch.repeat_interleave(sizes, torch.tensor([max(count, 0) for count in taken.box_counts]), dim=0)


def _owner(bad: Tensor, counts: Sequence[int]) -> list[int]:
    """The image of the first row that is *bad*, in a list; nothing where no row is."""
    rows = bad.nonzero()
    if not len(rows):
        return []
    row = int(rows[0])
    for image, count in enumerate(counts):
        if row < count:
            return [image]
        row -= max(count, 0)
    return []


def _kinds_of(shot: Shot, taken: Snapshot, contract: Contract) -> list[str]:
    """The series that count what is wrong with one image."""
    found = {tags.TARGET_MISMATCH} if taken.mismatched[0] else set()
    if shot.boxes is not None:
        placed = place(taken, shot.boxes.float(), contract)
        found |= {tag for tag, bad in offences(placed).items() if bool(bad.any())}
    if shot.labels is not None:
        found |= {tag for tag, bad in label_offences(shot.labels, contract).items() if bool(bad.any())}
    if contract.box_format is None:
        found -= {tags.TARGET_DEGENERATE, tags.TARGET_OUTSIDE}
    return [tag for tag in _KINDS if tag in found]
