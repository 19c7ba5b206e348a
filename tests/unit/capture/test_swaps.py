"""Whether answers fit their own targets better than those of another input of the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach, swaps
from dettui_probe.capture.loss_graph import heads_of
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
Loss = Callable[[Tensor, Tensor], Tensor]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def one_step(run: Run, told: ToldReader, answers: Tensor, loss: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """What is told of a step in which a model gives *answers*, whatever its input."""

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.answers = nn.Parameter(answers)

        def forward(self, _: Tensor) -> Tensor:
            return self.answers * 1

    model = Fixed()
    attach(run, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    loss(model(torch.zeros(len(answers), 1))).backward()
    optimizer.step()
    values: dict[str, float] = told().rows[0].values
    return values


CLASSES = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
MASKS = torch.stack([torch.full((8, 8), k) for k in (0, 1, 2, 1)])
NUMBERS = drawn(8, 5)

RIGHT: list[tuple[Tensor, Callable[[Tensor], Tensor], int]] = [
    (functional.one_hot(CLASSES).float(), lambda x: functional.cross_entropy(x, CLASSES), 3),
    (functional.one_hot(MASKS).movedim(-1, 1).float(), lambda x: functional.cross_entropy(x, MASKS), 2),
    (NUMBERS, lambda x: functional.mse_loss(x, NUMBERS), 4),
    (NUMBERS, lambda x: functional.smooth_l1_loss(x, NUMBERS) + x.square().mean(), 4),
    (NUMBERS, lambda x: functional.binary_cross_entropy_with_logits(x, (NUMBERS > 0).float()), 4),
    (NUMBERS[:, 0], lambda x: functional.huber_loss(x, NUMBERS[:, 0]), 4),
]


@pytest.mark.parametrize(("answers", "loss", "pairs"), RIGHT)
def test_right_answers_fit_their_own_targets(
    run: Run, told: ToldReader, answers: Tensor, loss: Callable[[Tensor], Tensor], pairs: int
) -> None:
    values = one_step(run, told, answers, loss)
    assert values[tags.FIT_PAIRS] == pairs  # inputs with equal targets tell nothing
    assert values[tags.FIT_PAIRS_OWN] == pairs


@pytest.mark.parametrize(("answers", "loss", "pairs"), RIGHT)
def test_answers_that_were_swapped_fit_each_others_targets(
    run: Run, told: ToldReader, answers: Tensor, loss: Callable[[Tensor], Tensor], pairs: int
) -> None:
    values = one_step(run, told, answers.view(-1, 2, *answers.shape[1:]).flip(1).view_as(answers), loss)
    assert (values[tags.FIT_PAIRS], values[tags.FIT_PAIRS_OWN]) == (pairs, 0)


def test_one_answer_for_all_wins_half(run: Run, told: ToldReader) -> None:
    values = one_step(run, told, torch.ones(8, 5), lambda x: functional.mse_loss(x, NUMBERS))
    assert values[tags.FIT_PAIRS_OWN] == values[tags.FIT_PAIRS] / 2


def test_who_knows_but_the_places_of_targets_wins_half() -> None:
    """Objects are common at the first places and rare at the last: answers that say so fit any image."""
    places = torch.linspace(3, -3, 64)
    targets = (torch.rand(2000, 64, generator=torch.Generator().manual_seed(1)) < places.sigmoid()).float()
    answers = places + 0.1 * drawn(2000, 64)
    won = compared = 0.0
    for x, t in zip(answers.split(20), targets.split(20), strict=True):
        values = read(functional.binary_cross_entropy_with_logits(x.requires_grad_(), t))
        won, compared = won + values[tags.FIT_PAIRS_OWN], compared + values[tags.FIT_PAIRS]
    assert compared == 1000
    assert won / compared == pytest.approx(0.5, abs=0.05)


def read(loss: Tensor) -> dict[str, float]:
    numbers = swaps.numbers_of(heads_of(loss))
    if numbers is None:
        return {}
    sheet = swaps.Sheet(1, 0.0, {}, False)
    swaps.reading(numbers).decode(list(numbers), sheet)
    return sheet.values


def test_large_maps_are_sampled_from_all_over_them() -> None:
    targets = drawn(64, 3, 64, 64)
    numbers = swaps.numbers_of(heads_of(functional.mse_loss(drawn(64, 3, 64, 64).requires_grad_(), targets)))
    assert numbers is not None
    assert numbers.targets.shape == numbers.answers.shape
    assert len(numbers.targets) == swaps.MOST_INPUTS
    assert numbers.targets.numel() <= swaps.MOST_ELEMENTS
    assert numbers.targets.shape[1] > swaps.MOST_ELEMENTS / swaps.MOST_INPUTS / 2


@pytest.mark.parametrize(
    "loss",
    [
        functional.mse_loss(drawn(1, 5).requires_grad_(), drawn(1, 5)),
        functional.mse_loss(drawn(1)[0].requires_grad_(), drawn(1)[0]),
        functional.mse_loss(drawn(0, 5).requires_grad_(), drawn(0, 5)),
        functional.mse_loss(drawn(4, 5).requires_grad_(), torch.zeros(4, 5)),
        functional.mse_loss(drawn(4, 5).requires_grad_(), torch.full((4, 5), torch.nan)),
        drawn(4, 5).requires_grad_().square().mean(),
    ],
)
def test_without_two_inputs_of_different_targets_nothing_is_told(loss: Tensor) -> None:
    assert read(loss) == {}


def test_ignored_and_illegal_classes_are_left_out() -> None:
    shares = [[0.0, -5.0], [-5.0, 0.0], [0.0, -5.0], [-5.0, 0.0], [0.0, -5.0], [-5.0, 0.0]]
    assert swaps.of_classes(shares, [0, -100, 7, 1, 0, 1], 1) == [10.0]


def test_rows_of_one_input_count_as_one() -> None:
    shares = [[0.0, -5.0], [0.0, -1.0], [-5.0, 0.0], [0.0, -1.0]]
    assert swaps.of_classes(shares, [0, 1, 1, 0], 2) == [10.0]
