"""Pictures for the marker test: black, with one of their boxes painted white; and what a transform makes of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe.capture.boxes import read_as_cxcywh, read_as_xywh
from dettui_probe.capture.torchlib import Tensor, torch

BOXES: Final = 5
_MIN_SHARE, _MAX_SHARE = 0.10, 0.28  # of the image's side
_TRIES: Final = 200


class Scene(NamedTuple):
    """A picture with boxes; box i carries label i + 1, so that every label names its box."""

    height: int
    width: int
    boxes: Tensor  # (n, 4) float32: x1, y1, x2, y2 in whole pixels, apart from each other

    @property
    def labels(self) -> list[int]:
        """1 .. n."""
        return list(range(1, len(self.boxes) + 1))

    def plain(self, brightness: int) -> Tensor:
        """The empty picture, (H, W, 3) uint8."""
        return torch.full((self.height, self.width, 3), brightness, dtype=torch.uint8)

    def marked(self, box: int) -> Tensor:
        """White box number *box* on black, (H, W, 3) uint8."""
        image = self.plain(0)
        x1, y1, x2, y2 = (int(value) for value in self.boxes[box])
        image[y1:y2, x1:x2] = 255
        return image


class Seen(NamedTuple):
    """What a transform returned."""

    grey: Tensor  # (H, W) float32, mean over channels
    boxes: Tensor  # (m, 4) float32: x1, y1, x2, y2 in pixels of the returned image
    labels: list[object]


Render = Callable[[Tensor, Tensor, Sequence[int]], Seen]
"""Calls the user's transform with an image (H, W, 3) uint8, boxes (n, 4) as corners in pixels, and labels."""


def make_scene(dice: torch.Generator, height: int, width: int) -> Scene:
    """A scene with up to BOXES boxes at random places that do not touch."""
    sides = torch.tensor([width, height], dtype=torch.float32)
    boxes: list[Tensor] = []
    for _ in range(_TRIES):
        extent = sides * (_MIN_SHARE + (_MAX_SHARE - _MIN_SHARE) * torch.rand(2, generator=dice))
        corner = (sides - extent) * torch.rand(2, generator=dice)
        box = torch.cat([corner, corner + extent]).round()
        if all(_apart(box, other) for other in boxes):
            boxes.append(box)
        if len(boxes) == BOXES:
            break
    return Scene(height, width, torch.stack(boxes))


def _apart(a: Tensor, b: Tensor) -> bool:
    return bool((a[:2] > b[2:] + 2).any() or (b[:2] > a[2:] + 2).any())


# --- formats of boxes ---------------------------------------------------------------------------------------------

FORMATS: Final[Mapping[str, str]] = {
    "pascal_voc": "x1, y1, x2, y2",
    "coco": "x, y, width, height",
    "yolo": "centre x, centre y, width, height in 0..1",
    "albumentations": "x1, y1, x2, y2 in 0..1",
    "cxcywh": "centre x, centre y, width, height",
}
"""albumentations' names, and what they mean."""

_NORMALISED: Final = ("yolo", "albumentations")


def written_as(boxes: Tensor, form: str, height: int, width: int) -> Tensor:
    """*boxes* (n, 4), corners in pixels, in format *form*."""
    if form in _NORMALISED:
        boxes = boxes / torch.tensor([width, height, width, height])
    if form in ("yolo", "cxcywh"):
        return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1) if form == "coco" else boxes


def read_as(boxes: Tensor, form: str, height: int, width: int) -> Tensor:
    """Corners in pixels of *boxes* (n, 4), which are in format *form*."""
    if form in ("yolo", "cxcywh"):
        boxes = read_as_cxcywh(boxes)
    elif form == "coco":
        boxes = read_as_xywh(boxes)
    return boxes * torch.tensor([width, height, width, height]) if form in _NORMALISED else boxes


# --- images and boxes of any library ------------------------------------------------------------------------------


def as_grey(image: Any) -> Tensor:
    """(H, W) float32 of a tensor, an array or a PIL image, channels first or last."""
    pixels = _pixels(image)
    if pixels.dim() == 2:
        return pixels.float()
    channels_first = pixels.shape[0] in (1, 3, 4) and pixels.shape[-1] not in (1, 3, 4)
    channels = pixels.unbind(dim=0 if channels_first else -1)
    return torch.stack([channel.float() for channel in channels]).mean(dim=0)  # mean(dim=-1) takes ten times as long


