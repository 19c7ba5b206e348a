"""torchvision's detectors over a backbone of two convolutions."""

from __future__ import annotations

from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import MultiScaleRoIAlign

SIDE = 64
"""Of a picture, in pixels."""


def backbone() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 32, 3, 2, 1), nn.ReLU())
    body.out_channels = 32
    return body


def two_stage() -> nn.Module:
    return FasterRCNN(
        backbone(), 3, min_size=SIDE, max_size=SIDE, rpn_anchor_generator=AnchorGenerator(((16, 32),), ((0.5, 1.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2), rpn_post_nms_top_n_train=50,
    )  # fmt: skip


def one_stage(kind: type[nn.Module]) -> nn.Module:
    ratios = ((1.0,),) if kind is FCOS else ((0.5, 1.0),)
    sizes = ((8,),) if kind is FCOS else ((16, 32),)
    return kind(backbone(), 3, min_size=SIDE, max_size=SIDE, anchor_generator=AnchorGenerator(sizes, ratios))


def single_shot() -> nn.Module:
    body = backbone()
    body.out_channels = [32]
    return SSD(body, DefaultBoxGenerator([[2]], scales=[0.3, 0.6]), (SIDE, SIDE), 3)
