"""The one file that imports torch, and the few shapes of data that the instruments share.

Nothing here waits for a device, draws from a random generator, or keeps a graph alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

__all__ = [
    "SAMPLE_WIDTH",
    "Optimizer",
    "StorageWeakRef",
    "Tensor",
    "as_mapping",
    "fresh_vector",
    "is_scalar",
    "nn",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "sample_length",
    "strided_view",
    "tensors_in",
    "torch",
]

SAMPLE_WIDTH: Final = 1024
"""Elements sampled of one tensor: the norm of a row is then known to 3 %, and 100 tensors take 0.4 MB."""


def sample_stride(numel: int, width: int = SAMPLE_WIDTH) -> int:
    """Distance between sampled elements.  Odd, so that it does not walk down one column of a 2^k-wide matrix."""
    return 1 if numel <= width else -(-numel // width) | 1


def sample_length(numel: int, width: int = SAMPLE_WIDTH) -> int:
    """How many elements ``strided_view`` takes of a tensor of *numel* elements: at most *width*."""
    return -(-numel // sample_stride(numel, width)) if numel else 0


def strided_view(tensor: Tensor, width: int = SAMPLE_WIDTH) -> Tensor:
    """At most *width* elements at fixed distances through the memory of a dense tensor, shape (n,); no copy."""
    numel = tensor.numel()
    length = sample_length(numel, width)
    return tensor.as_strided((length,), (sample_stride(numel, width),), tensor.storage_offset())


def is_scalar(value: object) -> bool:
    """True for a tensor with one floating-point element."""
    return isinstance(value, Tensor) and value.numel() == 1 and value.is_floating_point()


def fresh_vector(scalars: Sequence[Tensor]) -> Tensor:
    """A new float32 vector of one-element tensors, shape (len(scalars),): later in-place changes do not reach it."""
    return torch.stack([scalar.detach().reshape(()).float() for scalar in scalars])


def as_mapping(value: object) -> Mapping[Any, Any] | None:
    """*value* where it is a dict or behaves as one (a HuggingFace ``ModelOutput``)."""
    return value if isinstance(value, Mapping) else None


def tensors_in(values: Sequence[object]) -> Iterator[Tensor]:
    """Tensors among *values* and one level into lists and tuples, in order."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, Tensor))
