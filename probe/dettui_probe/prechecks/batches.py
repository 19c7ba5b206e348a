"""A bounded look at what a loader delivers, in this process, without touching the loader's order or its workers."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dettui_probe.capture.targets import LABEL_KEYS, Batch, find_batch
from dettui_probe.capture.torchlib import Tensor, as_mapping, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt

IMAGE_KEYS = ("images", "image", "pixel_values", "inputs", "img")
TARGET_KEYS = ("targets", "target", "labels", "annotations")
BOX_KEYS = ("boxes", "bboxes", "bbox")


@dataclass(frozen=True)
class Delivery:
    """What a loader gave."""

    batches: tuple[Batch, ...]
    refusals: tuple[str, ...] = ()  # what it, or the dataset behind it, raised
    missing: str = ""  # why there are no batches; "" where there are

    @property
    def images(self) -> int:
        """Images in all batches."""
        return sum(len(batch.images) for batch in self.batches)


def deliver(loader: object) -> Delivery:
    """Some batches of *loader*.  Abstains on what cannot be read twice: iterators and iterable datasets."""
    reason = _why_not(loader)
    if reason:
        return Delivery((), missing=reason)
    batches: list[Batch] = []
    refusals: list[str] = []
    images = 0
    deadline = time.monotonic() + policy.LOADER_BUDGET_S
    for raw in itertools.islice(_raw_batches(loader), policy.MAX_BATCHES):
        batch = raw if isinstance(raw, Failure) else attempt(understand, raw)
        if isinstance(batch, Failure):
            refusals.append(batch.text)
        elif batch is None:
            return Delivery((), tuple(refusals), f"a batch of this kind is not understood: {describe(raw)}")
        else:
            batches.append(batch)
            images += len(batch.images)
        if images >= policy.MAX_IMAGES or time.monotonic() > deadline or len(refusals) >= 3:
            break
    missing = "" if batches else "the loader raised" if refusals else "the loader gave no batch"
    return Delivery(tuple(batches), tuple(refusals), missing)


def dataset_of(loader: object) -> Any:
    """The map-style dataset behind *loader*; None where there is none."""
    dataset = getattr(loader, "dataset", None)
    return dataset if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") else None


def unshared(dataset: Any) -> Any:
    """A shallow copy of *dataset*, and of the datasets that it wraps: a file that the copy opens, or an attribute
    that it sets, stays out of the original (a file opened before workers are forked would be shared by them)."""
    twin = copy.copy(dataset)
    inner = getattr(twin, "dataset", None)
    if hasattr(inner, "__getitem__"):
        twin.dataset = unshared(inner)
    several = getattr(twin, "datasets", None)
    if isinstance(several, list | tuple):
        twin.datasets = [unshared(each) for each in several]
    return twin


def understand(raw: object) -> Batch | None:
    """Images and targets in *raw*: (images, targets), a dict of them, nested lists, or a list of (image, target)."""
    mapping = as_mapping(raw)
    if mapping is not None:
        return _of_mapping(mapping)
    if not isinstance(raw, list | tuple):
        return None
    found = find_batch(raw, {}) or _of_pairs(raw) or _of_columns(raw)
    if found is not None:
        return found
    return next((batch for part in raw if (batch := understand(part)) is not None), None)


def describe(thing: object, depth: int = 2) -> str:
    """The shape of *thing* in a few words."""
    mapping = as_mapping(thing)
    if isinstance(thing, Tensor):
        return f"tensor{list(thing.shape)}"
    if mapping is not None:
        return "dict(" + ", ".join(map(str, list(mapping)[:6])) + ")"
    if isinstance(thing, list | tuple) and depth:
        parts = ", ".join(describe(part, depth - 1) for part in thing[:3])
        return f"{type(thing).__name__}({parts}{', ...' if len(thing) > 3 else ''})"
    return type(thing).__name__


def _why_not(loader: object) -> str:
    if loader is None:
        return "no loader was given"
    if isinstance(getattr(loader, "dataset", None), torch.utils.data.IterableDataset):
        return "an IterableDataset cannot be read without moving it on"
    if not isinstance(loader, Iterable):
        return f"a {type(loader).__name__} is not iterable"
    if not _is_indexable(loader) and isinstance(loader, Iterator):
        return "an iterator cannot be read without using it up"
    return ""


def _is_indexable(loader: Any) -> bool:
    return dataset_of(loader) is not None and getattr(loader, "batch_sampler", None) is not None


def _raw_batches(loader: Any) -> Iterator[object]:
    """Batches, or what was raised on the way to one.  A DataLoader's are put together here: it is asked for its order
    and its collate function, never for its workers."""
    if not _is_indexable(loader):
        yield from _until_it_raises(iter(loader))
        return
    dataset = unshared(loader.dataset)
    for indices in _until_it_raises(iter(loader.batch_sampler)):
        yield indices if isinstance(indices, Failure) else attempt(_collated, dataset, loader.collate_fn, indices)


def _until_it_raises(source: Iterator[Any]) -> Iterator[Any]:
    end = object()
    while True:
        item = attempt(next, source, end)
        if item is end:
            return
        yield item
        if isinstance(item, Failure):
            return


def _collated(dataset: Any, collate: Any, indices: Sequence[Any]) -> object:
    return collate([dataset[index] for index in indices])


def _of_mapping(raw: Mapping[Any, Any]) -> Batch | None:
    found = find_batch(list(raw.values()), {})
    if found is not None:
        return found
    images = _first(raw, IMAGE_KEYS)
    boxes, labels = _first(raw, BOX_KEYS), _first(raw, LABEL_KEYS)
    if images is None or boxes is None:
        return understand(_first(raw, TARGET_KEYS))
    return _of_columns([images, boxes] if labels is None else [images, boxes, labels])


def _of_pairs(raw: Sequence[Any]) -> Batch | None:
    """A list of (image, target), which a collate function left as it is; or one such pair."""
    rows = [raw] if len(raw) == 2 and _is_image(raw[0]) and as_mapping(raw[1]) is not None else raw
    if not all(isinstance(row, list | tuple) and len(row) >= 2 and _is_image(row[0]) for row in rows):
        return None
    return find_batch(([row[0] for row in rows], [row[1] for row in rows]), {})


def _of_columns(raw: Sequence[Any]) -> Batch | None:
    """(images, boxes by image, labels by image)."""
    if len(raw) < 2 or not _is_image_batch(raw[0]) or not _holds_boxes(raw[1]):
        return None
    targets: list[dict[str, Any]] = [{"boxes": boxes} for boxes in raw[1]]
    if len(raw) > 2 and isinstance(raw[2], list | tuple | Tensor) and len(raw[2]) == len(targets):
        for target, labels in zip(targets, raw[2], strict=True):
            target["labels"] = labels
    return Batch(list(raw[0]), targets) if len(raw[0]) == len(targets) else None


def _first(raw: Mapping[Any, Any], keys: Sequence[str]) -> Any:
    return next((raw[key] for key in keys if key in raw), None)


def _is_image(value: object) -> bool:
    return isinstance(value, Tensor) and value.dim() == 3


def _is_image_batch(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.dim() == 4
    return isinstance(value, list | tuple) and bool(value) and _is_image(value[0])


def _holds_boxes(value: object) -> bool:
    """Boxes by image.  A padded (N, n, 4) tensor is no such thing: its padding would be taken for boxes."""
    if not isinstance(value, list | tuple) or not value:
        return False
    return all(isinstance(boxes, Tensor) and boxes.dim() == 2 and boxes.shape[-1] == 4 for boxes in value)
