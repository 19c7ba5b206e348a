"""Do answers belong to their targets?  Asked of two inputs at a time: would each one's target suit the other as well?

The losses in use fall with the product of answer and target: ``-t x + f(x)`` is a logistic loss, and
``-2 t x + f(x) + g(t)`` a squared error; cross-entropy is ``-t x`` of the logarithms x and a one-hot t.  So a loss is
smaller as it is than with the targets of i and j swapped exactly where ``(x_i - x_j) . (t_i - t_j) > 0``.  Whatever is
known of targets as such, or of places in them, cancels out: a network that has learnt nothing of its inputs wins half
of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from dettui_probe import tags
from dettui_probe.capture.loss_graph import OF_NUMBERS, Head
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor

MOST_INPUTS: Final = 32
MOST_ELEMENTS: Final = 8192  # of all inputs


class Numbers(NamedTuple):
    """Answers and targets of some inputs, shape (n, m) each; copies."""

    answers: Tensor
    targets: Tensor


def numbers_of(heads: Iterable[Head]) -> Numbers | None:
    """What the first loss of numbers among *heads* compares; None where there is none of two inputs or more."""
    for head in heads:
        if head.name in OF_NUMBERS:
            answers, targets = head.node._saved_self, head.node._saved_target
            if answers.dim() and len(answers) > 1 and answers.shape == targets.shape and answers.numel():
                return Numbers(_thinned(answers), _thinned(targets))
    return None


def compared_with(heads: Iterable[Head]) -> list[Tensor]:
    """The targets of all losses of numbers among *heads*, whole."""
    return [head.node._saved_target for head in heads if head.name in OF_NUMBERS]


def _thinned(values: Tensor) -> Tensor:
    some = values.detach()[:: -(-len(values) // MOST_INPUTS)].flatten(1) if values.dim() > 1 else _column(values)
    every = -(-some.numel() // MOST_ELEMENTS)
    return some[:, :: every if every == 1 else every | 1].clone()  # odd: not one column of all lines of a picture


def _column(values: Tensor) -> Tensor:
    return values.detach()[:: -(-len(values) // MOST_INPUTS), None]


def reading(numbers: Numbers) -> Reading:
    """The pairs of *numbers*."""

    def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
        answers, targets = (values[: len(values) // 2 * 2].double() for values in arrived)
        apart = targets[::2] - targets[1::2]
        wins = ((answers[::2] - answers[1::2]) * apart).sum(dim=1)
        tell(sheet, wins[apart.abs().amax(dim=1) > 0].tolist())

    return Reading(list(numbers), decode)


def of_classes(log_shares: Sequence[Sequence[float]], targets: Sequence[int], of_input: int) -> list[float]:
    """How much more a cross-entropy would cost with swapped targets, of each pair of inputs whose targets differ.

    *of_input* rows of *log_shares* (n, K) and *targets* (n,) belong to one input.
    """
    classes = len(log_shares[0])
    costs = []
    for start in range(0, len(targets) - 2 * of_input + 1, 2 * of_input):
        here = range(start, start + of_input)
        pairs = [(i, i + of_input) for i in here if targets[i] != targets[i + of_input]]
        known = [(i, j) for i, j in pairs if 0 <= targets[i] < classes and 0 <= targets[j] < classes]
        if known:
            costs.append(sum(_cost(log_shares[i], log_shares[j], targets[i], targets[j]) for i, j in known))
    return costs


def _cost(mine: Sequence[float], yours: Sequence[float], my_target: int, your_target: int) -> float:
    return mine[my_target] - mine[your_target] + yours[your_target] - yours[my_target]


def tell(sheet: Sheet, costs: Sequence[float]) -> None:
    """Count the pairs whose own targets suit them better: those whose swap *costs* something."""
    told = [cost for cost in costs if not math.isnan(cost)]
    if told:
        wins = sum((cost > 0) + (cost == 0) / 2 for cost in told)
        sheet.values[tags.FIT_PAIRS] = sheet.values.get(tags.FIT_PAIRS, 0) + len(told)
        sheet.values[tags.FIT_PAIRS_OWN] = sheet.values.get(tags.FIT_PAIRS_OWN, 0) + wins
