"""The networks of the zoo: bodies that turn inputs into features, and heads that answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from bench.faults.composed.composition import Problem
from bench.faults.programs.common import grouped
from torch import Tensor, nn

ACTIVATION: Final[dict[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
}  # fmt: skip
BATCH_NORMED: Final = ("cnn_bn", "residual", "depthwise", "mlp_bn")
PATCH: Final = 4
Norm = Callable[[int], nn.Module]


class Style(NamedTuple):
    """What all parts of a network have in common."""

    width: float
    depth: int
    activation: Callable[[], nn.Module]
    dropout: float

    def channels(self, usual: int) -> int:
        """*usual* channels made narrower or wider, in fours."""
        return max(4 * round(usual * self.width / 4), 4)


def style_of(problem: Problem, dropout: float) -> Style:
    """As the composition has it."""
    return Style(problem.width, problem.depth, ACTIVATION[problem.activation], dropout)


class Net(nn.Module):
    """A body and a head."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))  # type: ignore[no-any-return]


# --- pictures -----------------------------------------------------------------------------------------------------


def no_norm(channels: int) -> nn.Module:
    """Nothing."""
    return nn.Identity()


def layer_norm(channels: int) -> nn.Module:
    """Over all channels and pixels of one picture."""
    return nn.GroupNorm(1, channels)


NORM: Final[dict[str, Norm]] = {
    "cnn": no_norm, "cnn_bn": nn.BatchNorm2d, "cnn_gn": grouped, "cnn_ln": layer_norm,
    "residual": nn.BatchNorm2d, "depthwise": nn.BatchNorm2d,
}  # fmt: skip


def _conv(inside: int, outside: int, style: Style, norm: Norm, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, 3, stride, 1, groups=groups, bias=norm is no_norm)
    return nn.Sequential(convolution, norm(outside), style.activation())


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, style: Style, norm: Norm) -> None:
        super().__init__()
        self.first = _conv(channels, channels, style, norm)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), norm(channels))
        self.act = style.activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x + self.second(self.first(x)))  # type: ignore[no-any-return]


def _depthwise(inside: int, outside: int, style: Style, norm: Norm, stride: int = 1) -> nn.Sequential:
    point = nn.Sequential(nn.Conv2d(inside, outside, 1, bias=False), norm(outside), style.activation())
    return nn.Sequential(_conv(inside, inside, style, norm, stride=stride, groups=inside), point)


def picture_body(problem: Problem, style: Style, channels: int, stride: int = 4) -> tuple[nn.Module, int]:
    """From (n, *channels*, side, side) to (n, c, side / *stride*, side / *stride*); and c."""
    if problem.net == "vit":
        body = Patches(channels, style)
        return body, body.width
    norm = NORM[problem.net]
    a, b, c = (style.channels(usual) for usual in (8, 16, 32))
    layers: list[nn.Module] = [_conv(channels, a, style, norm, stride=2 if stride > 4 else 1)]
    for inside, outside in ((a, b), (b, c)):
        layers += _downwards(problem.net, inside, outside, style)
    layers += [_level(problem.net, c, style) for _ in range(style.depth)]
    return nn.Sequential(*layers), c


def _downwards(net: str, inside: int, outside: int, style: Style) -> list[nn.Module]:
    """Half the pixels."""
    norm = NORM[net]
    if net == "depthwise":
        return [_depthwise(inside, outside, style, norm, 2)]
    if net == "residual":
        return [_conv(inside, outside, style, norm, stride=2), Residual(outside, style, norm)]
    return [_conv(inside, outside, style, norm), nn.MaxPool2d(2)]


def _level(net: str, channels: int, style: Style) -> nn.Module:
    norm = NORM[net]
    if net == "residual":
        return Residual(channels, style, norm)
    if net == "depthwise":
        return _depthwise(channels, channels, style, norm)
    return _conv(channels, channels, style, norm)


