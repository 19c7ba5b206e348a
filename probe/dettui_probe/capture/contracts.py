"""What a detection head asks of its class ids, recognised by class name: torchvision is never imported here."""

from __future__ import annotations

from operator import attrgetter
from typing import Final, NamedTuple

from dettui_probe.capture.torchlib import nn


class Contract(NamedTuple):
    """The class ids of a head.  Legal ids are 0..num_classes-1; *background* is the one no object may carry."""

    family: str
    num_classes: int | None = None
    background: int | None = None

    @property
    def known(self) -> bool:
        """True for a detection head from the table."""
        return self.family not in (UNKNOWN.family, CLASSIFICATION)


UNKNOWN: Final = Contract("unknown")
CLASSIFICATION: Final = "classification"


class _Head(NamedTuple):
    num_classes: str  # attribute path from the detector
    background: int | None


# torchvision 0.29: roi heads and SSD train a softmax with class 0 as background; RetinaNet and FCOS train K sigmoids.
_TORCHVISION: Final = {
    "FasterRCNN": _Head("roi_heads.box_predictor.cls_score.out_features", 0),
    "MaskRCNN": _Head("roi_heads.box_predictor.cls_score.out_features", 0),
    "KeypointRCNN": _Head("roi_heads.box_predictor.cls_score.out_features", 0),
    "SSD": _Head("head.classification_head.num_columns", 0),
    "RetinaNet": _Head("head.classification_head.num_classes", None),
    "FCOS": _Head("head.classification_head.num_classes", None),
}


def contract_of(model: nn.Module) -> Contract:
    """The contract of the first known detector in *model* (wrappers are looked through); UNKNOWN without one."""
    for module in model.modules():
        for kind in type(module).__mro__:
            head = _TORCHVISION.get(kind.__name__)
            if head is not None:
                contract = _read(kind.__name__, head, module)
                if contract is not None:
                    return contract
    return UNKNOWN


def _read(family: str, head: _Head, module: nn.Module) -> Contract | None:
    """None where *module* only shares its name with torchvision's class."""
    try:
        num_classes = attrgetter(head.num_classes)(module)
    except AttributeError:
        return None
    if not isinstance(num_classes, int):
        return None
    return Contract(f"torchvision.{family}", num_classes, head.background)
