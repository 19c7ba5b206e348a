"""Frozen weights that are still as a random initialisation left them: frozen as if they were pretrained.

Uniform initialisations have a sharp edge: of n elements drawn from (-b, b) the largest lies within 12 b / n of b in all
but 6 of 10^6 cases, and never beyond, while training moves half of those at the edge over it.  Normal ones have none;
there the size and the fourth moment must fit, in several large tensors, by one and the same rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, nn, sample_length, strided_view, torch
from dettui_probe.capture.tracked import is_dense_memory

READ_AT: Final = (1, 64)  # steps; what is set by hand, as a target network is, has changed by the second
MOST_TENSORS: Final = 64
WIDTH: Final = 16_384  # elements looked at in each
LEAST_EDGE: Final = 256  # elements; below that the edge is too wide to tell anything
LEAST_NORMAL: Final = 2048
LEAST_TENSORS: Final = 2  # that fit one rule; three where it is a normal one
DEVIATIONS: Final = 4.0  # of a moment from what the rule expects
EDGE: Final = 12.0


class Fans(NamedTuple):
    """How many elements a unit of a weight has to do with."""

    into: float
    out: float
    own: float  # by which torch's layers draw: of a recurrent one its units, else those into a unit


UNIFORM: Final[Mapping[str, Callable[[Fans], float]]] = MappingProxyType(
    {
        "kaiming_uniform(a=sqrt(5))": lambda fans: 1 / (3 * fans.own),
        "kaiming_uniform(relu)": lambda fans: 2 / fans.into,
        "xavier_uniform": lambda fans: 2 / (fans.into + fans.out),
    }
)
"""Variance of a weight by torch.nn.init; the first is what nn.Linear, nn.Conv2d and nn.GRU begin with."""
NORMAL: Final[Mapping[str, Callable[[Fans], float]]] = MappingProxyType(
    {
        "kaiming_normal(fan_out)": lambda fans: 2 / fans.out,
        "kaiming_normal(fan_in)": lambda fans: 2 / fans.into,
        "xavier_normal": lambda fans: 2 / (fans.into + fans.out),
    }
)


class Moments(NamedTuple):
    """Of the elements looked at in one tensor."""

    elements: int
    fans: Fans
    largest: float  # magnitude
    second: float  # mean of squares
    fourth: float


class Untrained:
    """Counts the weights that no training has touched, among those that this one does not touch."""

    def __init__(self, looked_at: str, untrained: str) -> None:
        """Tags of how many are looked at, and of how many of these were never trained."""
        self._looked_at, self._untrained = looked_at, untrained
        self._waiting = list(READ_AT)
        self._before: list[Moments] | None = None

    def is_time(self, step: int) -> bool:
        """Whether *step* is one in which to read."""
        return bool(self._waiting) and step >= self._waiting[0]

    def read(self, model: nn.Module, params: Iterable[nn.Parameter]) -> Reading | None:
        """The weights among *params*, which *model* holds, as they are now."""
        self._waiting.pop(0)
        weights = _weights_among(params)
        if not weights:
            return None
        units = _recurrent_units(model)
        fans = [_fans(weight, units.get(weight)) for weight in weights]
        counts = [sample_length(weight.numel(), WIDTH) for weight in weights]
        moments = torch.stack([_moments_of(strided_view(weight.detach(), WIDTH)) for weight in weights])

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            rows = zip(counts, fans, arrived[0].tolist(), strict=True)
            self._tell([Moments(count, of, *row) for count, of, row in rows], sheet)

        return Reading([moments], decode)

    def _tell(self, now: list[Moments], sheet: Sheet) -> None:
        before, self._before = self._before, now
        if before is None:
            return
        still = [moments for moments in now if moments in before]
        sheet.values[self._looked_at] = len(now)
        sheet.values[self._untrained] = untrained(still)


def untrained(weights: Sequence[Moments]) -> int:
    """How many of *weights* are as one initialisation left them; 0 where they are too few to tell."""
    uniform = max(sum(_fits_edge(w, variance(w.fans)) for w in weights) for variance in UNIFORM.values())
    normal = max(sum(_fits_normal(w, variance(w.fans)) for w in weights) for variance in NORMAL.values())
    return max(uniform if uniform >= LEAST_TENSORS else 0, normal if normal > LEAST_TENSORS else 0)


def _fits_edge(weight: Moments, variance: float) -> bool:
    if weight.elements < LEAST_EDGE:
        return False
    edge = math.sqrt(3 * variance)
    at_edge = edge * (1 - EDGE / weight.elements) <= weight.largest <= edge * (1 + 1e-5)
    return at_edge and abs(weight.second / variance - 1) <= DEVIATIONS * math.sqrt(0.8 / weight.elements)


def _fits_normal(weight: Moments, variance: float) -> bool:
    """The variance of a sample varies by 2 / n, its kurtosis around 3 by 24 / n."""
    if weight.elements < LEAST_NORMAL:
        return False
    fits = abs(weight.second / variance - 1) <= DEVIATIONS * math.sqrt(2 / weight.elements)
    return fits and abs(weight.fourth / weight.second**2 - 3) <= DEVIATIONS * math.sqrt(24 / weight.elements)


def _weights_among(params: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    weights = [p for p in params if p.dim() >= 2 and p.is_floating_point()]
    device = weights[0].device if weights else None
    return [p for p in weights if p.device == device and p.numel() >= LEAST_EDGE and is_dense_memory(p)][:MOST_TENSORS]


def _recurrent_units(model: nn.Module) -> dict[Tensor, int]:
    """Size of the state, for every weight of a recurrent layer."""
    layers = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    return {weight: layer.hidden_size for layer in layers for weight in layer.parameters()}


def _fans(weight: Tensor, units: int | None) -> Fans:
    """As torch.nn.init counts them; *units*: of a recurrent layer."""
    field = math.prod(weight.shape[2:])
    into = float(weight.shape[1] * field)
    return Fans(into, float(weight.shape[0] * field), float(units or into))


def _moments_of(elements: Tensor) -> Tensor:
    """Largest magnitude, mean of squares and of fourth powers, shape (3,)."""
    squares = elements.float().square()
    return torch.stack([squares.max().sqrt(), squares.mean(), squares.square().mean()])
