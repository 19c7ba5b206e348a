"""Which parameters are weights, by the names that torch gives them."""

from __future__ import annotations

from typing import Final

_WEIGHTS: Final = ("weight", "weight_v", "weight_orig")
_RECURRENT: Final = ("weight_ih_", "weight_hh_")
_REPARAMETRISED: Final = (".parametrizations.weight.original", ".parametrizations.weight.original1")


def is_weight(name: str) -> bool:
    """True for the weight of a layer: also of nn.GRU and nn.LSTM (``weight_ih_l0``), of nn.MultiheadAttention
    (``in_proj_weight``), and the direction that weight or spectral normalisation makes a weight of."""
    last = name.rpartition(".")[2]
    plain = last in _WEIGHTS or last.startswith(_RECURRENT) or last.endswith("_proj_weight")
    return plain or name.endswith(_REPARAMETRISED)


def is_bias(name: str) -> bool:
    """True for what a layer adds to its outputs."""
    last = name.rpartition(".")[2]
    return last == "bias" or last.startswith(("bias_ih_", "bias_hh_")) or last.endswith("_proj_bias")