def _pixels(image: Any) -> Tensor:
    if isinstance(image, Tensor):
        return image.detach().as_subclass(Tensor).cpu()
    if hasattr(image, "tobytes") and hasattr(image, "getbands"):  # PIL
        data = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
        return data.reshape(image.height, image.width, 3)
    return torch.as_tensor(image.copy())  # a view that runs backwards has no tensor


def is_image(value: Any) -> bool:
    """A picture with channels: a 3-d tensor or array, or a PIL image."""
    if hasattr(value, "getbands"):
        return True
    shape: Any = getattr(value, "shape", ())
    return len(shape) == 3 and (shape[0] in (1, 3, 4) or shape[-1] in (1, 3, 4)) and min(shape[-2], shape[0]) > 0


def size_of(image: Any) -> tuple[int, int]:
    """(height, width)."""
    grey = as_grey(image)
    return grey.shape[0], grey.shape[1]


def image_like(pattern: Any, pixels: Tensor) -> Any:
    """*pixels* (H, W, 3) uint8 as the kind of image that *pattern* is: type, channel order, range and dtype."""
    if hasattr(pattern, "getbands"):
        height, width = pixels.shape[:2]
        picture = sys.modules["PIL.Image"].frombytes("RGB", (width, height), bytes(pixels.flatten().tolist()))
        return picture.convert(pattern.mode)
    channels_first = pattern.shape[0] in (1, 3, 4) and pattern.shape[-1] not in (1, 3, 4)
    wanted = pattern.shape[0] if channels_first else pattern.shape[-1]
    values = pixels[..., :1].expand(-1, -1, wanted)
    values = (values.permute(2, 0, 1) if channels_first else values).contiguous()
    if isinstance(pattern, Tensor):
        filled = _in_range(values, pattern.dtype, pattern.is_floating_point() and float(pattern.max()) <= 1.5)
        return wrapped_like(pattern, filled)
    floating = "float" in str(pattern.dtype)
    dtype = getattr(torch, str(pattern.dtype), torch.uint8)
    return _in_range(values, dtype, floating and float(pattern.max()) <= 1.5).numpy()


def _in_range(values: Tensor, dtype: torch.dtype, unit: bool) -> Tensor:
    return (values.float() / 255).to(dtype) if unit else values.to(dtype)


def wrapped_like(pattern: Tensor, plain: Tensor) -> Tensor:
    """*plain* as the tensor subclass that *pattern* is (torchvision's tv_tensors, without importing them)."""
    if type(pattern) is Tensor:
        return plain
    module = sys.modules["torchvision.tv_tensors"]
    options = {"canvas_size": pattern.canvas_size} if hasattr(pattern, "canvas_size") else {}
    wrapped: Tensor = module.wrap(plain, like=pattern, **options)
    return wrapped


def as_boxes(value: Any) -> Tensor:
    """(n, 4) float32 of a tensor, an array, or a list of rows with at least four numbers."""
    if isinstance(value, Tensor):
        return value.detach().as_subclass(Tensor).float().cpu().reshape(-1, value.shape[-1] or 4)[:, :4]
    rows = [[float(number) for number in list(row)[:4]] for row in value]
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def as_list(value: Any) -> list[object]:
    """The entries of a list, a tensor or an array."""
    return list(value.tolist()) if hasattr(value, "tolist") else list(value)


def legal_share(images: Sequence[tuple[Tensor, int, int]], form: str) -> float:
    """Share of the boxes of *images* (boxes, height, width) that have an area inside their image when read as *form*.

    Shares of an image read as pixels are all legal, and all less than a pixel wide: hence the least area.
    """
    good = total = 0
    for boxes, height, width in images:
        x1, y1, x2, y2 = read_as(boxes, form, height, width).unbind(dim=1)
        inside = (torch.minimum(x1, y1) >= -1) & (x2 <= width + 1) & (y2 <= height + 1)
        good += int((inside & (x2 - x1 > 0) & (y2 - y1 > 0) & ((x2 - x1) * (y2 - y1) > 1)).sum())
        total += len(boxes)
    return good / total if total else 0.0
