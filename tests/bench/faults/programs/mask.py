"""torchvision's Mask R-CNN over a tiny feature pyramid: boxes, classes, outlines.  SGD with momentum, LR in steps."""

from __future__ import annotations

from collections import OrderedDict

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign, box_iou

CLASSES = ("starfish", "shell", "crab")
COLOURS = ((0.95, 0.6, 0.15), (0.8, 0.8, 0.85), (0.7, 0.15, 0.2))
SIDE = 48
CHANNELS, HIDDEN = 16, 48


def data(seed: int) -> Sets:
    """Class 0 is the background."""
    return detection.sets(67_000 + seed, first_label=1, train=200, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """Sand in ripples, and one or two animals on it; with "masks" (m, SIDE, SIDE), 0 or 1."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    slant, place = (6.28 * torch.rand(2, generator=draw)).tolist()
    image += 0.15 + 0.06 * torch.sin(0.5 * (x * torch.tensor(slant).cos() + y * torch.tensor(slant).sin()) + place)
    boxes: list[list[int]] = []
    labels: list[int] = []
    masks: list[Tensor] = []
    for _ in range(int(torch.randint(1, 3, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        mask = _outline(kind, y, x, draw)
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
        if detection.overlaps(box, boxes):
            continue
        image[:, mask] = torch.tensor(COLOURS[kind])[:, None] + 0.2 * torch.rand(3, 1, generator=draw) - 0.1
        boxes.append(box)
        labels.append(first_label + kind)
        masks.append(mask)
    image.clamp_(0, 1)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32),
        "labels": torch.tensor(labels),
        "masks": torch.stack(masks).to(torch.uint8),
    }


def _outline(kind: int, y: Tensor, x: Tensor, draw: torch.Generator) -> Tensor:
    """The pixels of an animal of any size, turned by any angle; shape (SIDE, SIDE), True or False."""
    size, row, column, turn = torch.rand(4, generator=draw).tolist()
    radius = 8 + 5 * size
    middle = [radius + (SIDE - 1 - 2 * radius) * share for share in (row, column)]
    v, u = (y - middle[0]) / radius, (x - middle[1]) / radius
    r, angle = (u**2 + v**2).sqrt(), torch.atan2(v, u) + 6.28 * turn
    if CLASSES[kind] == "starfish":
        return r <= 0.65 + 0.35 * torch.cos(5 * angle)
    if CLASSES[kind] == "shell":
        return (r <= 1) & (torch.cos(angle) > -0.2)
    return (r <= 0.65) | ((r <= 1) & (torch.sin(angle).abs() < 0.35))


class Pyramid(nn.Module):
    """Features of stride 4 and 8, joined from the top down."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (8, 16, 32))
        self.stem = _block(3, a, 2, shape)
        self.fine = nn.Sequential(_block(a, b, 2, shape), *(_block(b, b, 1, shape) for _ in range(shape.depth)))
        self.coarse = nn.Sequential(_block(b, c, 2, shape), _block(c, c, 1, shape))
        self.fpn = FeaturePyramidNetwork([b, c], CHANNELS, norm_layer=_norm)
        self.out_channels = CHANNELS

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine = self.fine(self.stem(x))
        found: dict[str, Tensor] = self.fpn(OrderedDict([("0", fine), ("1", self.coarse(fine))]))
        return found


def _norm(channels: int) -> nn.GroupNorm:
    """Over all channels of a picture at once."""
    return nn.GroupNorm(1, channels)


def _block(channels_in: int, channels_out: int, stride: int, shape: Shape) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, _norm(channels_out), shape.activation())


def model(shape: Shape) -> nn.Module:
    """A step takes about 20 ms on one core."""
    return MaskRCNN(
        Pyramid(shape),
        min_size=SIDE,
        max_size=SIDE,
        rpn_anchor_generator=AnchorGenerator(((14,), (22,)), ((1.0,), (1.0,))),
        rpn_pre_nms_top_n_train=64,
        rpn_post_nms_top_n_train=24,
        rpn_pre_nms_top_n_test=64,
        rpn_post_nms_top_n_test=16,
        rpn_batch_size_per_image=24,
        box_roi_pool=MultiScaleRoIAlign(["0", "1"], 4, 1),
        box_head=FastRCNNConvFCHead((CHANNELS, 4, 4), (CHANNELS,), (HIDDEN,)),
        box_predictor=FastRCNNPredictor(HIDDEN, 1 + len(CLASSES)),
        box_batch_size_per_image=16,
        box_positive_fraction=0.5,
        box_detections_per_img=6,
        mask_roi_pool=MultiScaleRoIAlign(["0", "1"], 8, 1),
        mask_head=MaskRCNNHeads(CHANNELS, (CHANNELS,), 1),
        mask_predictor=MaskRCNNPredictor(CHANNELS, CHANNELS, 1 + len(CLASSES)),
    )


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5, and how well the outlines of what was found there fit: their mean IoU."""
    found = [answer for part in examples.x.split(16) for answer in network(list(part))]
    fits = [fit for answer, target in zip(found, examples.y, strict=True) for fit in _fits(answer, target)]
    return {
        "mAP50": detection.mean_average_precision(found, examples.y),
        "mask_iou": sum(fits) / max(len(fits), 1),
    }


def _fits(answer: dict[str, Tensor], target: dict[str, Tensor]) -> list[float]:
    """IoU of each object's outline with that of the best box that was found for it."""
    if not len(answer["boxes"]):
        return [0.0] * len(target["boxes"])
    best = box_iou(target["boxes"], answer["boxes"]).argmax(1)
    guessed, true = answer["masks"][best, 0] > 0.5, target["masks"] > 0
    common, either = (guessed & true).sum((1, 2)), (guessed | true).sum((1, 2))
    return (common / either.clamp(min=1)).tolist()  # type: ignore[no-any-return]


PROGRAM = Program(
    "mask",
    "detection",
    len(CLASSES),
    Recipe(
        steps=300,
        batch=3,
        optimizer="sgd",
        lr=0.05,
        schedule="step",
        milestones=(0.75, 0.92),
        warmup=20,
        weight_decay=1e-4,
        evaluations=8,
    ),
    data,
    model,
    detection.loss,
    scores,
    class_names=("background", *CLASSES),
    side=SIDE,
    normalised=True,
    good=0.7,
)
