"""A residual network on pictures of textured blobs.  SGD with momentum, one-cycle."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 10
SIDE = 12


def data(seed: int) -> Sets:
    """Ten classes of smooth random templates, shifted and warped by noise, as CIFAR would be at its smallest."""
    draw = torch.Generator().manual_seed(4000 + seed)
    templates = functional.interpolate(
        torch.randn(CLASSES, 3, 6, 6, generator=draw), (SIDE + 8, SIDE + 8), mode="bicubic"
    )

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        at = torch.randint(9, (count, 2), generator=draw).tolist()
        x = torch.stack([templates[k, :, i : i + SIDE, j : j + SIDE] for k, (i, j) in zip(y.tolist(), at, strict=True)])
        x = x * (0.5 + torch.rand(count, 1, 1, 1, generator=draw))
        x = x + 1.0 * torch.randn(x.shape, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(1600), examples(150), examples(300))


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, shape: Shape) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.act = shape.activation()
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))
        return self.act(y + self.shortcut(x))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """Stem, two stages, head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (8, 12, 16))
        self.stem = nn.Sequential(nn.Conv2d(3, a, 3, 1, 1, bias=False), nn.BatchNorm2d(a), shape.activation())
        more = [Block(c, c, 1, shape) for _ in range(shape.depth)]
        self.stages = nn.Sequential(Block(a, b, 2, shape), Block(b, c, 2, shape), *more)
        self.drop, self.fc = nn.Dropout(dropout_of(shape.dropout, 0.0)), nn.Linear(c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.drop(self.stages(self.stem(x)).mean((2, 3))))  # type: ignore[no-any-return]


PROGRAM = Program(
    "resnet",
    "classification",
    CLASSES,
    Recipe(steps=300, batch=16, optimizer="sgd", lr=0.1, schedule="one_cycle", weight_decay=5e-4),
    data,
    ResNet,
    cross_entropy,
    classification_scores,
    class_names=("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    has_batchnorm=True,
)
