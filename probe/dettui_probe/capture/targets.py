"""A snapshot of the targets as the model receives them: no copy of pixels, no look at a value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from dettui_probe.capture.listed import find_lists
from dettui_probe.capture.torchlib import Tensor, as_mapping, torch

LABEL_KEYS: Final = ("labels", "class_labels", "classes", "gt_classes")
FLAT_KEYS: Final = ("img", "bboxes", "cls", "batch_idx")
LEAST_SINGLE: Final = 8
MOSTLY_BOXES: Final = 0.98
NAME_KEYS: Final = ("file_name", "filename", "path", "image_path", "image_id")


Size: TypeAlias = tuple[int, int]
"""Height and width."""


class Batch(NamedTuple):
    """What a detector was called with."""

    images: Sequence[Tensor]  # (C, H, W) each
    targets: Sequence[Mapping[Any, Any]]


class FlatTargets(Sequence[Mapping[Any, Any]]):
    """The targets of each image of a batch whose boxes lie in one tensor.  Nothing is read, so that nothing waits for a
    device: every image has all the boxes, and NaN in those of others."""

    def __init__(self, boxes: Tensor, labels: Tensor, owners: Tensor, count: int) -> None:
        self._boxes, self._labels, self._owners, self._count = boxes.detach(), labels.detach(), owners.detach(), count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, image: Any) -> Any:
        own = self._owners.reshape(-1, 1) == image
        return {"boxes": self._boxes.float().masked_fill(~own, math.nan), "labels": self._labels.reshape(-1)}


class Form(Enum):
    """How the targets of a batch came."""

    BY_IMAGE = "boxes of known images"
    ROWS = "a row for each box: image, class, box"
    PADDED_PAIR = "boxes and class ids, filled up to as many for each image"
    PADDED_FIVE = "boxes with their class ids, filled up to as many for each image"
    LISTED_FIVE = "boxes with their class ids, a tensor for each image"
    ONE_EACH = "a box for each image, held against the answer"


class Snapshot(NamedTuple):
    """The targets of one batch.  Boxes and labels are copies; everything else is known without reading a tensor."""

    boxes: Tensor | None  # (n, 4) float32; None where no box of the batch has a legal shape
    labels: Tensor | None  # (m,)
    box_counts: tuple[int, ...]  # by image; -1 where the boxes have no legal shape
    label_counts: tuple[int, ...]
    sizes: tuple[Size, ...]  # by image
    mismatched: tuple[bool, ...]  # by image: per-box fields of different lengths
    names: tuple[object, ...]  # by image: file name, or image id (a tensor), or None
    owners: Tensor | None = None  # (n,) image of each box, where only a tensor tells it; the counts are then unknown
    is_guess: bool = False  # known by its shape alone: whether it holds targets its values will tell
    form: Form = Form.BY_IMAGE

    @property
    def tensors(self) -> list[Tensor]:
        """What has to travel to the writer thread."""
        return [tensor for tensor in (self.boxes, self.labels, self.owners) if tensor is not None]


def by_name(args: Sequence[object], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """*kwargs*, with what a model is given that takes its whole batch as one dict: images first, whatever the order
    of the dict, for the first tensor counts as the input."""
    batch = _named(args[0]) if len(args) == 1 else None
    if batch is None:
        return kwargs
    named = {str(name): value for name, value in batch.items()}
    return dict(sorted(named.items(), key=lambda item: not _is_image_list(item[1]))) | dict(kwargs)


def _named(batch: object) -> Mapping[Any, Any] | None:
    """*batch* as a dict; of a list of the images and of the boxes of all of them, (n, m, 5), by their places."""
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        return as_mapping(batch)
    images, boxes = batch
    if not isinstance(images, Tensor) or not isinstance(boxes, Tensor) or images.dim() != 4 or boxes.dim() != 3:
        return None
    return dict(enumerate(batch)) if boxes.shape[-1] == 5 and len(boxes) == len(images) else None


def find_batch(args: Sequence[object], kwargs: Mapping[str, object]) -> Batch | None:
    """Images and targets among the arguments of a detector; None where there are none."""
    values = [*args, *kwargs.values()]
    images = find_images(values)
    if images is None:
        return None
    targets = find_targets(values) or find_lists(len(images), values, kwargs)
    return None if targets is None else Batch(images, targets)


def targets_of(count: int, values: Sequence[object], named: Mapping[str, object]) -> Sequence[Mapping[Any, Any]] | None:
    """The targets of *count* images among the arguments of a loss, some of which are *named*."""
    targets = find_targets(values)
    return find_lists(count, values, named) if targets is None else targets if len(targets) == count else None


def find_flat_batch(kwargs: Mapping[str, object]) -> Batch | None:
    """The same where all the boxes are in one tensor, as ultralytics models take them (see ``flat_snapshot``)."""
    images, boxes, labels, owners = (kwargs.get(key) for key in FLAT_KEYS)
    if not (isinstance(boxes, Tensor) and isinstance(labels, Tensor) and isinstance(owners, Tensor)):
        return None
    if not isinstance(images, Tensor) or images.dim() != 4 or boxes.dim() != 2 or boxes.shape[1] != 4:
        return None
    if not len(boxes) == labels.numel() == owners.numel():
        return None
    return Batch(images, FlatTargets(boxes, labels, owners, len(images)))  # type: ignore[arg-type]


def find_targets(values: Sequence[object]) -> Sequence[Mapping[Any, Any]] | None:
    """The targets among the arguments of a model or of its loss: one dict with boxes for each image."""
    return next((list(value) for value in values if _is_target_list(value)), None)  # type: ignore[call-overload]


def find_sizes(values: Sequence[object]) -> Sequence[Size]:
    """(height, width) of each image among the arguments of a model; also of those that DETR pads into one batch."""
    images = _images_among([getattr(value, "tensors", value) for value in values])
    if isinstance(images, Tensor):
        return [(images.shape[-2], images.shape[-1])] * len(images)
    return [(image.shape[-2], image.shape[-1]) for image in images or ()]


def find_images(values: Sequence[object]) -> Sequence[Tensor] | None:
    """The images among the arguments of a model: a list of (C, H, W), or one batch (N, C, H, W)."""
    images = _images_among(values)
    return None if images is None else list(images)


def _images_among(values: Sequence[object]) -> Tensor | Sequence[Tensor] | None:
    """A batch, wherever it stands, or a list with no tensor before it: behind the inputs of an LSTM comes its state,
    two tensors of three dimensions too."""
    has_inputs = False
    for value in values:
        if _is_image_list(value) and (isinstance(value, Tensor) or not has_inputs):
            return value  # type: ignore[return-value]
        has_inputs = has_inputs or isinstance(value, Tensor)
    return None


def snapshot(batch: Batch) -> Snapshot:
    """Copies of the boxes and labels of *batch*, with what their shapes tell."""
    return snapshot_of(batch.targets, [(image.shape[-2], image.shape[-1]) for image in batch.images])


def snapshot_of(targets: Sequence[Mapping[Any, Any]], sizes: Sequence[Size]) -> Snapshot:
    """The same of *targets* of images of these *sizes*."""
    boxes = [boxes_of(target) for target in targets]
    labels = [labels_of(target) for target in targets]
    return Snapshot(
        _joined([box.float() for box in boxes if box is not None]),
        _joined([label for label in labels if label is not None]),
        tuple(-1 if box is None else box.shape[0] for box in boxes),
        tuple(0 if label is None else label.shape[0] for label in labels),
        tuple(sizes),
        tuple(_is_mismatched(target) for target in targets),
        tuple(_name_of(target) for target in targets),
    )


def flat_snapshot(args: Sequence[object]) -> Snapshot | None:
    """The targets of a batch in one dict, as ultralytics models take it: img, bboxes, cls and batch_idx, the image of
    each box; None where there is no such dict."""
    batch = next((found for value in args if (found := as_mapping(value)) is not None), None)
    if batch is None or not all(isinstance(batch.get(key), Tensor) for key in FLAT_KEYS):
        return None
    images, boxes, labels, owners = (batch[key].detach() for key in FLAT_KEYS)
    if boxes.dim() != 2 or boxes.shape[1] != 4 or images.dim() != 4:
        return None
    names = batch.get("im_file")
    count = len(images)
    return Snapshot(
        boxes.float().clone(),
        labels.reshape(-1).clone(),
        (0,) * count,
        (0,) * count,
        (tuple(images.shape[-2:]),) * count,
        (boxes.shape[0] != labels.numel(),) * count,
        tuple(names) if isinstance(names, list | tuple) and len(names) == count else (None,) * count,
        owners.reshape(-1).clone(),
    )


def row_snapshot(values: Sequence[object], sizes: Sequence[Size]) -> Snapshot | None:
    """The targets of a batch in one tensor, as YOLO's losses take them: a row for each box, (image, class, box); None
    where nothing has such a shape.  Whether it holds that, ``are_rows_of_targets`` tells once it has arrived."""
    rows = next((value for value in values if _has_rows(value)), None)
    count = len(sizes)
    if not isinstance(rows, Tensor) or not count:
        return None
    columns = rows.detach().float()
    unknown, nobody = (0,) * count, (None,) * count
    return Snapshot(
        columns[:, 2:].clone(), columns[:, 1].clone(), unknown, unknown, tuple(sizes), (False,) * count, nobody,
        columns[:, 0].clone(), is_guess=True, form=Form.ROWS,
    )  # fmt: skip


def one_each_snapshot(compared: Sequence[Tensor], sizes: Sequence[Size]) -> Snapshot | None:
    """The targets of a localiser, which finds the one object of each image: four numbers, among those that its loss
    *compared* the answers with.  Whether they are boxes, ``are_a_box_each`` tells once they have arrived."""
    count = len(sizes)
    boxes = next((target for target in compared if target.shape == (count, 4)), None)
    if boxes is None or not count or not boxes.is_floating_point() or boxes.requires_grad:
        return None
    one, nobody = (1,) * count, (None,) * count
    copied = boxes.detach().float().clone()
    return Snapshot(copied, None, one, one, tuple(sizes), (False,) * count, nobody, is_guess=True, form=Form.ONE_EACH)


def are_a_box_each(rows: Tensor) -> bool:
    """Whether *rows* (n, 4) are corners of boxes: one row in four of other numbers looks like one by chance, and eight
    in a row one time in 65,000."""
    if len(rows) < LEAST_SINGLE:
        return False
    has_area = (rows[:, 2:] > rows[:, :2]).all(dim=1)
    return bool((rows[:, 2:].amax() > 0) & (has_area.float().mean() >= MOSTLY_BOXES))


def _has_rows(value: object) -> bool:
    if not isinstance(value, Tensor) or value.dim() != 2 or value.shape[1] != 6:
        return False
    return value.is_floating_point() and not value.requires_grad


def may_be_targets(value: object, count: int) -> bool:
    """Whether *value* may hold the targets of *count* images: a dict with boxes for each, or a row for each box."""
    if _has_rows(value) or find_lists(count, [value], {}) is not None:
        return True
    return _is_target_list(value) and len(value) == count and boxes_of(as_mapping(value[0]) or {}) is not None  # type: ignore[arg-type,index]


def are_rows_of_targets(columns: Sequence[Tensor], count: int) -> bool:
    """Whether *columns* are boxes (n, 4), labels (n,) and owners (n,), which are indices of *count* images in order: no
    further numbers of something else."""
    boxes, labels, owners = columns
    if not len(owners):
        return True
    whole = bool((owners == owners.floor()).all()) and bool((labels == labels.floor()).all())
    in_order = bool((owners.diff() >= 0).all()) and float(owners[0]) >= 0 and float(owners[-1]) < count
    return whole and in_order and bool((boxes != boxes.floor()).any())


def sorted_by_image(snapshot: Snapshot, arrived: Sequence[Tensor]) -> tuple[Snapshot, Tensor, Tensor | None]:
    """*snapshot* with its counts, its boxes (n, 4) and its labels (m,), from the *arrived* tensors."""
    rest = iter(arrived)
    boxes = next(rest) if snapshot.boxes is not None else torch.zeros((0, 4))
    labels = next(rest) if snapshot.labels is not None else None
    if snapshot.owners is None:
        return snapshot, boxes, labels
    owners = next(rest).long()
    counts = tuple(torch.bincount(owners, minlength=len(snapshot.sizes)).tolist())
    order = torch.argsort(owners, stable=True)
    if labels is not None and len(labels) == len(order):
        labels = labels[order]
    return snapshot._replace(box_counts=counts, label_counts=counts), boxes[order], labels


def _is_target_list(value: object) -> bool:
    """A dict with boxes for each image, and no predictions, which look the same but for their scores."""
    if not isinstance(value, list | tuple) or not value:
        return False
    first = as_mapping(value[0])
    return first is not None and "boxes" in first and "scores" not in first


def _is_image_list(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.dim() == 4
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Tensor) and value[0].dim() == 3


def boxes_of(target: Mapping[Any, Any]) -> Tensor | None:
    """The boxes of *target* as an (n, 4) tensor; None where they have another shape."""
    value = target["boxes"]
    boxes = value.detach() if isinstance(value, Tensor) else torch.as_tensor(value)
    return boxes if boxes.dim() == 2 and boxes.shape[1] == 4 else None


def labels_of(target: Mapping[Any, Any]) -> Tensor | None:
    """The class ids of *target*, (n,); None where it has none."""
    value = next((target[key] for key in LABEL_KEYS if key in target), None)
    if value is None:
        return None
    return (value.detach() if isinstance(value, Tensor) else torch.as_tensor(value)).reshape(-1)


def _joined(parts: Sequence[Tensor]) -> Tensor | None:
    return torch.cat(list(parts)) if parts else None


PER_BOX_KEYS: Final = (*LABEL_KEYS, "area", "iscrowd", "masks", "keypoints")


def _is_mismatched(target: Mapping[Any, Any]) -> bool:
    lengths = {
        len(target[key]) for key in ("boxes", *PER_BOX_KEYS) if key in target and hasattr(target[key], "__len__")
    }
    return len(lengths) > 1


def _name_of(target: Mapping[Any, Any]) -> object:
    return next((target[key] for key in NAME_KEYS if key in target), None)


def plain_name(name: object) -> str | int | None:
    """*name* as text or a number.  A tensor on a device stays unread: reading it would wait."""
    if isinstance(name, Tensor):
        return int(name.reshape(-1)[0]) if name.device.type == "cpu" and name.numel() == 1 else None
    return name if isinstance(name, int) else str(name)[:300] if name is not None else None
