"""Pixels as the model is given them and as its backbone receives them: strided clones, judged on the writer thread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe import tags
from dettui_probe.capture.boxes import shares_of_image
from dettui_probe.capture.gallery import Gallery, Shot
from dettui_probe.capture.pairing import Pairing, Scene
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.targets import Batch, boxes_of, labels_of
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.contract import UNKNOWN, Contract

IMAGES: Final = 4  # sampled of a batch, neighbours, starting further on in each step
SIDE: Final = 96  # a strided image is at most so large; 3 x 96 x 96 stays below torch's grain for threads


class PixelSample(NamedTuple):
    """Strided clones of some images of a batch, with their boxes where they have any."""

    images: tuple[Tensor, ...]
    boxes: tuple[Tensor | None, ...]
    sizes: tuple[tuple[int, int], ...]  # (height, width) before the stride
    indices: tuple[int, ...]  # in the batch
    labels: tuple[Tensor | None, ...]  # all None unless people are to be shown them
    is_to_be_shown: bool


def sample(images: Sequence[Tensor], batch: Batch | None, step: int, *, to_be_shown: bool = False) -> PixelSample:
    """Some of *images*, a few more in each step."""
    count = min(IMAGES, len(images))
    chosen = [(step * IMAGES + i) % len(images) for i in range(count)]
    return PixelSample(
        tuple(strided(images[i].detach()).clone() for i in chosen),
        tuple(None if batch is None else _boxes(batch, i) for i in chosen),
        tuple((images[i].shape[-2], images[i].shape[-1]) for i in chosen),
        tuple(chosen),
        tuple(_labels(batch, i) if batch is not None and to_be_shown else None for i in chosen),
        to_be_shown,
    )


def with_targets(taken: PixelSample, targets: Sequence[Mapping[Any, Any]]) -> PixelSample:
    """*taken* with the boxes of its images, which came later, in *targets* of the whole batch."""
    batch = Batch((), targets)
    return taken._replace(
        boxes=tuple(_boxes(batch, i) for i in taken.indices),
        labels=tuple(_labels(batch, i) if taken.is_to_be_shown else None for i in taken.indices),
    )


def strided(image: Tensor) -> Tensor:
    """A view of *image* with at most SIDE elements along each of its last two dimensions."""
    return image[..., :: -(-image.shape[-2] // SIDE) or 1, :: -(-image.shape[-1] // SIDE) or 1]


def _boxes(batch: Batch, image: int) -> Tensor | None:
    boxes = boxes_of(batch.targets[image]) if image < len(batch.targets) else None
    return None if boxes is None else boxes.float().clone()


def _labels(batch: Batch, image: int) -> Tensor | None:
    labels = labels_of(batch.targets[image]) if image < len(batch.targets) else None
    return None if labels is None else labels.clone()


class Pixels:
    """Reads statistics off samples, and asks whether the boxes describe them."""

    def __init__(self) -> None:
        self._pairing = Pairing()
        self._gallery = Gallery()

    @property
    def shows_next(self) -> bool:
        """Whether the next sample is to be shown to people."""
        return self._gallery.is_due

    def reading(self, taken: PixelSample, contract: Contract = UNKNOWN) -> Reading:
        """The statistics of the images as the model was given them, and the pairing of their boxes, which pictures
        show as *contract* reads them."""
        sent = [*taken.images, *_present(taken.boxes), *_present(taken.labels)]

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            images = [image.float() for image in arrived[: len(taken.images)]]
            _write(sheet, tags.IMAGE, torch.cat([image[..., ::2, ::2].reshape(-1) for image in images]))
            ranges = [tuple(map(float, image.aminmax())) for image in images]  # a NaN anywhere makes both NaN
            sheet.values[tags.IMAGE_CONSTANT] = sum(low == high for low, high in ranges)
            sheet.values[tags.IMAGE_NONFINITE] = sum(not math.isfinite(low + high) for low, high in ranges)
            self._pairing.compare(sheet, _scenes(taken, images, arrived[len(images) :], contract))
            if taken.is_to_be_shown:
                self._gallery.show(sheet, _shots(taken, arrived), self._pairing.read_as(contract))

        return Reading(sent, decode)

    def backbone_reading(self, batch: Tensor) -> Reading:
        """The statistics of what the backbone receives, without the zeros that fill up smaller images."""

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            values = arrived[0].float().reshape(-1)
            pixels = values[values != 0]
            _write(sheet, tags.INPUT, pixels if len(pixels) else values)

        return Reading([strided(batch.detach()[:IMAGES])[..., ::2, ::2].clone()], decode)


def _scenes(taken: PixelSample, images: Sequence[Tensor], boxes: Sequence[Tensor], contract: Contract) -> list[Scene]:
    rest = iter(boxes)
    present = [(i, next(rest)) for i, own in enumerate(taken.boxes) if own is not None]
    are_corners = contract.box_format is not None
    return [Scene(images[i], shares_of_image(own[_is_own(own)], taken.sizes[i], contract), are_corners)
            for i, own in present]  # fmt: skip


def _is_own(boxes: Tensor) -> Tensor:
    """Which of *boxes* (n, 4) are of their image, shape (n,): those of others are NaN (``FlatTargets``)."""
    return ~boxes.isnan().any(dim=1)


def _present(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def _shots(taken: PixelSample, arrived: Sequence[Tensor]) -> list[Shot]:
    """The images of *taken* with everything that was sent of each."""
    rest = iter(arrived)
    images = [next(rest) for _ in taken.images]
    boxes = [None if own is None else next(rest) for own in taken.boxes]
    labels = [None if own is None else next(rest) for own in taken.labels]
    for i, (own, ids) in enumerate(zip(boxes, labels, strict=True)):
        if own is not None:
            boxes[i] = own[_is_own(own)]
            labels[i] = ids[_is_own(own)] if ids is not None and len(ids) == len(own) else ids
    is_bytes = [image.dtype == torch.uint8 for image in taken.images]
    return list(map(Shot, taken.indices, images, taken.sizes, boxes, labels, is_bytes))


def _write(sheet: Sheet, prefix: str, values: Tensor) -> None:
    """Statistics of the finite *values*; a mask is made only where one of them is not."""
    low, high = values.aminmax()
    if not bool(torch.isfinite(low + high)):
        values = values[torch.isfinite(values)]
        if not len(values):
            return
        low, high = values.aminmax()
    std, mean = torch.std_mean(values, correction=0)
    measured = {"mean": mean, "std": std, "min": low, "max": high}
    sheet.values.update({prefix + name: float(value) for name, value in measured.items()})
