"""Recognises a detection head by the name of its class: no model library is ever imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import Final, NamedTuple

from dettui_probe.capture.torchlib import nn
from dettui_probe.contract import CLASSIFICATION, NAMED, UNKNOWN, Contract

__all__ = ["CLASSIFICATION", "UNKNOWN", "Contract", "contract_of"]


class _Head(NamedTuple):
    """Where the size of a head stands, and what it asks of targets."""

    num_classes: str  # attribute path from the detector
    contract: Contract
    ends_with_background: bool = False  # the last id is kept for "no object"
    lacks_background: bool = False  # the size of the head counts objects alone, and their ids begin at 1


_RCNN_HEAD: Final = "roi_heads.box_predictor.cls_score.out_features"
_HUGGING_FACE: Final = _Head("config.num_labels", NAMED["detr"])
_ULTRALYTICS: Final = _Head("nc", NAMED["yolo"])

_HEADS: Final[Mapping[str, _Head]] = MappingProxyType(
    {
        "FasterRCNN": _Head(_RCNN_HEAD, NAMED["fasterrcnn"]),
        "MaskRCNN": _Head(_RCNN_HEAD, NAMED["maskrcnn"]),
        "KeypointRCNN": _Head(_RCNN_HEAD, NAMED["keypointrcnn"]),
        "SSD": _Head("head.classification_head.num_columns", NAMED["ssd"]),
        "RetinaNet": _Head("head.classification_head.num_classes", NAMED["retinanet"]),
        "FCOS": _Head("head.classification_head.num_classes", NAMED["fcos"]),
        "DetBenchTrain": _Head("num_classes", NAMED["effdet"], lacks_background=True),
        "DETR": _Head("class_embed.out_features", NAMED["detr"], ends_with_background=True),
        "ConditionalDetrForObjectDetection": _HUGGING_FACE,
        "DFineForObjectDetection": _HUGGING_FACE,
        "DabDetrForObjectDetection": _HUGGING_FACE,
        "DeformableDetrForObjectDetection": _HUGGING_FACE,
        "DetrForObjectDetection": _HUGGING_FACE,
        "RTDetrForObjectDetection": _HUGGING_FACE,
        "RTDetrV2ForObjectDetection": _HUGGING_FACE,
        "TableTransformerForObjectDetection": _HUGGING_FACE,
        "YolosForObjectDetection": _HUGGING_FACE,
        "DetectionModel": _ULTRALYTICS,
        "RTDETRDetectionModel": _ULTRALYTICS,
    }
)


def contract_of(model: nn.Module, pinned: Contract | None = None) -> Contract:
    """The contract of the first known detector in *model* (wrappers are looked through); UNKNOWN without one.

    What the user *pinned* wins; the size of the head is still read from a model that is recognised.
    """
    recognised = _recognised(model)
    if pinned is None:
        return recognised
    if pinned.num_classes is None and pinned.background == recognised.background:
        return replace(pinned, num_classes=recognised.num_classes)
    return pinned


def _recognised(model: nn.Module) -> Contract:
    for module in model.modules():
        for kind in type(module).__mro__:
            head = _HEADS.get(kind.__name__)
            contract = None if head is None else _read(head, module)
            if contract is not None:
                return contract
    return UNKNOWN


def _read(head: _Head, module: nn.Module) -> Contract | None:
    """None where *module* only shares its name with the library's class."""
    try:
        num_classes = attrgetter(head.num_classes)(module)
    except AttributeError:
        return None
    if not isinstance(num_classes, int):
        return None
    num_classes += head.lacks_background
    background = num_classes - 1 if head.ends_with_background else head.contract.background
    return replace(head.contract, num_classes=num_classes, background=background)
