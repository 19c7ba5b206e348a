"""Did gradients pass through half precision?  Their values tell, whatever the dtype that they arrive in.

What underflows there is a multiple of 2^-24 before it is zero: the nonzero elements beside the zeros are whole
multiples of the least of them, however a loss scale or clipping multiplied them since.  Larger ones are numbers of half
precision.  Of float32 gradients one in 500 looks like the first and one in 8000 like the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.torchlib import Tensor, torch

CADENCE: Final = Cadence(full=2, every=32)
MOST_ROWS: Final = 32
WIDTH: Final = 256  # of the elements sampled of each tensor
LEAST_ZEROS: Final = 0.25  # share of the sample of a tensor: where nothing is lost, no format lost it
LEAST_BESIDE: Final = 12  # elements beside zeros, of all tensors together
LEAST_OF_ALL: Final = 64  # elements; where a dozen are left at all, they may be multiples
MOST_MULTIPLE: Final = 512.0  # of the least element: beyond it rounding blurs too much
ROUNDING: Final = 1e-3  # of a multiple


def counts_of_half(samples: Tensor, lengths: Tensor) -> Tensor:
    """What *samples* of gradients tell, each row of length *lengths* and filled up with zeros, shape (rows, n).

    Four counts: elements that are whole multiples of the least one of their row, and those that stand beside zeros and
    might be; numbers of half precision that bfloat16 does not have, and all elements.
    """
    every = -(-len(samples) // MOST_ROWS) | 1  # odd: weights and biases take turns
    first = (len(samples) - 1) % every  # so that the last, where gradients are lost last, is one of them
    samples, lengths = samples[first::every, :WIDTH], lengths[first::every].clamp(max=WIDTH)
    sizes = samples.abs()
    there = (sizes > 0) & torch.isfinite(sizes)
    thin = there.sum(dim=1, keepdim=True) <= (1 - LEAST_ZEROS) * lengths[:, None]
    least = torch.where(there, sizes, torch.inf).amin(dim=1, keepdim=True)
    multiples = torch.where(there, sizes / least, 0.0)
    told = thin & there & (multiples < MOST_MULTIPLE)
    whole = told & ((multiples - multiples.round()).abs() < ROUNDING)
    itself = (thin[:, 0] & there.any(dim=1)).sum()  # the least one of each row, which proves nothing
    fits = (samples.half().float() == samples) & (samples.bfloat16().float() != samples)
    return torch.stack([whole.sum() - itself, told.sum() - itself, (fits & there).sum(), there.sum()])


def write_shares(values: dict[str, float], counts: Sequence[int]) -> None:
    """The two shares in *counts*, each where enough elements were looked at."""
    whole, beside, fits, there = counts
    if beside >= LEAST_BESIDE:
        values[tags.GRAD_QUANTA] = whole / beside
    if there >= LEAST_OF_ALL:
        values[tags.GRAD_HALF] = fits / there
