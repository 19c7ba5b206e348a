"""How large the weights of the layers begin, in the unit that initialisations are written in."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, nn, strided_view, torch
from dettui_probe.capture.tracked import is_dense_memory

LAYERS: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase, nn.MultiheadAttention)
LEAST_ELEMENTS: Final = 64
LEAST_LAYERS: Final = 3
MOST_LAYERS: Final = 64


def first_gain(model: nn.Module) -> Reading | None:
    """``rms(w) sqrt(fan in)``, the factor by which a layer multiplies the size of independent inputs: 0.58 as nn.Linear
    begins, sqrt(2) by He et al. (2015).  The median over the trainable weights of *model*; None with few of them."""
    weights = list(_weights_of(model))[:MOST_LAYERS]
    if len(weights) < LEAST_LAYERS:
        return None
    fans = [math.prod(weight.shape[1:]) for weight in weights]
    sizes = torch.stack([strided_view(weight.detach()).float().square().mean() for weight in weights])

    def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
        gains = [math.sqrt(size * fan) for size, fan in zip(arrived[0].tolist(), fans, strict=True)]
        sheet.values[tags.WEIGHT_GAIN] = statistics.median(gains)

    return Reading([sizes], decode)


def _weights_of(model: nn.Module) -> Iterator[Tensor]:
    """Trainable matrices and kernels of layers, on the device of the first; no embeddings, positions or scales, and
    nothing that is spread over ranks."""
    device = None
    for module in model.modules():
        if not isinstance(module, LAYERS):
            continue
        for weight in module.parameters(recurse=False):
            device = device or weight.device
            if weight.device == device and _is_plain(weight):
                yield weight


def _is_plain(weight: nn.Parameter) -> bool:
    is_matrix = weight.dim() >= 2 and weight.numel() >= LEAST_ELEMENTS and weight.is_floating_point()
    return type(weight) is nn.Parameter and weight.requires_grad and is_matrix and is_dense_memory(weight)
