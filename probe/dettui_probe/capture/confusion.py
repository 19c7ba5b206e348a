"""Which classes an evaluation asks for, and which are answered instead.

A network answers a class by the name that training gave it.  Where an evaluation numbers its classes in another order,
inputs of one class are all answered as another one, whose own inputs are not answered so.  A network that mixes up two
classes, however badly, answers at least one of them by its own name.

What is heard is what the loss of an evaluation is given; sums of it are kept where they are made, so that nothing waits
for a device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, torch

MOST_CLASSES: Final = 128
MOST_ROWS: Final = 4096  # of a pass
LEAST: Final = 8  # inputs of a class, and of the one that is answered instead
ALIKE: Final = 0.35  # correlation of a class that is asked for and one that is answered
SURELY: Final = 5.0  # standard errors of that correlation where they have nothing to do with each other
UNLIKE: Final = 0.4  # of that, at most, of either class with its own name


class Confusion:
    """Adds up the passes of an evaluation."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None  # (K + 1, K + 1): asked for and answered, the last for any class at all

    def add(self, kernel: str, args: Sequence[object]) -> None:
        """What *kernel*, the function that a loss ends in, was given: scores and targets.  Nothing of what is neither
        a class nor a set of classes for each input."""
        if len(args) < 2 or not isinstance(args[0], Tensor) or not isinstance(args[1], Tensor):
            return
        tables = _tables(kernel, args[0].detach(), args[1].detach())
        if tables is None:
            return
        asked, answered = tables
        sums = asked.T @ answered
        if self._sums is None or self._sums.shape != sums.shape:
            self._sums = sums
        else:
            self._sums = self._sums + sums

    def reading(self) -> Reading | None:
        """How many classes there are to judge, and how many have changed their names."""
        if self._sums is None:
            return None

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            tell(sheet, arrived[0])

        return Reading([self._sums], decode)


def tell(sheet: Sheet, sums: Tensor) -> None:
    """What the *sums* over an evaluation come to."""
    sheet.values[tags.EVAL_CLASSES] = int((sums[:-1, -1] >= LEAST).sum())
    names = renamed(sums)
    sheet.values[tags.EVAL_RENAMED] = len(names)
    if names:
        text = ", ".join(f"{asked} as {answered}" for asked, answered in list(names.items())[:8])
        sheet.tell("renamed_classes", f"inputs of an evaluation are answered by other names: {text}")


def renamed(sums: Tensor) -> Mapping[int, int]:
    """The classes that are answered as another one, and that one; *sums* (K + 1, K + 1)."""
    likeness = _correlations(sums)
    alike = max(ALIKE, SURELY / max(float(sums[-1, -1]), 1.0) ** 0.5)
    common, own = sums[:-1, -1] >= LEAST, likeness.diagonal()
    most, best = likeness.max(dim=1)
    classes, asker = torch.arange(len(best)), likeness.argmax(dim=0)
    is_renamed = (best != classes) & (asker[best] == classes) & common & common[best]
    is_renamed &= (most >= alike) & (torch.maximum(own, own[best]) < UNLIKE * most)
    return {int(k): int(best[k]) for k in is_renamed.nonzero()[:, 0]}


def _correlations(sums: Tensor) -> Tensor:
    """Of each class asked for with each class answered, (K, K); 0 where one of them is as good as constant."""
    sums = sums.double()
    both, asked, answered, rows = sums[:-1, :-1], sums[:-1, -1:], sums[-1:, :-1], sums[-1, -1]
    spread = (asked * (rows - asked) * answered * (rows - answered)).clamp(min=0).sqrt()
    return torch.where(spread > 0, (rows * both - asked * answered) / spread.clamp(min=1e-12), 0.0)


def _tables(kernel: str, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor] | None:
    """For each input (n, K + 1) the classes that it has, and those that it is answered to have; 1 in the last column
    of inputs that count."""
    if scores.dim() < 2 or not 2 <= scores.shape[1] <= MOST_CLASSES or not scores.is_floating_point():
        return None
    if not targets.is_floating_point():
        return _of_one_class(scores, targets) if targets.shape == (len(scores), *scores.shape[2:]) else None
    if scores.dim() > 2 or targets.shape != scores.shape or not kernel.startswith("binary_cross_entropy"):
        return None
    rows = slice(None, None, -(-len(scores) // MOST_ROWS) or 1)
    has, says = targets[rows] > 0.5, scores[rows] > (0.0 if kernel.endswith("logits") else 0.5)
    return _with_count(has, says, torch.ones_like(has[:, :1]))


def _of_one_class(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    named, wanted = _sampled(scores, targets)
    classes = torch.arange(scores.shape[1], device=scores.device)
    has = wanted[:, None] == classes
    counts = has.any(dim=1, keepdim=True)  # not where a class is not asked for
    return _with_count(has, (named[:, None] == classes) & counts, counts)


def _with_count(has: Tensor, says: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """In double precision, which autocast leaves alone: in half of it, sums of hundreds are no longer exact."""
    exact = torch.float32 if has.device.type == "mps" else torch.float64
    return torch.cat([has, counts], dim=1).to(exact), torch.cat([says, counts], dim=1).to(exact)


def _sampled(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest classes and the *targets* of some inputs, or of a grid of places on each, (n,) both."""
    axes = max(targets.dim() - 1, 1)
    step = max(1, math.ceil((targets.numel() / MOST_ROWS) ** (1 / axes)))
    if targets.dim() == 1:
        return scores[::step].argmax(dim=1), targets[::step]
    grid = (slice(None), *[slice(None, None, step)] * axes)
    named = scores.movedim(1, -1)[grid].argmax(dim=-1)
    return named.reshape(-1), targets[grid].reshape(-1)
