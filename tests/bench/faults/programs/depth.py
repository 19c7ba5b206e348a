"""A small U-Net with GroupNorm that tells how far away each pixel is.  Adam, LR in steps."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import dropout_of, grouped, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

SIDE = 24
MEAN, DEVIATION = 0.6, 0.25  # of the distances, about


def data(seed: int) -> Sets:
    """Boxes on a plain that runs into fog: x (n, 3, SIDE, SIDE), y (n, 1, SIDE, SIDE) of about unit variance."""
    draw = torch.Generator().manual_seed(13_000 + seed)

    def examples(count: int) -> Examples:
        scenes = [_scene(draw) for _ in range(count)]
        colour, distance = (torch.stack(parts) for parts in zip(*scenes, strict=True))
        clear = torch.exp(-1.5 * distance)
        x = colour * clear + 0.8 * (1 - clear) + 0.06 * torch.randn(colour.shape, generator=draw)
        return Examples((x - x.mean()) / x.std(), (distance - MEAN) / DEVIATION)

    return Sets(examples(700), examples(60), examples(120))


def _scene(draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Colours (3, SIDE, SIDE) without the fog, and distances (1, SIDE, SIDE) from 0 to about 1."""
    far, near = 0.8 + 0.3 * torch.rand((), generator=draw), 0.3 * torch.rand((), generator=draw)
    distance = (far + (near - far) * torch.linspace(0, 1, SIDE)).view(1, SIDE, 1).repeat(1, 1, SIDE)
    colour = torch.rand(3, 1, 1, generator=draw).repeat(1, SIDE, SIDE)
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        high, wide = torch.randint(5, 12, (2,), generator=draw).tolist()
        top, left = (int(torch.randint(SIDE - size + 1, (1,), generator=draw)) for size in (high, wide))
        stands = float(distance[0, top + high - 1, left]) * 0.9
        paint = torch.rand(3, 1, 1, generator=draw)
        window = (slice(None), slice(top, top + high), slice(left, left + wide))
        nearer = distance[window] > stands
        colour[window] = torch.where(nearer, paint, colour[window])
        distance[window] = distance[window].clamp(max=stands)
    return colour, distance


class UNet(nn.Module):
    """Three levels down, and up by transposed convolutions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (8, 12, 16))
        self.down1, self.down2, self.down3 = _block(3, a, 1, shape), _block(a, b, 2, shape), _block(b, c, 2, shape)
        self.body = nn.Sequential(*(_block(c, c, 1, shape) for _ in range(shape.depth)))
        self.drop = nn.Dropout2d(dropout_of(shape.dropout, 0.0))
        self.up2, self.up1 = nn.ConvTranspose2d(c, b, 2, 2), nn.ConvTranspose2d(b, a, 2, 2)
        self.join2, self.join1 = _block(2 * b, b, 1, shape), _block(2 * a, a, 1, shape)
        self.head = nn.Conv2d(a, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x)
        middle = self.down2(fine)
        coarse = self.drop(self.body(self.down3(middle)))
        middle = self.join2(torch.cat([middle, self.up2(coarse)], 1))
        return self.head(self.join1(torch.cat([fine, self.up1(middle)], 1)))  # type: ignore[no-any-return]


def _block(channels_in: int, channels_out: int, stride: int, shape: Shape) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, grouped(channels_out), shape.activation())


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Huber's, mean over the pixels."""
    return functional.smooth_l1_loss(network(x), y, beta=0.5)


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """Share of variance explained over all pixels, and the loss."""
    outputs = network(examples.x)
    error = float(functional.mse_loss(outputs, examples.y))
    return {
        "r2": 1 - error / float(examples.y.var()),
        "loss": float(functional.smooth_l1_loss(outputs, examples.y, beta=0.5)),
    }


PROGRAM = Program(
    "depth",
    "regression",
    0,
    Recipe(steps=300, batch=8, optimizer="adam", lr=2e-3, schedule="step", drop=0.2),
    data,
    UNet,
    loss,
    scores,
    good=0.8,
)
