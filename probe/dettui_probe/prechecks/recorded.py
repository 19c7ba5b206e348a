"""How a dataset calls its transform: learned by listening to a few calls, on a shallow copy of the dataset."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe.capture.torchlib import Tensor, as_mapping, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.batches import BOX_KEYS, unshared
from dettui_probe.prechecks.conventions import LABEL_PARAMETERS, bbox_params_of, form_of, is_albumentations
from dettui_probe.prechecks.scenes import (
    FORMATS,
    Seen,
    as_boxes,
    as_grey,
    as_list,
    image_like,
    is_image,
    legal_share,
    read_as,
    size_of,
    wrapped_like,
    written_as,
)

ATTRIBUTES: Final = ("transforms", "transform", "augment", "augmentation", "augmentations", "aug", "tfms")
CALLS: Final = 64

Path = tuple[Any, ...]
Call = dict[str, Any]  # {"args": (...), "kwargs": {...}}


class Place(NamedTuple):
    """Where a dataset keeps its transform."""

    depth: int  # how many ``.dataset`` to follow
    name: str


def place_of(dataset: Any, transform: Any = None) -> Place | None:
    """Where *dataset*, or one that it wraps, holds *transform* (any, under a usual name, where that is None)."""
    for depth, holder in enumerate(_chain(dataset)):
        if transform is None:
            usual = (name for name in ATTRIBUTES if callable(getattr(holder, name, None)))
            found = next(usual, None)
        else:
            own = getattr(holder, "__dict__", {}).items()
            found = next((name for name, value in own if value is transform), None)
        if found is not None:
            return Place(depth, found)
    return None


def _chain(dataset: Any) -> Iterator[Any]:
    while dataset is not None:
        yield dataset
        dataset = getattr(dataset, "dataset", None)


class Heard(NamedTuple):
    """One call of the transform, and what it returned."""

    call: Call
    result: Any


class Listener:
    """Stands where the transform stood.  *rewrite* changes calls before they are made; *answer* is given instead."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        self._heard: Heard | None = None
        self.rewrite: Callable[[Call], Call] | None = None
        self.answer: Callable[[Call], Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call: Call = {"args": args, "kwargs": kwargs}
        if self.rewrite is not None:
            call = self.rewrite(call)
        kept = copy.deepcopy(call)  # a transform may change its arguments in place
        result = self.answer(call) if self.answer is not None else invoke(self.transform, call)
        self._heard = Heard(kept, result)
        return result

    def take(self) -> Heard | None:
        """The last call since this was asked before."""
        heard, self._heard = self._heard, None
        return heard

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.transform, name)


def listening(dataset: Any, place: Place) -> tuple[Any, Listener]:
    """A copy of *dataset* whose transform is a copy of its own behind a Listener."""
    twin = unshared(dataset)
    holder = list(_chain(twin))[place.depth]
    listener = Listener(copy.deepcopy(getattr(holder, place.name)))
    setattr(holder, place.name, listener)
    return twin, listener


def invoke(transform: Any, call: Call) -> Any:
    """Make *call*."""
    return transform(*call["args"], **call["kwargs"])


# --- what stands where in a call ----------------------------------------------------------------------------------


class Slots(NamedTuple):
    """Where a call carries image, boxes and labels."""

    image: Path
    boxes: Path | None
    labels: tuple[Path, ...]
    form: str  # how boxes are written
    returned_form: str
    declared: str | None  # how the transform says that they are


def slots_of(calls: Sequence[Heard], transform: Any) -> Slots | None:
    """Where the image stands in *calls*, and boxes and labels, where they are handed over; None where nothing is found.

    *calls* should have boxes: their format is read off them.
    """
    call = max((heard.call for heard in calls), key=_count_boxes)
    leaves = list(_walk(call))
    image = next((path for path, value in leaves if is_image(value)), None)
    if image is None:
        return None
    boxes = next((path for path, value in leaves if _is_boxes_at(path, value)), None)
    if boxes is None:
        return Slots(image, None, (), "pascal_voc", "pascal_voc", None)
    count = len(value_at(call, boxes))
    fields = getattr(bbox_params_of(transform), "label_fields", None) or ()
    names = (*LABEL_PARAMETERS, "gt_classes", *fields)
    labels = tuple(path for path, value in leaves if path[-1] in names and _is_column(value, count))
    declared = _declared_form(transform, value_at(call, boxes))
    form = _form([(value_at(h.call, image), value_at(h.call, boxes)) for h in calls], declared)
    returned = [(returned_at(h, image), returned_at(h, boxes)) for h in calls]
    returned_form = form if is_albumentations(transform) or form is None else _form(returned, form)
    if form is None or returned_form is None:
        return None
    return Slots(image, boxes, labels, form, returned_form, declared)


def value_at(call: Any, path: Path) -> Any:
    """What stands at *path*."""
    for key in path:
        call = call[key]
    return call


def returned_at(heard: Heard, path: Path) -> Any:
    """What came back for the argument at *path*."""
    kind, key, *rest = path
    alone = kind == "args" and len(heard.call["args"]) == 1 and not heard.call["kwargs"]
    return value_at(heard.result, tuple(rest) if alone else (key, *rest))


def rewritten(call: Any, path: Path, value: Any) -> Any:
    """*call* with *value* at *path*; every container on the way is a copy."""
    if not path:
        return value
    head, *rest = path
    if isinstance(call, tuple):
        return tuple(rewritten(part, tuple(rest), value) if i == head else part for i, part in enumerate(call))
    twin = copy.copy(call)
    twin[head] = rewritten(call[head], tuple(rest), value)
    return twin


