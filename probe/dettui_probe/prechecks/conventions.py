"""How a transform wants to be called: albumentations, torchvision's v2, ``(image, target)``, ``(image=, bboxes=)``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe.capture.torchlib import Tensor, as_mapping, torch
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.scenes import Render, Seen, as_boxes, as_grey, as_list, make_scene, read_as, written_as

MIXES_IMAGES: Final = ("mixup", "cutmix", "mosaic", "copypaste", "overlayelements", "templatetransform")
LABEL_PARAMETERS: Final = ("labels", "class_labels", "category_ids", "category", "categories", "classes", "label")
SIZES: Final = ((480, 640), (1200, 1600))  # the second for crops that the first is too small for


class Convention(NamedTuple):
    """A transform, and how to call it."""

    render: Render
    name: str
    height: int
    width: int
    pairs_labels: bool = True  # False where it is not known how the script hands its labels over
    note: str = ""


def mixes_images(transform: object) -> str:
    """The name of a step of *transform* that blends several images, whose pixels then belong to no one box; or ""."""
    return next((name for name in _step_names(transform) if _bare(name) in MIXES_IMAGES), "")


def convention_of(transform: Any) -> Convention | str:
    """The first way of calling *transform* that works; what was raised where none does."""
    refusals: list[str] = []
    for height, width in SIZES:
        scene = make_scene(torch.Generator().manual_seed(0), height, width)
        for candidate in _candidates(transform, height, width):
            answers = [attempt(candidate.render, scene.marked(0), scene.boxes, scene.labels) for _ in range(3)]
            if any(isinstance(answer, Seen) for answer in answers):
                return candidate
            refusals += [answer.text for answer in answers if isinstance(answer, Failure)][:1]
    return refusals[0] if refusals else f"a {type(transform).__name__} is not callable"


def _candidates(transform: Any, height: int, width: int) -> Iterator[Convention]:
    if is_albumentations(transform):
        yield _albumentations(transform, height, width)
    elif type(transform).__module__.startswith("torchvision.transforms.v2"):
        yield Convention(_torchvision_v2(transform), "torchvision transforms v2", height, width)
    elif callable(transform):
        keyword = _keyword(transform, height, width)
        if keyword is not None:
            yield keyword
            return
        for name, form in _IMAGE_FORMS.items():
            yield Convention(_pair(transform, form), f"(image, target), image as {name}", height, width)


def is_albumentations(transform: object) -> bool:
    """An ``albumentations.Compose`` (or a single transform of its kind)."""
    return any(kind.__module__.partition(".")[0] in ("albumentations", "albucore") for kind in type(transform).__mro__)


def bbox_params_of(transform: Any) -> Any:
    """The ``BboxParams`` of a Compose; None where it has none."""
    processor = getattr(transform, "processors", {}).get("bboxes")
    return getattr(processor, "params", None)


def _albumentations(transform: Any, height: int, width: int) -> Convention:
    params = bbox_params_of(transform)
    if params is None:
        note = "the Compose has no bbox_params: it cannot move boxes"
        return Convention(_image_only(transform), "albumentations", height, width, pairs_labels=False, note=note)
    fields = list(params.label_fields or ())

    def render(image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Seen:
        given = written_as(boxes, params.format, *image.shape[:2])
        keys = fields or ["labels"]
        out = transform(image=image.numpy(), bboxes=given.tolist(), **{key: list(labels) for key in keys})
        grey = as_grey(out["image"])
        return Seen(grey, read_as(as_boxes(out["bboxes"]), params.format, *grey.shape), as_list(out[keys[0]]))

    note = (
        "" if fields else "no label_fields: labels under a key of their own (labels=) are not filtered with the boxes"
    )
    return Convention(render, f"albumentations, {params.format}", height, width, pairs_labels=bool(fields), note=note)


def _image_only(transform: Any) -> Render:
    def render(image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Seen:
        return Seen(as_grey(transform(image=image.numpy())["image"]), boxes, list(labels))

    return render


def _torchvision_v2(transform: Any) -> Render:
    def render(image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Seen:
        kinds = sys.modules["torchvision.tv_tensors"]
        canvas = (image.shape[0], image.shape[1])
        target = {
            "boxes": kinds.BoundingBoxes(boxes.clone(), format="XYXY", canvas_size=canvas),
            "labels": torch.tensor(labels),
        }
        return seen_in_pair(transform(kinds.Image(image.permute(2, 0, 1).contiguous()), target))

    return render


def _pair(transform: Any, form: Callable[[Tensor], Any]) -> Render:
    def render(image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Seen:
        extent = boxes[:, 2:] - boxes[:, :2]
        target = {
            "boxes": boxes.clone(),
            "labels": torch.tensor(labels),
            "image_id": torch.tensor([0]),
            "area": extent.prod(dim=1),
            "iscrowd": torch.zeros(len(boxes), dtype=torch.int64),
        }
        return seen_in_pair(transform(form(image), target))

    return render


_IMAGE_FORMS: Final[dict[str, Callable[[Tensor], Any]]] = {
    "float tensor": lambda image: image.permute(2, 0, 1).float() / 255,
    "uint8 array": lambda image: image.numpy(),
    "PIL image": lambda image: sys.modules["PIL.Image"].fromarray(image.numpy()),
}


def seen_in_pair(result: Any) -> Seen:
    """What a transform of the kind ``(image, target) -> (image, target)`` returned."""
    image, target = result
    boxes, grey = target["boxes"], as_grey(image)
    label_key = next(key for key in (*LABEL_PARAMETERS, "gt_classes") if key in target)
    form = form_of(boxes) or "pascal_voc"
    return Seen(grey, read_as(as_boxes(boxes), form, *grey.shape), as_list(target[label_key]))


def form_of(boxes: Any) -> str | None:
    """The format that a ``BoundingBoxes`` of torchvision states; None for anything else."""
    stated = getattr(getattr(boxes, "format", None), "value", None)
    return {"XYXY": "pascal_voc", "XYWH": "coco", "CXCYWH": "cxcywh"}.get(stated) if stated else None


def _keyword(transform: Any, height: int, width: int) -> Convention | None:
    """For callables that name their parameters ``image`` and ``bboxes`` (or ``boxes``), corners in pixels."""
    names = _parameters(transform)
    box_key = next((key for key in ("bboxes", "boxes") if key in names), None)
    if "image" not in names or box_key is None:
        return None
    label_key = next((key for key in LABEL_PARAMETERS if key in names), None)

    def render(image: Tensor, boxes: Tensor, labels: Sequence[int]) -> Seen:
        given = {} if label_key is None else {label_key: list(labels)}
        out = as_mapping(transform(image=image.numpy(), **{box_key: boxes.tolist()}, **given))
        if out is None:
            raise TypeError("the transform returned no dict")
        returned = as_list(out[label_key]) if label_key is not None else []
        return Seen(as_grey(out["image"]), as_boxes(out[box_key]), returned)

    return Convention(render, f"(image=, {box_key}=)", height, width, pairs_labels=label_key is not None)


def _parameters(transform: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(transform).parameters)
    except (TypeError, ValueError):
        return ()


def _step_names(transform: object) -> Iterator[str]:
    yield type(transform).__name__
    steps = getattr(transform, "transforms", None)
    for step in steps if isinstance(steps, list | tuple) else ():
        yield from _step_names(step)


def _bare(name: str) -> str:
    return name.lower().removeprefix("random")
