"""Targets that do not come as a dict for each image: boxes and class ids apart, filled up to as many rows for each
image as the fullest one needs, or five numbers for each box.

What is recognised without a look at a value is a guess unless names tell it.  On the writer thread, where the values
are, ``Forms`` drops the rows that only fill up, and tells targets from other tensors of such a shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dettui_probe.capture.boxes import READINGS, are_shares, read_as_yxyx
from dettui_probe.capture.listed import BOX_KEYS, ID_KEYS
from dettui_probe.capture.targets import FlatTargets, Form, Size, Snapshot, are_a_box_each, are_rows_of_targets
from dettui_probe.capture.torchlib import Tensor, as_mapping, torch
from dettui_probe.contract import UNKNOWN

MOST_ROWS: Final = 2**15  # of a batch: more are answers, not objects
LARGEST_ID: Final = 10_000
EMPTY_LISTS: Final = 8
_FAR: Final = 4.0  # sides of its image that a box may lie away from it, were it scaled wrongly
_MOSTLY: Final = 0.8  # of the boxes, which have an extent in some reading
_CLEARLY: Final = 0.2  # of the boxes, that one order of the columns leaves more of within their images than the other


class Forms:
    """What the targets of a run turned out to be.  The writer thread writes it; the training thread reads it."""

    def __init__(self) -> None:
        self._refused: set[Form] = set()  # a tensor had that shape, and other values
        self._known: set[Form] = set()
        self._is_class_first = False  # of five numbers
        self._empty_lists = 0  # batches whose images all had a list without a box

    def find(self, values: Sequence[object], named: Mapping[str, Any], sizes: Sequence[Size]) -> Snapshot | None:
        """Targets of images of these *sizes* among *values*, of which some are *named*."""
        found = pair_snapshot(values, named, sizes) or five_snapshot(values, sizes)
        return None if found is None or (found.is_guess and found.form in self._refused) else found

    def allows(self, form: Form) -> bool:
        """Whether nothing of *form* proved to be something else."""
        return form not in self._refused

    def knows(self, form: Form) -> bool:
        """Whether targets came in *form*."""
        return form in self._known

    def settle(self, taken: Snapshot, arrived: Sequence[Tensor]) -> list[Tensor] | None:
        """The tensors of *taken* without rows that fill up, from those that *arrived*; None where they hold no
        targets, or none that tell what they are."""
        if taken.form is Form.ROWS:
            tensors = list(arrived) if are_rows_of_targets(arrived, len(taken.sizes)) else None
        elif taken.form in (Form.PADDED_FIVE, Form.LISTED_FIVE):
            return self._settle_five(taken, arrived)
        elif taken.form is Form.ONE_EACH:
            is_known = taken.form in self._known
            tensors = list(arrived) if is_known or are_a_box_each(arrived[0]) else None
        elif taken.form is Form.PADDED_PAIR:
            tensors = _kept(arrived, _is_real(arrived[0], arrived[1], len(taken.sizes)))
            if taken.is_guess and taken.form not in self._known and len(tensors[0]):
                tensors = tensors if _may_be_objects(tensors, taken.sizes) else None
        else:
            return list(arrived)
        self._note(taken, tensors is not None)
        return tensors

    def by_image(self, taken: Snapshot) -> FlatTargets | None:
        """*taken* by image, where it came in one tensor and is known to hold targets."""
        if taken.form is Form.ONE_EACH and taken.boxes is not None and taken.form in self._known:
            owners = torch.arange(len(taken.boxes), device=taken.boxes.device)
            return FlatTargets(taken.boxes, torch.zeros_like(owners), owners, len(owners))
        if taken.boxes is None or taken.labels is None or taken.owners is None:
            return None
        if taken.is_guess and taken.form not in self._known:
            return None
        boxes, labels = taken.boxes, taken.labels
        if taken.form in (Form.PADDED_FIVE, Form.LISTED_FIVE):
            boxes, labels = _ordered(boxes, labels, self._is_class_first)
        if taken.form in (Form.PADDED_PAIR, Form.PADDED_FIVE):
            boxes = boxes.masked_fill(_is_blank(boxes)[:, None], math.nan)
        return FlatTargets(boxes, labels, taken.owners, len(taken.sizes))

    def _settle_empty(self, taken: Snapshot, tensors: list[Tensor]) -> list[Tensor] | None:
        """Nothing but filling: who knows of what.  Lists of (0, 5), batch after batch, are targets."""
        self._empty_lists += taken.form is Form.LISTED_FIVE
        return tensors if self._empty_lists >= EMPTY_LISTS else None

    def _note(self, taken: Snapshot, are_targets: bool) -> None:
        if taken.is_guess:
            (self._known if are_targets else self._refused).add(taken.form)

    def _settle_five(self, taken: Snapshot, arrived: Sequence[Tensor]) -> list[Tensor] | None:
        if taken.form in self._known:
            return _real_five(taken, arrived, self._is_class_first)
        orders = {first: _real_five(taken, arrived, first) for first in (False, True)}
        if not any(len(tensors[0]) for tensors in orders.values()):
            return self._settle_empty(taken, orders[False])
        possible = {first: tensors for first, tensors in orders.items() if _may_be_objects(tensors, taken.sizes)}
        if not possible:
            self._note(taken, False)
            return None
        legal = {first: _legal_share(tensors, taken.sizes) for first, tensors in possible.items()}
        best = max(legal, key=lambda first: legal[first])
        if len(legal) > 1 and legal[best] - legal[not best] < _CLEARLY:
            return None
        self._is_class_first = best
        self._note(taken, True)
        return orders[best]


def pair_snapshot(values: Sequence[object], named: Mapping[str, Any], sizes: Sequence[Size]) -> Snapshot | None:
    """Boxes (n, m, 4) and class ids (n, m) of n images: named so in a dict, or one after the other, with a mask (n, m)
    of the rows that count or without."""
    maps = [found for value in values if (found := as_mapping(value)) is not None]
    for batch in [*maps, named]:
        boxes, labels = (next((batch[key] for key in keys if key in batch), None) for keys in (BOX_KEYS, ID_KEYS))
        if _are_pair(boxes, labels, len(sizes)) and "scores" not in batch:
            return _pair(boxes, labels, None, sizes, is_guess=False)  # type: ignore[arg-type]
    tensors = [value for value in values if isinstance(value, Tensor)]
    for boxes in tensors:
        labels = next((other for other in tensors if _are_pair(boxes, other, len(sizes)) and _are_ids(other)), None)
        if labels is not None:
            mask = next((other for other in tensors if other.dtype == torch.bool and _has_rows_of(other, boxes)), None)
            return _pair(boxes, labels, mask, sizes, is_guess=True)
    return None


def five_snapshot(values: Sequence[object], sizes: Sequence[Size]) -> Snapshot | None:
    """Five numbers for each box, of which the first or the last is its class: of one tensor (n, m, 5) that is filled
    up, or of a tensor (k, 5) for each image."""
    found = next((value for value in values if has_five(value, len(sizes))), None)
    if found is None:
        return None
    if isinstance(found, Tensor):
        joined, owners, form = found.detach().float().reshape(-1, 5), _padded_owners(found), Form.PADDED_FIVE
    else:
        parts = [part.detach().float() for part in found]  # type: ignore[attr-defined]
        joined, owners, form = torch.cat(parts), _listed_owners(parts), Form.LISTED_FIVE
    return _snapshot(joined[:, :4].clone(), joined[:, 4].clone(), owners, sizes, form, is_guess=True)


def may_be_padded(value: object, count: int) -> bool:
    """Whether *value* may hold the targets of *count* images in one of these forms."""
    return has_five(value, count) or pair_snapshot([value], {}, [(1, 1)] * count) is not None


def has_five(value: object, count: int) -> bool:
    """Whether *value* has the shape of what ``five_snapshot`` takes, for *count* images."""
    if isinstance(value, Tensor):
        return value.dim() == 3 and _are_given(value, count, 5)
    if not isinstance(value, list | tuple) or not count or len(value) != count:
        return False
    return all(isinstance(part, Tensor) and part.dim() == 2 and _are_given(part, len(part), 5) for part in value)


def _are_given(value: Tensor, length: int, columns: int) -> bool:
    """Whether *value* has *length* entries of rows with so many *columns*, not too many, and is not learnt."""
    if len(value) != length or value.shape[-1] != columns or value.requires_grad:
        return False
    return value.is_floating_point() and value.numel() <= columns * MOST_ROWS


def _are_pair(boxes: object, labels: object, count: int) -> bool:
    if not isinstance(boxes, Tensor) or not isinstance(labels, Tensor) or boxes.dim() != 3 or not count:
        return False
    return _are_given(boxes, count, 4) and _has_rows_of(labels, boxes) and not labels.requires_grad


def _has_rows_of(value: Tensor, boxes: Tensor) -> bool:
    """Whether there is one *value* for each of the *boxes* (n, m, 4)."""
    return value.shape in (boxes.shape[:2], (*boxes.shape[:2], 1))


def _are_ids(value: Tensor) -> bool:
    return not value.is_floating_point() and not value.is_complex() and value.dtype != torch.bool


def _pair(boxes: Tensor, labels: Tensor, mask: Tensor | None, sizes: Sequence[Size], *, is_guess: bool) -> Snapshot:
    rows, ids = boxes.detach().reshape(-1, 4).float().clone(), labels.detach().reshape(-1).float().clone()
    if mask is not None:
        unused = ~mask.reshape(-1)
        rows, ids = rows.masked_fill(unused[:, None], -1.0), ids.masked_fill(unused, -1.0)
    return _snapshot(rows, ids, _padded_owners(boxes), sizes, Form.PADDED_PAIR, is_guess=is_guess)


def _snapshot(
    boxes: Tensor, labels: Tensor, owners: Tensor, sizes: Sequence[Size], form: Form, *, is_guess: bool
) -> Snapshot:
    count = len(sizes)
    unknown, nobody = (0,) * count, (None,) * count
    same = (False,) * count
    return Snapshot(boxes, labels, unknown, unknown, tuple(sizes), same, nobody, owners, is_guess=is_guess, form=form)


def _padded_owners(rows: Tensor) -> Tensor:
    """The image of each of *rows* (n, m, ...), shape (n * m,)."""
    return torch.arange(len(rows), device=rows.device)[:, None].expand(rows.shape[:2]).reshape(-1)


def _listed_owners(parts: Sequence[Tensor]) -> Tensor:
    """The image of each row of *parts*, joined; made where they are, without a wait."""
    return torch.cat([part.new_full((len(part),), i, dtype=torch.int64) for i, part in enumerate(parts)])


def _ordered(front: Tensor, back: Tensor, is_class_first: bool) -> tuple[Tensor, Tensor]:
    """Boxes (n, 4) and class ids (n,), of the first four columns and the last one of five."""
    if not is_class_first:
        return front, back
    return torch.cat([front[:, 1:], back[:, None]], dim=1), front[:, 0]


def _real_five(taken: Snapshot, arrived: Sequence[Tensor], is_class_first: bool) -> list[Tensor]:
    """Boxes, class ids and owners, were the columns in that order, without those that fill up."""
    boxes, labels = _ordered(arrived[0], arrived[1], is_class_first)
    tensors = [boxes, labels, arrived[2]]
    return _kept(tensors, _is_real(boxes, labels, len(taken.sizes))) if taken.form is Form.PADDED_FIVE else tensors


def _kept(tensors: Sequence[Tensor], rows: Tensor) -> list[Tensor]:
    return [tensor[rows] for tensor in tensors]


def _is_blank(boxes: Tensor) -> Tensor:
    """Which of *boxes* (n, 4) are four times 0 or -1, shape (n,)."""
    return (boxes == 0).all(dim=1) | (boxes == -1).all(dim=1)


def _is_real(boxes: Tensor, labels: Tensor, count: int) -> Tensor:
    """Which rows of *count* images, as many for each, do not fill up: blank ones whose class id is negative, blank ones
    at the end, or repetitions of an image's last row, where nothing is blank."""
    if not len(boxes):
        return torch.ones(0, dtype=torch.bool)
    rows = torch.cat([boxes, labels[:, None].float()], dim=1).reshape(count, -1, 5)
    is_last = (rows == rows[:, -1:]).all(dim=2)
    at_end = is_last.flip(1).cumprod(1).flip(1).bool()
    blank = _is_blank(boxes).reshape(count, -1)
    fills = blank & (at_end | (labels < 0).reshape(count, -1))
    if not bool(blank.any()):
        repeats = at_end[:, 1:] & at_end[:, :-1]
        if bool((~repeats).all(dim=1).any()) and not _repeats_elsewhere(rows, at_end):
            fills[:, 1:] = repeats
    return ~fills.reshape(-1)


