"""The marker test of a transform where it stands: inside the dataset that calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe.capture.targets import boxes_of
from dettui_probe.capture.torchlib import Tensor, as_mapping
from dettui_probe.contract import Contract
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.batches import dataset_of, understand
from dettui_probe.prechecks.conventions import Convention
from dettui_probe.prechecks.recorded import (
    Call,
    Heard,
    Listener,
    Slots,
    carries_labels,
    invoke,
    listening,
    place_of,
    record,
    seen_in,
    slots_of,
    spread,
    value_at,
    with_image,
    with_scene,
)
from dettui_probe.prechecks.scenes import Scene, Seen, as_boxes, as_grey, image_like, read_as, size_of


class Stand(NamedTuple):
    """A dataset, the listener at its transform, and what it heard."""

    dataset: Any
    collate: Callable[[list[Any]], Any]
    listener: Listener
    calls: Sequence[Heard]
    slots: Slots
    form: str | None  # how delivered boxes are written; None where the head is unknown

    def deliver(self, index: int) -> Any:
        """A batch of example number *index* alone."""
        return self.collate([self.dataset[index]])


def stand_of(loader: Any, transform: Any, contract: Contract) -> Stand | None:
    """Where the dataset of *loader* calls *transform*; None where it holds none, or its calls are not understood."""
    dataset = dataset_of(loader)
    place = None if dataset is None else place_of(dataset, transform)
    if place is None:
        return None
    twin, listener = listening(dataset, place)
    calls = record(twin, listener)
    slots = slots_of(calls, listener.transform) if calls else None
    collate = getattr(loader, "collate_fn", list)
    form = _FORM_OF.get((contract.box_format, contract.box_scale))
    return None if slots is None else Stand(twin, collate, listener, calls, slots, form)


_FORM_OF: Final[Mapping[tuple[str | None, str | None], str]] = {
    ("xyxy", "pixels"): "pascal_voc",
    ("xyxy", "unit"): "albumentations",
    ("xywh", "pixels"): "coco",
    ("cxcywh", "pixels"): "cxcywh",
    ("cxcywh", "unit"): "yolo",
}


def call_convention(stand: Stand) -> Convention | None:
    """The transform called as the dataset calls it, with made-up scenes; None where it is not given the boxes."""
    slots = stand.slots
    if slots.boxes is None:
        return None
    pattern = max((h.call for h in stand.calls), key=lambda call: len(value_at(call, slots.boxes or ())))
    height, width = size_of(value_at(pattern, slots.image))

    def render(image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Seen:
        call = with_scene(pattern, slots, image, boxes, labels)
        return seen_in(Heard(call, invoke(stand.listener.transform, call)), slots)

    name = f"as the dataset calls it, {slots.form}"
    note = ""
    if slots.declared not in (None, slots.form):
        note = f"the boxes are {slots.form}, and declared {slots.declared}"
    return Convention(render, name, height, width, pairs_labels=carries_labels(pattern, slots), note=note)


class InPlace:
    """Reads the dataset with a marker in place of one of its images."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._index = 0
        self.bypass = False  # the image goes past the transform

    def markers(self) -> Iterator[tuple[Scene, int]]:
        """Images of the dataset as scenes: their sizes, and their own boxes where they are when the image is read."""
        dataset = self._stand.dataset
        number = 0
        for index in spread(len(dataset), policy.MARKER_TRIALS):
            scene = attempt(self._scene, index)
            if not isinstance(scene, Failure) and scene is not None and len(scene.boxes):
                self._index = index
                yield scene, number % len(scene.boxes)
                number += 1

    def render(self, image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Seen:
        """What the dataset delivers for its present image once that shows *image*.  Its labels are its own affair."""
        listener, slots = self._stand.listener, self._stand.slots
        listener.rewrite = lambda call: with_image(call, slots, image)
        listener.answer = (lambda call: self._passed_by(call, image)) if self.bypass else None
        try:
            delivered = self._stand.deliver(self._index)
        finally:
            listener.rewrite = listener.answer = None
        return _seen(delivered, self._stand.form or "pascal_voc")

    def _scene(self, index: int) -> Scene | None:
        """Image number *index* with its boxes as they were handed to the transform; or else, as they are delivered."""
        listener, slots = self._stand.listener, self._stand.slots
        delivered = self._stand.deliver(index)
        heard = listener.take()
        if heard is None:
            return None
        call = heard.call
        height, width = size_of(value_at(call, slots.image))
        if slots.boxes is not None:
            boxes = read_as(as_boxes(value_at(call, slots.boxes)), slots.form, height, width)
        else:
            seen = _seen(delivered, self._stand.form or "pascal_voc")
            if seen.grey.shape != (height, width):
                return None
            boxes = seen.boxes
        return Scene(height, width, _whole(boxes, height, width))

    def _passed_by(self, call: Call, image: Tensor) -> Any:
        """What the transform would return if it only converted the image."""
        result = invoke(self._stand.listener.transform, call)
        mapping = as_mapping(result)
        if mapping is not None and "image" in mapping:
            return {**mapping, "image": image_like(mapping["image"], image)}
        return image_like(result, image)


def _seen(delivered: Any, form: str) -> Seen:
    batch = understand(delivered)
    if batch is None:
        raise TypeError("a batch of one is not understood")
    boxes = boxes_of(batch.targets[0])
    if boxes is None:
        raise ValueError("boxes that are not of shape (n, 4)")
    grey = as_grey(batch.images[0])
    return Seen(grey, read_as(boxes.as_subclass(Tensor).float().cpu(), form, *grey.shape), [])


def _whole(boxes: Tensor, height: int, width: int) -> Tensor:
    """*boxes* in whole pixels inside the image, without those that have no area left."""
    clipped = boxes.clone().round()
    clipped[:, 0::2] = clipped[:, 0::2].clamp(0, width)
    clipped[:, 1::2] = clipped[:, 1::2].clamp(0, height)
    return clipped[(clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])]