def with_image(call: Call, slots: Slots, pixels: Tensor) -> Call:
    """*call* with the image *pixels* (H, W, 3) uint8."""
    changed: Call = rewritten(call, slots.image, image_like(value_at(call, slots.image), pixels))
    return changed


def with_scene(call: Call, slots: Slots, image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Call:
    """*call* with another image, other boxes (corners in pixels) and labels; further per-box fields are made to fit."""
    assert slots.boxes is not None
    given = value_at(call, slots.boxes)
    count = len(given)
    numbers = written_as(boxes, slots.form, *image.shape[:2])
    call = rewritten(with_image(call, slots, image), slots.boxes, _boxes_like(given, numbers, labels))
    for path, value in list(_walk(call)):
        if path not in (slots.boxes, slots.image) and _is_column(value, count):
            column = labels if path in slots.labels else [0] * len(labels)
            call = rewritten(call, path, _column_like(value, column))
    return call


def seen_in(heard: Heard, slots: Slots) -> Seen:
    """What the transform returned to *heard*."""
    assert slots.boxes is not None
    grey = as_grey(returned_at(heard, slots.image))
    rows = returned_at(heard, slots.boxes)
    labels: list[object] = []
    if slots.labels:
        labels = as_list(returned_at(heard, slots.labels[0]))
    elif len(rows) and len(rows[0]) > 4:
        labels = [as_list(row)[4] for row in rows]
    return Seen(grey, read_as(as_boxes(rows), slots.returned_form, *grey.shape), labels)


def carries_labels(call: Call, slots: Slots) -> bool:
    """Whether the transform is given the labels, beside the boxes or as their fifth column."""
    if slots.labels:
        return True
    rows = value_at(call, slots.boxes) if slots.boxes is not None else []
    return len(rows) > 0 and len(rows[0]) > 4


def record(twin: Any, listener: Listener) -> list[Heard]:
    """Some calls that reading *twin* makes; those with an example that raises are left out."""
    heard: list[Heard] = []
    for index in spread(len(twin), CALLS):
        answer = attempt(twin.__getitem__, index)
        call = listener.take()
        if call is not None and not isinstance(answer, Failure):
            heard.append(call)
    return heard


def spread(length: int, count: int) -> list[int]:
    """At most *count* indices below *length*, evenly spread."""
    step = max(length // count, 1)
    return list(range(0, length, step))[:count]


def _walk(value: Any, path: Path = (), depth: int = 4) -> Iterator[tuple[Path, Any]]:
    """Everything in a call that is no container of arguments, with its path; images are not entered."""
    if path:
        yield path, value
    mapping = as_mapping(value)
    if mapping is not None and depth:
        for key, part in mapping.items():
            yield from _walk(part, (*path, key), depth - 1)
    elif isinstance(value, tuple) and depth:
        for index, part in enumerate(value):
            yield from _walk(part, (*path, index), depth - 1)


def _count_boxes(call: Call) -> int:
    return max((len(value) for path, value in _walk(call) if _is_boxes_at(path, value)), default=0)


def _is_boxes_at(path: Path, value: Any) -> bool:
    return path[-1] in BOX_KEYS and _is_box_list(value)


def _is_box_list(value: Any) -> bool:
    """Rows of at least four numbers."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return len(shape) == 2 and shape[1] >= 4
    return isinstance(value, list | tuple) and len(value) > 0 and all(_is_row(row) for row in value)


def _is_row(row: Any) -> bool:
    return isinstance(row, list | tuple) and len(row) >= 4 and all(hasattr(number, "__float__") for number in row[:4])


def _is_column(value: Any, count: int) -> bool:
    """One entry for each box."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return len(shape) == 1 and shape[0] == count
    return isinstance(value, list) and len(value) == count and not any(isinstance(v, list | tuple) for v in value)


def _boxes_like(pattern: Any, numbers: Tensor, labels: Sequence[int]) -> Any:
    if isinstance(pattern, Tensor):
        return wrapped_like(pattern, numbers.to(pattern.dtype))
    rows = numbers.tolist()
    width = len(pattern[0]) if len(pattern) else 4
    if width > 4:  # the class is the fifth column
        rows = [[*row, label, *[0] * (width - 5)] for row, label in zip(rows, labels, strict=True)]
    if hasattr(pattern, "dtype"):
        dtype = getattr(torch, str(pattern.dtype), torch.float32)
        return torch.tensor(rows, dtype=dtype if dtype.is_floating_point else torch.float32).numpy()
    return rows


def _column_like(pattern: Any, values: Sequence[int]) -> Any:
    if isinstance(pattern, Tensor):
        return torch.tensor(values).to(pattern.dtype)
    if hasattr(pattern, "dtype"):
        return torch.tensor(values).numpy().astype(pattern.dtype)
    return [str(value) for value in values] if len(pattern) and isinstance(pattern[0], str) else list(values)


def _declared_form(transform: Any, boxes: Any) -> str | None:
    stated = getattr(bbox_params_of(transform), "format", None)
    return stated if isinstance(stated, str) else form_of(boxes)


def _form(pairs: Sequence[tuple[Any, Any]], declared: str | None) -> str | None:
    """The format in which the boxes of *pairs* (image, boxes) are written; None where they do not tell.

    *declared* is believed unless its reading is impossible and another one fits."""
    read = [(as_boxes(boxes), *size_of(image)) for image, boxes in pairs if len(boxes)]
    count = sum(len(boxes) for boxes, _, _ in read)
    if count < policy.FORMAT_MIN_BOXES:
        return declared
    shares = {form: legal_share(read, form) for form in FORMATS}
    expected = declared or "pascal_voc"
    if shares[expected] >= policy.LEGAL_AS_DECLARED:
        return expected
    best = max(shares, key=lambda form: shares[form])
    return best if shares[best] >= policy.LEGAL_AS_ANOTHER else declared