def _repeats_elsewhere(rows: Tensor, at_end: Tensor) -> bool:
    """Whether an image repeats another row than its last."""
    listed = [image[~end].tolist() for image, end in zip(rows, at_end, strict=True)]
    return any(len({tuple(row) for row in image}) < len(image) for image in listed)


def _may_be_objects(tensors: Sequence[Tensor], sizes: Sequence[Size]) -> bool:
    """Whether boxes and class ids have values that such have: whole ids of some thousand classes at most, and extents
    not far from their image."""
    boxes, labels = tensors[:2]
    if not len(boxes) or not bool(torch.isfinite(labels).all()) or bool((labels != labels.floor()).any()):
        return False
    if float(labels.min()) < -1 or float(labels.max()) > LARGEST_ID:
        return False
    boxes = boxes[torch.isfinite(boxes).all(dim=1)]
    farthest = _FAR * max(max(size) for size in sizes)
    if not len(boxes) or bool((boxes.abs() > farthest).any()) or bool(((boxes == 0) | (boxes == 1)).all()):
        return False
    extents = boxes[:, 2:] - boxes[:, :2], boxes[:, 2:]
    return max(float((extent > 0).all(dim=1).float().mean()) for extent in extents) >= _MOSTLY


def _legal_share(tensors: Sequence[Tensor], sizes: Sequence[Size]) -> float:
    """Share of the boxes that lie within their image, in the reading that leaves most of them there."""
    boxes, _, owners = tensors
    sides = torch.tensor([[width, height] * 2 for height, width in sizes])[owners.long()].float()
    shares = boxes if are_shares(boxes, UNKNOWN, min(min(size) for size in sizes)) else boxes / sides
    read = [corners_of(shares) for corners_of in (*READINGS.values(), read_as_yxyx)]
    return max(float(_is_within(corners).float().mean()) for corners in read)


def _is_within(corners: Tensor) -> Tensor:
    slack = 0.02  # of a side: rounding of annotation tools
    has_area = (corners[:, 2:] > corners[:, :2]).all(dim=1)
    return has_area & ((corners >= -slack) & (corners <= 1 + slack)).all(dim=1)
