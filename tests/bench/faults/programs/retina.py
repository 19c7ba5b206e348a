"""torchvision's RetinaNet with a feature pyramid, fine-tuned: a backbone that was trained to tell pictures apart, its
norms and first layers frozen, its other layers at a tenth of the LR.  SGD with Nesterov momentum, warm-up, LR in
steps, clipped at 5."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Final

import torch
from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import pictures, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d

CLASSES: Final = ("apple", "banana", "melon", "leek")
SIDE, PYRAMID = 56, 32  # channels of the pyramid
PRETRAINING, OTHER_CLASSES = 140, 6  # steps, and what the backbone learnt to tell apart
Norm = Callable[[int], nn.Module]


def data(seed: int) -> Sets:
    """Class 0 is the background, as the references of torchvision have it."""
    return detection.sets(79_000 + seed, first_label=1, train=220, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """One to three fruits on a table of two boards."""
    edge = int(torch.randint(SIDE // 4, 3 * SIDE // 4, (1,), generator=draw))
    image[:, :, :edge] -= 0.15 * torch.rand(3, 1, 1, generator=draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        high, wide = torch.randint(14, 26, (2,), generator=draw).tolist()
        left, top = (int(torch.randint(SIDE - size + 1, (1,), generator=draw)) for size in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        colour = 0.65 + 0.35 * torch.rand(3, 1, generator=draw)
        image[:, top : top + high, left : left + wide][:, _fruit(kind, high, wide)] = colour
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _fruit(kind: int, high: int, wide: int) -> Tensor:
    """The pixels of a fruit; shape (high, wide), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    r = (x**2 + y**2).sqrt()
    if CLASSES[kind] == "apple":
        return (r <= 1.02) & ~((x.abs() < 0.25) & (y < -0.3))
    if CLASSES[kind] == "banana":
        return (r <= 1.02) & ((x**2 + (y + 0.9) ** 2) > 0.9)
    if CLASSES[kind] == "melon":
        return (r <= 1.02) & (torch.cos(9 * x) > -0.4)
    return (x.abs() < 0.3) | ((y < -0.2) & (x.abs() < -y + 0.05))


def _body(shape: Shape, norm: Norm) -> nn.Sequential:
    """Four stages of stride 2, each a convolution, *norm* and activation."""
    a, b, c, d = (width_of(channels, shape.width) for channels in (12, 20, 32, 40))
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    stages["stem"] = _stage(3, a, shape, norm)
    stages["layer1"] = _stage(a, b, shape, norm, deeper=shape.depth)
    stages["layer2"] = _stage(b, c, shape, norm)
    stages["layer3"] = _stage(c, d, shape, norm)
    return nn.Sequential(stages)


def _stage(channels_in: int, channels_out: int, shape: Shape, norm: Norm, *, deeper: int = 0) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(1 + deeper):
        first = index == 0
        convolution = nn.Conv2d(
            channels_in if first else channels_out, channels_out, 3, 2 if first else 1, 1, bias=False
        )
        layers += [convolution, norm(channels_out), shape.activation()]
    return nn.Sequential(*layers)


@cache
def _published(width: float, depth: int, activation: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """The weights of a body that learnt to tell pictures of single shapes apart; the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = Shape(width, depth, activation)
        body = _body(shape, nn.BatchNorm2d)
        head = nn.Linear(width_of(40, width), OTHER_CLASSES)
        optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], 4e-3)
        x, y = pictures(900, torch.Generator().manual_seed(5), side=32, channels=3, noise=0.4, classes=OTHER_CLASSES)
        for _ in range(PRETRAINING):
            rows = torch.randint(len(x), (24,))
            optimizer.zero_grad()
            functional.cross_entropy(head(body(x[rows]).mean((2, 3))), y[rows]).backward()
            optimizer.step()
    return {name: value.detach().clone() for name, value in body.state_dict().items()}


def _backbone(shape: Shape) -> nn.Module:
    """The published body with its norms and its first two stages frozen, below a pyramid of strides 8, 16 and 32."""
    body = _body(shape, FrozenBatchNorm2d)
    body.load_state_dict(_published(shape.width, shape.depth, shape.activation))
    for name, parameter in body.named_parameters():
        parameter.requires_grad_(not name.startswith(("stem", "layer1")))
        parameter.pretrained = True  # type: ignore[attr-defined]
    channels = [width_of(count, shape.width) for count in (32, 40)]
    return BackboneWithFPN(body, {"layer2": "0", "layer3": "1"}, channels, PYRAMID)


def model(shape: Shape) -> nn.Module:
    """A step takes about 15 ms on one core."""
    detector = RetinaNet(
        _backbone(shape),
        1 + len(CLASSES),
        min_size=SIDE,
        max_size=SIDE,
        anchor_generator=AnchorGenerator(((13, 16), (20, 25), (32, 40)), ((0.7, 1.4),) * 3),
        score_thresh=0.05,
        detections_per_img=10,
        topk_candidates=60,
    )
    for head in (detector.head.classification_head, detector.head.regression_head):
        head.conv = head.conv[:1]  # of four
    return detector


PROGRAM = Program(
    "retina",
    "detection",
    len(CLASSES),
    Recipe(
        steps=280,
        batch=4,
        optimizer="sgd",
        lr=0.03,
        schedule="step",
        warmup=25,
        nesterov=True,
        weight_decay=5e-4,
        clip=5.0,
        pretrained_lr=0.1,
        evaluations=8,
    ),
    data,
    model,
    detection.loss,
    detection.scores,
    class_names=("background", *CLASSES),
    side=SIDE,
    normalised=True,
    good=0.55,
)
