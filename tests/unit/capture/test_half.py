"""Gradients that passed through half precision, told by their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.half import counts_of_half, write_shares
from dettui_probe.run import Run

QUANTUM = 2.0**-24  # the least number of half precision above 0
ROWS, WIDTH = 6, 1024


def gradients(scale: float, seed: int = 0) -> Tensor:
    return scale * torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(seed))


def shares(samples: Tensor) -> tuple[float | None, float | None]:
    """Of multiples beside zeros, and of numbers of half precision."""
    lengths = torch.full((len(samples),), samples.shape[1], dtype=torch.float64)
    values: dict[str, float] = {}
    write_shares(values, counts_of_half(samples, lengths).tolist())
    return values.get(tags.GRAD_QUANTA), values.get(tags.GRAD_HALF)


def every_other(samples: Tensor) -> Tensor:
    """*samples* with zeros between them, as silent units leave them."""
    samples[:, ::2] = 0.0
    return samples


@pytest.mark.parametrize("count", [64, 80, 97])
def test_of_many_tensors_weights_and_biases_and_the_last_one_are_looked_at(count: int) -> None:
    """Only two of them hold anything that underflowed: the last, and its neighbour."""
    samples = torch.zeros(count, WIDTH)
    lost = every_other((gradients(QUANTUM) / QUANTUM).round() * QUANTUM)
    samples[-1] = lost[0]
    assert shares(samples)[0] == 1.0
    samples = torch.zeros(count, WIDTH)
    samples[::2][: len(lost)] = lost
    samples[1::2][: len(lost)] = lost
    assert shares(samples[: count - 1])[0] == 1.0


@pytest.mark.parametrize("size", [0.3, 1.0])
@pytest.mark.parametrize("unscaled", [1.0, 1e-4, 2.0**-16])
def test_what_underflows_in_half_precision_is_told_whatever_multiplied_it_since(size: float, unscaled: float) -> None:
    left = gradients(size * QUANTUM).half().float() * unscaled
    assert (left == 0).float().mean() > 0.25
    assert shares(left)[0] == pytest.approx(1.0)


def test_numbers_of_half_precision_are_told_and_do_not_underflow_beside_silent_units() -> None:
    quanta, half = shares(every_other(gradients(0.01).half().float()))
    assert quanta is not None and quanta < 0.1
    assert half is not None and half > 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_zeros_of_silent_units_are_no_matter_of_the_format(dtype: torch.dtype) -> None:
    quanta, half = shares(every_other(gradients(0.01).to(dtype).float()))
    assert quanta is not None and quanta < 0.05
    assert half is not None and half < 0.05


def test_units_that_are_copies_prove_nothing() -> None:
    quanta, _ = shares(every_other(gradients(0.01)[:, :32].repeat(1, WIDTH // 32)))
    assert quanta is not None and quanta < 0.15


def test_nothing_is_said_of_a_handful_of_elements() -> None:
    few = torch.zeros(ROWS, WIDTH)
    few[0, :4] = QUANTUM
    assert shares(few) == (None, None)


def test_nothing_underflows_where_nothing_is_zero() -> None:
    assert shares(gradients(1.0))[0] is None


def test_a_training_by_half_precision_tells_so_and_one_by_single_does_not(run: Run, told: Callable[[], Any]) -> None:
    model = nn.Linear(32, 32, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    attach(run, model, optimizer)
    for left in (gradients(QUANTUM).half().float(), every_other(gradients(QUANTUM))):
        optimizer.zero_grad()
        model(torch.ones(1, 32)).sum().backward()
        assert model.weight.grad is not None
        model.weight.grad.copy_(left[0].reshape(32, 32))
        optimizer.step()
    half, single = told().values(tags.GRAD_QUANTA)
    assert half == pytest.approx(1.0) and single < 0.05
