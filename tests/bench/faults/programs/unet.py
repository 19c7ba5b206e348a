"""A U-Net with InstanceNorm that outlines cells, their nuclei and fibres.  Cross-entropy and Dice, Adam, LR lowered on
plateaus."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

CLASSES = ("ground", "cell", "nucleus", "fibre")
SIDE = 24


def data(seed: int) -> Sets:
    """Slides under an uneven light: x (n, 1, SIDE, SIDE), targets (n, SIDE, SIDE)."""
    draw = torch.Generator().manual_seed(43_000 + seed)

    def examples(count: int) -> Examples:
        y = torch.stack([_slide(draw) for _ in range(count)])
        dye = torch.tensor([0.0, 0.7, 1.5, 1.3])[y] * (0.8 + 0.4 * torch.rand(count, 1, 1, generator=draw))
        lamp = functional.interpolate(torch.randn(count, 1, 3, 3, generator=draw), (SIDE, SIDE), mode="bicubic")
        x = 0.35 * lamp - dye[:, None] + 0.2 * torch.randn(count, 1, SIDE, SIDE, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(600), examples(40), examples(80))


def _slide(draw: torch.Generator) -> Tensor:
    """One to three cells, each with its nucleus, and a fibre that lies over them; shape (SIDE, SIDE), class ids."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    slide = torch.zeros(SIDE, SIDE, dtype=torch.long)
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        row, column, high, wide, turn, size = torch.rand(6, generator=draw).tolist()
        v, u = rows - SIDE * row, columns - SIDE * column
        v, u = v + (turn - 0.5) * u, u - (turn - 0.5) * v
        away = ((v / (3.5 + 2 * high)) ** 2 + (u / (3.5 + 2 * wide)) ** 2).sqrt()
        slide[away < 1] = 1
        slide[away < 0.4 + 0.15 * size] = 2
    slant, place, wave, phase, lies = torch.rand(5, generator=draw).tolist()
    along, across = (rows, columns) if lies < 0.5 else (columns, rows)
    middle = (
        SIDE * (0.2 + 0.6 * place) + (slant - 0.5) * (along - SIDE / 2) + 3 * wave * torch.sin(0.3 * along + 6 * phase)
    )
    slide[(across - middle).abs() < 1.1] = 3
    return slide


class UNet(nn.Module):
    """Three levels; what comes up is joined to what went down at the same level."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (8, 12, 16))
        self.down1, self.down2, self.down3 = _block(1, a, shape), _block(a, b, shape), _block(b, c, shape)
        self.body = nn.Sequential(*(_block(c, c, shape) for _ in range(shape.depth)))
        self.drop = nn.Dropout2d(dropout_of(shape.dropout, 0.0))
        self.up2, self.up1 = _block(b + c, b, shape), _block(a + b, a, shape)
        self.head = nn.Conv2d(a, len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x)
        middle = self.down2(functional.max_pool2d(fine, 2))
        coarse = self.drop(self.body(self.down3(functional.max_pool2d(middle, 2))))
        middle = self.up2(torch.cat([middle, _enlarged(coarse)], 1))
        return self.head(self.up1(torch.cat([fine, _enlarged(middle)], 1)))  # type: ignore[no-any-return]


def _block(channels_in: int, channels_out: int, shape: Shape) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False)
    return nn.Sequential(convolution, nn.InstanceNorm2d(channels_out, affine=True), shape.activation())


def _enlarged(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear")


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of the pixels, and how far the areas of the classes are from overlapping."""
    outputs = network(x)
    return functional.cross_entropy(outputs, y) + _dice_loss(outputs, y)


def _dice_loss(outputs: Tensor, y: Tensor) -> Tensor:
    """One less the Dice coefficient of soft areas, over the batch, mean over the classes."""
    found, there = outputs.softmax(1), functional.one_hot(y, len(CLASSES)).permute(0, 3, 1, 2)
    common, both = (found * there).sum((0, 2, 3)), (found + there).sum((0, 2, 3))
    return 1 - ((2 * common + 1) / (both + 1)).mean()


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """Mean Dice coefficient of what is not ground, and the loss."""
    outputs = network(examples.x)
    found = outputs.argmax(1)
    shares = [
        float(
            2 * ((found == k) & (examples.y == k)).sum() / ((found == k).sum() + (examples.y == k).sum()).clamp(min=1)
        )
        for k in range(1, len(CLASSES))
    ]
    total = functional.cross_entropy(outputs, examples.y) + _dice_loss(outputs, examples.y)
    return {"dice": sum(shares) / len(shares), "loss": float(total)}


PROGRAM = Program(
    "unet",
    "segmentation",
    len(CLASSES),
    Recipe(steps=300, batch=8, optimizer="adam", lr=5e-3, schedule="plateau", evaluations=15),
    data,
    UNet,
    loss,
    scores,
    class_names=CLASSES,
    good=0.8,
)
