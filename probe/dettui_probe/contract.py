"""What a detection head asks of its targets: recognised from the model, or pinned by the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

BoxFormat: TypeAlias = Literal["xyxy", "xywh", "cxcywh", "yxyx"]
BoxScale: TypeAlias = Literal["pixels", "unit"]


@dataclass(frozen=True)
class Contract:
    """How boxes and class ids have to arrive.

    Legal class ids are *first_label* .. *num_classes* - 1 without *background*, the id that no object may carry.
    *num_classes* is the size of the head, background included; None where only the model knows it.
    """

    box_format: BoxFormat | None = None  # None: unknown, so that no format can be wrong
    box_scale: BoxScale | None = None  # "pixels", or "unit": shares of the image's width and height
    background: int | None = None
    first_label: int = 0
    num_classes: int | None = None
    family: str = "pinned"

    @property
    def known(self) -> bool:
        """True for a detection head from the table, or one that the user described."""
        return self.family not in (UNKNOWN.family, CLASSIFICATION)


CLASSIFICATION: Final = "classification"
UNKNOWN: Final = Contract(family="unknown")

_PIXELS_FROM_1: Final = Contract("xyxy", "pixels", background=0, first_label=1)
_PIXELS_FROM_0: Final = Contract("xyxy", "pixels")
_SHARES: Final = Contract("cxcywh", "unit")

NAMED: Final[Mapping[str, Contract]] = MappingProxyType(
    {
        "fasterrcnn": replace(_PIXELS_FROM_1, family="torchvision.FasterRCNN"),
        "maskrcnn": replace(_PIXELS_FROM_1, family="torchvision.MaskRCNN"),
        "keypointrcnn": replace(_PIXELS_FROM_1, family="torchvision.KeypointRCNN"),
        "ssd": replace(_PIXELS_FROM_1, family="torchvision.SSD"),
        "retinanet": replace(_PIXELS_FROM_0, family="torchvision.RetinaNet"),
        "fcos": replace(_PIXELS_FROM_0, family="torchvision.FCOS"),
        "detr": replace(_SHARES, family="detr"),
        "yolo": replace(_SHARES, family="yolo"),
        "effdet": Contract("yxyx", "pixels", background=0, first_label=1, family="effdet"),
        "classification": Contract(family=CLASSIFICATION),
    }
)
"""Contracts by the name under which a user pins them.  torchvision 0.29: RoI heads and SSD train a softmax with class
0 as background; RetinaNet and FCOS train K sigmoids.  DETR and YOLO read shares of the image, class ids from 0.
effdet 0.4 reads y1, x1, y2, x2 and trains K sigmoids for the class ids 1 .. K; of 0 it makes background."""


def contract_named(wanted: str | Contract | None) -> Contract | None:
    """The contract that a user asked for.  Raises ValueError for a name that is not in the table."""
    if wanted is None or isinstance(wanted, Contract):
        return wanted
    try:
        return NAMED[wanted.lower()]
    except KeyError:
        raise ValueError(f"no contract is called {wanted!r}; known: {', '.join(NAMED)}") from None
