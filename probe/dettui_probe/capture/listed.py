"""Targets that are lists of their own for boxes and for class ids, or objects that hold both, made a dict for each
image; and the dict of effdet, whose boxes are y1, x1, y2, x2.  Nothing is copied but the boxes that are turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from dettui_probe.capture.torchlib import Tensor, as_mapping, nn
from dettui_probe.contract import Contract

BOX_KEYS: Final = ("boxes", "bboxes", "gt_bboxes", "gt_boxes")
ID_KEYS: Final = ("labels", "class_labels", "classes", "gt_classes", "gt_labels")
_EFFDET: Final = ("bbox", "cls")
_EFFDET_TOO: Final = ("img_scale", "img_size")
_EFFDET_CLASSES: Final = ("detbench", "efficientdet", "effdet")


class Axes(Enum):
    """How boxes under the keys of effdet are to be taken."""

    GIVEN = "the head is known, and how it reads them"
    TURNED = "the head is one like effdet's, so they are y1, x1, y2, x2"
    UNKNOWN = "only further keys of effdet's tell"


def axes_of(model: nn.Module, contract: Contract) -> Axes:
    """How *model*, which asks for what *contract* says, takes such boxes."""
    if contract.known:
        return Axes.GIVEN
    names = {type(module).__name__.lower() for module in model.modules()}
    is_alike = any(word in name for name in names for word in _EFFDET_CLASSES)
    return Axes.TURNED if is_alike else Axes.UNKNOWN


def plain(value: object, axes: Axes) -> object:
    """*value*; of the dict of effdet, whose axes are told, boxes and labels under names of every other."""
    batch = as_mapping(value)
    if batch is None or not all(key in batch for key in _EFFDET):
        return value
    boxes, labels = (batch[key] for key in _EFFDET)
    if axes is Axes.UNKNOWN and not all(key in batch for key in _EFFDET_TOO):
        return value
    if axes is not Axes.GIVEN:
        boxes = [_turned(part) for part in boxes] if isinstance(boxes, list | tuple) else _turned(boxes)
    return {"boxes": boxes, "labels": labels}


def _turned(boxes: Any) -> Any:
    """*boxes* (..., 4) with x and y in the other order."""
    if not isinstance(boxes, Tensor) or boxes.dim() < 1 or boxes.shape[-1] != 4:
        return boxes
    return boxes.detach().reshape(*boxes.shape[:-1], 2, 2).flip(-1).reshape(boxes.shape)


def find_lists(count: int, values: Sequence[object], named: Mapping[str, Any]) -> Sequence[Mapping[Any, Any]] | None:
    """A dict with boxes and labels for each of *count* images: of lists that are named so in a dict or as arguments,
    of objects such as MMDetection's data samples, or of a list of boxes and a list of as many class ids."""
    maps = [found for value in values if (found := as_mapping(value)) is not None]
    for batch in [*maps, named]:
        boxes, labels = (next((batch[key] for key in keys if key in batch), None) for keys in (BOX_KEYS, ID_KEYS))
        if _are_lists(boxes, labels, count) and "scores" not in batch:
            return _joined(boxes, labels)
    lists = [value for value in values if isinstance(value, list | tuple) and len(value) == count]
    objects = next((held for value in lists if (held := _of_objects(value)) is not None), None)
    return objects if objects is not None else _unnamed(lists)


def _unnamed(lists: Sequence[Sequence[Any]]) -> Sequence[Mapping[Any, Any]] | None:
    for boxes in lists:
        labels = next(
            (other for other in lists if _are_lists(boxes, other, len(boxes)) and _are_ids_of(other, boxes)), None
        )
        if labels is not None:
            return _joined(boxes, labels)
    return None


def _joined(boxes: Any, labels: Any) -> Sequence[Mapping[Any, Any]]:
    return [{"boxes": own, "labels": ids} for own, ids in zip(boxes, labels, strict=True)]


def _are_lists(boxes: object, labels: object, count: int) -> bool:
    """Whether there are boxes (k, 4) and class ids (k,) for each of *count* images."""
    if not isinstance(boxes, list | tuple) or not isinstance(labels, list | tuple):
        return False
    if not count or not len(boxes) == len(labels) == count:
        return False
    return all(map(_are_boxes, boxes)) and all(isinstance(ids, Tensor) and ids.dim() == 1 for ids in labels)


def _are_boxes(value: object) -> bool:
    return isinstance(value, Tensor) and value.dim() == 2 and value.shape[1] == 4 and not value.requires_grad


def _are_ids_of(labels: Sequence[Tensor], boxes: Sequence[Tensor]) -> bool:
    """Whether *labels* are whole numbers, one for each of the *boxes*."""
    pairs = zip(labels, boxes, strict=True)
    return all(not ids.is_floating_point() and len(ids) == len(own) for ids, own in pairs)


def _of_objects(samples: Sequence[Any]) -> Sequence[Mapping[Any, Any]] | None:
    """Of a list of data samples, or of what they hold of an image."""
    if not samples or isinstance(samples[0], Tensor | Mapping):
        return None
    held = [getattr(sample, "gt_instances", sample) for sample in samples]
    if not all(hasattr(own, "bboxes") and hasattr(own, "labels") and not hasattr(own, "scores") for own in held):
        return None
    boxes = [getattr(own.bboxes, "tensor", own.bboxes) for own in held]
    labels = [own.labels for own in held]
    return _joined(boxes, labels) if _are_lists(boxes, labels, len(held)) else None