class Patches(nn.Module):
    """A vision transformer that keeps its patches as a map (n, width, side / PATCH, side / PATCH)."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.width = style.channels(32)
        self.patch = nn.Conv2d(channels, self.width, PATCH, PATCH)
        self.place = nn.Parameter(0.02 * torch.randn(1, 64, self.width))
        self.blocks = nn.Sequential(*(Block(self.width, style) for _ in range(2 + style.depth)))
        self.norm = nn.LayerNorm(self.width)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patch(x)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = self.norm(self.blocks(tokens + self.place[:, : tokens.shape[1]]))
        return tokens.transpose(1, 2).reshape(maps.shape)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and two linear layers, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, width: int, style: Style, *, causal: bool = False) -> None:
        super().__init__()
        self.causal = causal
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, style.dropout, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), style.activation(), nn.Dropout(style.dropout), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = self.before(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if self.causal else None
        x = x + self.attention(seen, seen, seen, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.between(x))  # type: ignore[no-any-return]


def picture_net(problem: Problem, style: Style, channels: int, side: int, out: int) -> nn.Module:
    """From (n, *channels*, *side*, *side*) to (n, *out*)."""
    if problem.net == "mlp":
        return Net(*mlp_parts(channels * side * side, out, style, flatten=True))
    body, width = picture_body(problem, style, channels)
    if problem.task == "box":
        cells = (side // 4) ** 2 * width
        return Net(body, nn.Sequential(nn.Flatten(), nn.Linear(cells, 32), style.activation(), nn.Linear(32, out)))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(style.dropout), nn.Linear(width, out))
    return Net(body, head)


def map_net(problem: Problem, style: Style, channels: int, out: int) -> nn.Module:
    """From (n, *channels*, side, side) to (n, *out*, side / 8, side / 8)."""
    body, width = picture_body(problem, style, channels, stride=8)
    head = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), style.activation(), nn.Conv2d(width, out, 1))
    return Net(body, head)


def pixel_net(problem: Problem, style: Style, channels: int, side: int, out: int) -> nn.Module:
    """From (n, *channels*, *side*, *side*) to (n, *out*, *side*, *side*)."""
    if problem.net == "unet":
        return UNet(channels, out, style)
    if problem.net == "mlp":
        body, head = mlp_parts(channels * side * side, out * side * side, style, flatten=True)
        return Net(body, nn.Sequential(head, nn.Unflatten(1, (out, side, side))))
    body, width = picture_body(problem, style, channels)
    narrow = style.channels(16)
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    head = nn.Sequential(
        nn.ConvTranspose2d(width, narrow, 2, 2), style.activation(), up, nn.Conv2d(narrow, narrow, 3, 1, 1),
        style.activation(), nn.Conv2d(narrow, out, 1),
    )  # fmt: skip
    return Net(body, head)


class UNet(nn.Module):
    """Two levels down and up again, with what was seen on the way down."""

    def __init__(self, channels: int, out: int, style: Style) -> None:
        super().__init__()
        norm = (no_norm, nn.BatchNorm2d, grouped)[style.depth % 3]
        a, b, c = (style.channels(usual) for usual in (8, 16, 24))
        self.body = nn.ModuleList([_conv(channels, a, style, norm), _conv(a, b, style, norm), _conv(b, c, style, norm)])
        self.down, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        self.middle, self.top = _conv(b + c, b, style, norm), _conv(a + b, a, style, norm)
        self.drop, self.head = nn.Dropout2d(style.dropout), nn.Conv2d(a, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.body[0](x)
        medium = self.body[1](self.down(fine))
        coarse = self.drop(self.body[2](self.down(medium)))
        medium = self.middle(torch.cat([medium, self.up(coarse)], 1))
        return self.head(self.top(torch.cat([fine, self.up(medium)], 1)))  # type: ignore[no-any-return]


# --- tables -------------------------------------------------------------------------------------------------------


class Beside(nn.Module):
    """A layer beside a shortcut."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer(x)  # type: ignore[no-any-return]


def mlp_parts(
    inside: int, out: int, style: Style, *, net: str = "mlp", flatten: bool = False
) -> tuple[nn.Module, nn.Module]:
    """Linear layers from (n, *inside*) to (n, *out*)."""
    width = style.channels(64)
    norm: Norm = {"mlp_bn": nn.BatchNorm1d, "mlp_ln": nn.LayerNorm}.get(net, no_norm)

    def layer(before: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(before, width), norm(width), style.activation(), nn.Dropout(style.dropout))

    later = [layer(width) for _ in range(1 + style.depth)]
    body = [layer(inside), *(map(Beside, later) if net == "residual_mlp" else later)]
    return nn.Sequential(*([nn.Flatten()] if flatten else []), *body), nn.Linear(width, out)


# --- tokens -------------------------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """States (n, length, width) of a GRU or an LSTM; in both directions where it may look ahead."""

    def __init__(self, net: str, width: int, style: Style, *, causal: bool) -> None:
        super().__init__()
        kind = nn.GRU if net == "gru" else nn.LSTM
        layers = 1 + (style.depth == 2)
        state = width if causal else width // 2
        dropout = style.dropout if layers > 1 else 0.0
        self.rnn = kind(width, state, layers, batch_first=True, dropout=dropout, bidirectional=not causal)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x)[0]  # type: ignore[no-any-return]


class Convolved(nn.Module):
    """A convolution over time beside a shortcut; a causal one sees no later token."""

    def __init__(self, width: int, dilation: int, style: Style, *, causal: bool) -> None:
        super().__init__()
        reach = 2 * dilation
        self.margin = (reach, 0) if causal else (dilation, dilation)
        self.conv = nn.Conv1d(width, width, 3, dilation=dilation)
        self.act, self.drop = style.activation(), nn.Dropout(style.dropout)

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x.transpose(1, 2), self.margin)
        return x + self.drop(self.act(self.conv(padded))).transpose(1, 2)  # type: ignore[no-any-return]


class Embedded(nn.Module):
    """Vectors (n, length, width) of tokens; with their places for attention."""

    def __init__(self, tokens: int, width: int, length: int, *, placed: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.place = nn.Parameter(0.02 * torch.randn(1, length, width)) if placed else None

    def forward(self, x: Tensor) -> Tensor:
        vectors: Tensor = self.embed(x)
        return vectors if self.place is None else vectors + self.place[:, : x.shape[1]]


def token_net(problem: Problem, style: Style, tokens: int, length: int, out: int) -> nn.Module:
    """From tokens (n, length) to (n, length, *out*); causal where the next token is to be told."""
    causal, width = problem.task == "next_token", style.channels(32)
    first = Embedded(tokens, width, length, placed=problem.net == "transformer")
    if problem.net == "transformer":
        layers: list[nn.Module] = [Block(width, style, causal=causal) for _ in range(1 + style.depth)]
        layers.append(nn.LayerNorm(width))
    elif problem.net == "conv1d":
        layers = [Convolved(width, 2**k, style, causal=causal) for k in range(2 + style.depth)]
    else:
        layers = [Recurrent(problem.net, width, style, causal=causal)]
    return Net(nn.Sequential(first, *layers), nn.Sequential(nn.Dropout(style.dropout), nn.Linear(width, out)))
