"""torchvision's detectors at a small size, as the zoo composes them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import torch
from bench.faults.composed.composition import Problem
from bench.faults.composed.networks import Norm, Residual, Style
from bench.faults.programs.common import grouped
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.ssd import SSD
from torchvision.ops import MultiScaleRoIAlign

SIDE: Final = 48
BACKGROUND_FIRST: Final = ("fcos", "ssd", "faster_rcnn")
"""Whose class 0 is the background; FCOS takes it as one class more, as its documentation has it."""
GROUPED: Final = 32  # channels that FCOS' head can normalise in its groups
SIZES: Final = (12.0, 20.0)  # of anchors, in pixels


def _layer(inside: int, outside: int, stride: int, style: Style, norm: Norm) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1, bias=False), norm(outside), style.activation())


class Backbone(nn.Module):
    """One level of stride 8, or with *levels* a coarser one of stride 16 too."""

    def __init__(self, style: Style, norm: Norm, *, levels: int = 1, out: int = 0) -> None:
        super().__init__()
        a, b = style.channels(8), style.channels(16)
        c = out or style.channels(24)
        self.out_channels = [c] * levels if levels > 1 else c  # SSD asks for those of each level
        deeper = [Residual(c, style, norm) for _ in range(style.depth)]
        self.fine = nn.Sequential(
            _layer(3, a, 2, style, norm), _layer(a, b, 2, style, norm), _layer(b, c, 2, style, norm), *deeper
        )
        self.coarse = _layer(c, c, 2, style, norm) if levels == 2 else None

    def forward(self, x: Tensor) -> Tensor | OrderedDict[str, Tensor]:
        fine = self.fine(x)
        return fine if self.coarse is None else OrderedDict(fine=fine, coarse=self.coarse(fine))


def detector(problem: Problem, style: Style) -> nn.Module:
    """The network of *problem*: SSD with BatchNorm, the others with it or with GroupNorm, FCOS' head as it is."""
    norm: Norm = nn.BatchNorm2d if problem.seed % 2 or problem.net == "ssd" else grouped
    build = {"ssd": _ssd, "fcos": _fcos, "retinanet": _retinanet, "faster_rcnn": _faster_rcnn}[problem.net]
    return build(style, norm, problem.classes)


def _ssd(style: Style, norm: Norm, classes: int) -> nn.Module:
    boxes = DefaultBoxGenerator([[], []], scales=[0.22, 0.42, 0.6], steps=[8, 16])
    return SSD(Backbone(style, norm, levels=2), boxes, (SIDE, SIDE), 1 + classes, score_thresh=0.05,
               detections_per_img=10, topk_candidates=60)  # fmt: skip


def _fcos(style: Style, norm: Norm, classes: int) -> nn.Module:
    network = FCOS(Backbone(style, norm, out=GROUPED), 1 + classes, min_size=SIDE, max_size=SIDE, score_thresh=0.05,
                   anchor_generator=AnchorGenerator(((8,),), ((1.0,),)), detections_per_img=10,
                   topk_candidates=60)  # fmt: skip
    for head in (network.head.classification_head, network.head.regression_head):
        head.conv = head.conv[:3]  # of four blocks the first: convolution, norm, activation
    return network


def _retinanet(style: Style, norm: Norm, classes: int) -> nn.Module:
    network = RetinaNet(Backbone(style, norm), classes, min_size=SIDE, max_size=SIDE,
                        anchor_generator=AnchorGenerator((SIZES,), ((1.0,),)), detections_per_img=10,
                        topk_candidates=60)  # fmt: skip
    for head in (network.head.classification_head, network.head.regression_head):
        head.conv = head.conv[:1]  # of four
    return network


def _faster_rcnn(style: Style, norm: Norm, classes: int) -> nn.Module:
    body = Backbone(style, norm)
    return FasterRCNN(
        body,
        min_size=SIDE,
        max_size=SIDE,
        rpn_anchor_generator=AnchorGenerator((SIZES,), ((1.0,),)),
        rpn_pre_nms_top_n_train=80,
        rpn_post_nms_top_n_train=32,
        rpn_pre_nms_top_n_test=80,
        rpn_post_nms_top_n_test=24,
        rpn_batch_size_per_image=32,
        box_roi_pool=MultiScaleRoIAlign(["0"], 4, 1),
        box_head=TwoMLPHead(body.out_channels * 16, 48),
        box_predictor=FastRCNNPredictor(48, 1 + classes),
        box_batch_size_per_image=24,
        box_detections_per_img=8,
    )


def answers(network: nn.Module, x: Tensor) -> list[dict[str, Tensor]]:
    """Of a network in eval mode, for pictures (n, 3, SIDE, SIDE)."""
    with torch.no_grad():
        return [answer for part in x.split(16) for answer in network(list(part))]
