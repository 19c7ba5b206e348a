"""torchvision's Faster R-CNN as its second version has it, wrapped into a module of the script's own: a small residual
net and a feature pyramid with BatchNorm, two convolutions before the proposals, convolutions before the boxes, some of
the terms weighted.  AdamW, one cycle, clipped at 10."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import torch
from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

CLASSES: Final = ("carton", "drum", "pallet")
SIDE, CHANNELS, HIDDEN = 64, 20, 48
SIZES: Final = ((16,), (28,))  # of anchors on each level, in pixels
WEIGHTS: Final = {"loss_box_reg": 2.0, "loss_rpn_box_reg": 2.0}  # of terms that count more than once


def data(seed: int) -> Sets:
    """Class 0 is the background, as the tutorial of torchvision has it."""
    return detection.sets(139_000 + seed, first_label=1, train=240, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """One or two things on the floor of a store, which is darker at its far end."""
    image += 0.15 * torch.linspace(-1, 1, SIDE).view(1, SIDE, 1)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 3, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        size = int(torch.randint(15, 27, (1,), generator=draw))
        wide, high = {"carton": (size, size), "drum": (3 * size // 4, size), "pallet": (size + 6, size // 2 + 4)}[
            CLASSES[kind]
        ]
        left, top = (int(torch.randint(SIDE - extent + 1, (1,), generator=draw)) for extent in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        colour = torch.tensor([1.0, 0.8, 0.6]).view(3, 1, 1) * (0.85 + 0.3 * torch.rand(3, 1, 1, generator=draw))
        image[:, top : top + high, left : left + wide] = colour * _thing(kind, high, wide)
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _thing(kind: int, high: int, wide: int) -> Tensor:
    """How bright it is; shape (high, wide), 0 to 1."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    if CLASSES[kind] == "carton":  # taped along its middle, and a flap across
        return torch.where((x.abs() < 0.15) | ((y + 0.5).abs() < 0.1), 0.25, 0.8)
    if CLASSES[kind] == "drum":  # round, with two rims
        return torch.where((y.abs() - 0.5).abs() < 0.12, 0.9, 0.1 + 0.5 * (1 - x**2))
    return torch.where((y.abs() > 0.6) | (torch.cos(6.0 * x) > 0.6), 0.9, 0.1)  # boards over three blocks


# --- the network --------------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    """Two convolutions with BatchNorm, and a third one of one pixel on the way past them."""

    def __init__(self, channels_in: int, channels_out: int, shape: Shape) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, 2, 1, bias=False)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(channels_out) for _ in range(3))
        self.downsample = nn.Conv2d(channels_in, channels_out, 1, 2, bias=False)
        self.act = shape.activation()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))
        return self.act(y + self.bn3(self.downsample(x)))  # type: ignore[no-any-return]


class Pyramid(nn.Module):
    """Features of strides 4 and 8, of CHANNELS channels each."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (12, 20, 32))
        self.stem = nn.Sequential(nn.Conv2d(3, a, 3, 2, 1, bias=False), nn.BatchNorm2d(a), shape.activation())
        self.layer1, self.layer2 = BasicBlock(a, b, shape), BasicBlock(b, c, shape)
        deeper = (nn.Conv2d(c, c, 3, 1, 1) for _ in range(shape.depth))
        self.deeper = nn.Sequential(*(nn.Sequential(layer, shape.activation()) for layer in deeper))
        self.fpn = FeaturePyramidNetwork([b, c], CHANNELS, norm_layer=nn.BatchNorm2d)
        self.out_channels = CHANNELS

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fine = self.layer1(self.stem(images))
        coarse = self.deeper(self.layer2(fine))
        return self.fpn(OrderedDict([("0", fine), ("1", coarse)]))  # type: ignore[no-any-return]


class Detector(nn.Module):
    """The module of the script: what it trains, and how its terms are weighted.  Takes batches as tensors."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        anchors = AnchorGenerator(SIZES, ((0.5, 1.0, 1.5),) * len(SIZES))
        self.net = FasterRCNN(
            Pyramid(shape),
            min_size=SIDE,
            max_size=SIDE,
            image_mean=[0.4, 0.4, 0.4],
            image_std=[0.25, 0.25, 0.25],
            rpn_anchor_generator=anchors,
            rpn_head=RPNHead(CHANNELS, anchors.num_anchors_per_location()[0], conv_depth=2),
            rpn_pre_nms_top_n_train=64,
            rpn_post_nms_top_n_train=24,
            rpn_pre_nms_top_n_test=64,
            rpn_post_nms_top_n_test=12,
            rpn_batch_size_per_image=32,
            rpn_fg_iou_thresh=0.6,
            box_roi_pool=MultiScaleRoIAlign(["0", "1"], 5, 1),
            box_head=FastRCNNConvFCHead((CHANNELS, 5, 5), [CHANNELS], [HIDDEN], nn.BatchNorm2d),
            box_predictor=FastRCNNPredictor(HIDDEN, 1 + len(CLASSES)),
            box_batch_size_per_image=16,
            box_positive_fraction=0.5,
            box_detections_per_img=5,
        )

    def forward(self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]] | None = None) -> Any:
        if targets is None:
            return self.net(list(images))
        terms = self.net(list(images), [dict(target) for target in targets])
        return {name: WEIGHTS.get(name, 1.0) * term for name, term in terms.items()}


PROGRAM = Program(
    "pyramid",
    "detection",
    len(CLASSES),
    Recipe(
        steps=190,
        batch=3,
        optimizer="adamw",
        lr=4e-3,
        schedule="one_cycle",
        weight_decay=0.01,
        clip=10.0,
        evaluations=7,
    ),
    data,
    Detector,
    detection.loss,
    detection.scores,
    class_names=("background", *CLASSES),
    side=SIDE,
    normalised=True,
    has_batchnorm=True,
    good=0.6,
)
