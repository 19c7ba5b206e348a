"""Names of parameters, as torch gives them."""

from __future__ import annotations

import pytest
from torch import nn
from torch.nn.utils import parametrizations

from dettui.detect.layers import is_bias, is_weight

LAYERS = {
    "linear": (nn.Linear(4, 4), 1, 1),
    "gru": (nn.GRU(4, 4), 2, 2),
    "attention": (nn.MultiheadAttention(4, 2), 2, 2),
    "weight_norm": (parametrizations.weight_norm(nn.Linear(4, 4)), 1, 1),
    "spectral_norm": (parametrizations.spectral_norm(nn.Linear(4, 4)), 1, 1),
    "activation": (nn.PReLU(), 1, 0),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_of_torch_has_its_weights_and_biases(layer: str) -> None:
    module, weights, biases = LAYERS[layer]
    names = [f"layer/grad_norm/block.{name}" for name, _ in module.named_parameters()]
    assert (sum(map(is_weight, names)), sum(map(is_bias, names))) == (weights, biases)
