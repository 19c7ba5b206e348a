"""torchvision's Keypoint R-CNN over inverted residuals (depthwise, GroupNorm, Hardswish): boxes, classes and three
points of each tool.  SGD with Nesterov momentum, warm-up and linear decay, clipped at 5."""

from __future__ import annotations

from typing import Final

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import activation_of, grouped, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torchvision.models.detection import KeypointRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign, box_iou

CLASSES: Final = ("spoon", "spanner", "mallet")
METALS: Final = ((0.95, 0.95, 1.0), (0.0, 0.1, 0.3), (1.0, 0.5, 0.2))  # silver, steel and copper
POINTS: Final = 3  # head, middle and end of a tool
SIDE, CHANNELS, HIDDEN = 48, 24, 48
NEAR: Final = 3.0  # pixels off: as good as right


def data(seed: int) -> Sets:
    """Class 0 is the background, as the references of torchvision have it; "keypoints" (m, POINTS, 3) are x, y and
    whether they are seen."""
    return detection.sets(103_000 + seed, first_label=1, train=220, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """One or two tools on a bench, each turned as it was put down."""
    boxes: list[list[int]] = []
    labels: list[int] = []
    points: list[list[list[float]]] = []
    for _ in range(int(torch.randint(1, 3, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        mask, (head, end) = _tool(kind, draw)
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
        if detection.overlaps(box, boxes):
            continue
        image[:, mask] = torch.tensor(METALS[kind])[:, None] + 0.3 * (torch.rand(3, 1, generator=draw) - 0.5)
        middle = (head + end) / 2
        boxes.append(box)
        labels.append(first_label + kind)
        points.append([[*point.tolist(), 1.0] for point in (head, middle, end)])
    image.clamp_(0, 1)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32),
        "labels": torch.tensor(labels),
        "keypoints": torch.tensor(points),
    }


def _tool(kind: int, draw: torch.Generator) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Its pixels (SIDE, SIDE), True or False, and x, y of its head and of the end of its handle."""
    share, angle, row, column = torch.rand(4, generator=draw).tolist()
    reach = 7 + 3 * share  # from the middle to the head
    way = torch.tensor([torch.cos(torch.tensor(6.28 * angle)), torch.sin(torch.tensor(6.28 * angle))])
    room = reach + 7
    middle = room + (SIDE - 2 * room) * torch.tensor([column, row])
    head, end = middle + reach * way, middle - reach * way
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    along = (x - middle[0]) * way[0] + (y - middle[1]) * way[1]
    aside = (y - middle[1]) * way[0] - (x - middle[0]) * way[1]
    handle = (aside.abs() < 2) & (along.abs() < reach)
    ahead = along - reach
    r = (ahead**2 + aside**2).sqrt()
    if CLASSES[kind] == "spoon":
        return handle | (r < 6), (head, end)
    if CLASSES[kind] == "spanner":
        return (handle & (r > 4)) | ((r < 7) & (r > 4)), (head, end)
    return handle | ((ahead.abs() < 4) & (aside.abs() < 7)), (head, end)


class InvertedResidual(nn.Module):
    """Twice the channels, each by itself, and fewer again; added to what came in where the shape stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, shape: Shape) -> None:
        super().__init__()
        act = activation_of(shape, nn.Hardswish)
        wide = 2 * channels_in
        self.conv = nn.Sequential(
            *(nn.Conv2d(channels_in, wide, 1, bias=False), grouped(wide), act()),
            *(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), grouped(wide), act()),
            *(nn.Conv2d(wide, channels_out, 1, bias=False), grouped(channels_out)),
        )
        self.stays = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.stays else self.conv(x)  # type: ignore[no-any-return]


def _backbone(shape: Shape) -> nn.Module:
    """Features of stride 4."""
    a, b = (width_of(channels, shape.width) for channels in (12, 20))
    act = activation_of(shape, nn.Hardswish)
    body = nn.Sequential(
        *(nn.Conv2d(3, a, 3, 2, 1, bias=False), grouped(a), act()),
        InvertedResidual(a, b, 2, shape),
        *(InvertedResidual(b, b, 1, shape) for _ in range(shape.depth)),
        InvertedResidual(b, CHANNELS, 1, shape),
    )
    body.out_channels = CHANNELS  # type: ignore[assignment]
    return body


def model(shape: Shape) -> nn.Module:
    """A step takes about 20 ms on one core."""
    return KeypointRCNN(
        _backbone(shape),
        min_size=SIDE,
        max_size=SIDE,
        image_mean=[0.4, 0.4, 0.4],
        image_std=[0.2, 0.2, 0.2],
        rpn_anchor_generator=AnchorGenerator(((20,),), ((0.5, 1.0, 2.0),)),
        rpn_pre_nms_top_n_train=64,
        rpn_post_nms_top_n_train=24,
        rpn_pre_nms_top_n_test=64,
        rpn_post_nms_top_n_test=12,
        rpn_batch_size_per_image=32,
        rpn_fg_iou_thresh=0.6,
        box_roi_pool=MultiScaleRoIAlign(["0"], 5, 1),
        box_head=TwoMLPHead(CHANNELS * 25, HIDDEN),
        box_predictor=FastRCNNPredictor(HIDDEN, 1 + len(CLASSES)),
        box_batch_size_per_image=16,
        box_positive_fraction=0.5,
        box_detections_per_img=5,
        keypoint_roi_pool=MultiScaleRoIAlign(["0"], 6, 1),
        keypoint_head=KeypointRCNNHeads(CHANNELS, (CHANNELS,)),
        keypoint_predictor=KeypointRCNNPredictor(CHANNELS, POINTS),
    )


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5, and the share of points that were found."""
    found = [answer for part in examples.x.split(16) for answer in network(list(part))]
    near = [_near(answer, target) for answer, target in zip(found, examples.y, strict=True)]
    return {
        "mAP50": detection.mean_average_precision(found, examples.y),
        "pck": float(torch.cat(near).float().mean()),
    }


def _near(answer: dict[str, Tensor], target: dict[str, Tensor]) -> Tensor:
    """Whether the best box of each object has its points in the right places; shape (m, POINTS)."""
    wanted = target["keypoints"][..., :2]
    if not len(answer["boxes"]):
        return torch.zeros(wanted.shape[:2]) > 0
    best = box_iou(target["boxes"], answer["boxes"]).argmax(1)
    return (answer["keypoints"][best][..., :2] - wanted).norm(dim=-1) < NEAR


PROGRAM = Program(
    "keypoints",
    "detection",
    len(CLASSES),
    Recipe(
        steps=320,
        batch=3,
        optimizer="sgd",
        lr=0.01,
        schedule="linear",
        warmup=25,
        nesterov=True,
        weight_decay=1e-4,
        clip=5.0,
        evaluations=9,
    ),
    data,
    model,
    detection.loss,
    scores,
    class_names=("background", *CLASSES),
    side=SIDE,
    normalised=True,
    good=0.6,
)
