"""What several programs share: pictures of shapes, and scores."""

from __future__ import annotations

from collections.abc import Callable

import torch
from bench.faults.plan import Examples, Shape
from torch import Tensor, nn
from torch.nn import functional

Drawn = tuple[Tensor, Tensor]


def stamps(side: int) -> Tensor:
    """Six shapes on a square of *side* pixels; shape (6, side, side), 0 or 1."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    r = (x**2 + y**2).sqrt()
    return torch.stack(
        [
            (r < 0.9).float(),  # disc
            ((r < 0.95) & (r > 0.55)).float(),  # ring
            (torch.maximum(x.abs(), y.abs()) < 0.85).float(),  # square
            ((x.abs() < 0.3) | (y.abs() < 0.3)).float(),  # plus
            (((x - y).abs() < 0.35) | ((x + y).abs() < 0.35)).float(),  # cross
            ((y > -0.8) & (x.abs() < (y + 0.8) / 2)).float(),  # triangle
        ]
    )


def pictures(count: int, generator: torch.Generator, *, side: int, channels: int, noise: float, classes: int) -> Drawn:
    """Pictures of one shape each on a noisy ground; x (count, channels, side, side) of about zero mean and unit
    deviation, y (count,)."""
    sizes = torch.randint(side // 2, 3 * side // 4 + 1, (count,), generator=generator)
    corners = torch.rand(count, 2, generator=generator)
    y = torch.randint(classes, (count,), generator=generator)
    x = noise * torch.randn(count, channels, side, side, generator=generator)
    paint = 0.8 + 0.7 * torch.rand(count, channels, 1, 1, generator=generator)
    shapes = {int(size): stamps(int(size)) for size in sizes.unique()}
    for i in range(count):
        size = int(sizes[i])
        top, left = (corners[i] * (side - size + 1)).long().tolist()
        x[i, :, top : top + size, left : left + size] += paint[i] * shapes[size][y[i]]
    return (x - x.mean()) / x.std(), y


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Of a classifier."""
    return functional.cross_entropy(model(x), y)


def classification_scores(model: nn.Module, examples: Examples) -> dict[str, float]:
    """Accuracy and mean cross-entropy."""
    outputs = torch.cat([model(part) for part in examples.x.split(256)])
    return {
        "accuracy": float((outputs.argmax(1) == examples.y).float().mean()),
        "loss": float(functional.cross_entropy(outputs, examples.y)),
    }


def width_of(channels: int, share: float) -> int:
    """*channels* made narrower or wider."""
    return max(round(channels * share), 1)


def dropout_of(asked: float | None, own: float) -> float:
    """The dropout that was *asked* for, or the program's *own*."""
    return own if asked is None else asked


def activation_of(shape: Shape, own: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The activation that *shape* asks for, or the program's *own* where it asks for none but the usual ReLU."""
    return own if shape.activation is nn.ReLU else shape.activation


def grouped(channels: int) -> nn.GroupNorm:
    """GroupNorm of as many groups as fit, up to four."""
    return nn.GroupNorm(next(count for count in (4, 2, 1) if channels % count == 0), channels)


def convolution(
    channels_in: int, channels_out: int, activation: Callable[[], nn.Module], *, stride: int = 1, norm: bool = False
) -> nn.Sequential:
    """3x3, BatchNorm where *norm*, activation."""
    layers: list[nn.Module] = [nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(channels_out))
    return nn.Sequential(*layers, activation())
