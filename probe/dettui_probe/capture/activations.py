"""Sigmoid and tanh layers whose outputs are pinned to an end, where their gradient is nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, nn, torch

CADENCE: Final = Cadence(full=8, every=16)
MOST_LAYERS: Final = 16
ELEMENTS: Final = 1024
_PINNED_AT: Final = 4.0  # |pre-activation|: the slope of a sigmoid is then 0.018


def squashing_layers(model: nn.Module) -> Sequence[tuple[str, nn.Module]]:
    """The first layers of *model* that squash, by name."""
    named = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Sigmoid | nn.Tanh)]
    return named[:MOST_LAYERS]


class Saturation:
    """Samples the outputs of squashing layers in one forward pass."""

    def __init__(self) -> None:
        self._taken: list[tuple[str, bool, Tensor]] = []

    def take(self, name: str, layer: nn.Module, output: object) -> None:
        """Note some of the *output* of *layer*."""
        if isinstance(output, Tensor) and output.numel() and output.is_floating_point():
            flat = output.detach().reshape(-1)
            sampled = flat[:: -(-len(flat) // ELEMENTS)].clone()
            self._taken.append((name, isinstance(layer, nn.Sigmoid), sampled))

    def close_step(self) -> Reading | None:
        """The share of pinned outputs of each layer."""
        taken, self._taken = self._taken, []

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            for (name, is_sigmoid, _), values in zip(taken, arrived, strict=True):
                sheet.values[tags.SATURATED + name] = float(_pinned(values.float(), is_sigmoid).float().mean())

        return Reading([values for _, _, values in taken], decode) if taken else None


def _pinned(values: Tensor, is_sigmoid: bool) -> Tensor:
    if is_sigmoid:
        end = float(torch.sigmoid(torch.tensor(-_PINNED_AT)))
        return (values < end) | (values > 1 - end)
    return values.abs() > float(torch.tanh(torch.tensor(_PINNED_AT)))


def named_hooks(
    model: nn.Module, hear: Callable[[str, nn.Module, object], None]
) -> Iterator[tuple[nn.Module, Callable[..., None]]]:
    """A forward hook for each squashing layer."""
    for name, layer in squashing_layers(model):

        def hook(module: nn.Module, _args: Any, output: object, name: str = name) -> None:
            hear(name, module, output)

        yield layer, hook
