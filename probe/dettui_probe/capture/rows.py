"""What is in a batch: fingerprints of its inputs, so that what comes twice is known, and their statistics.

A fingerprint is taken of at most WIDTH elements of an input, so two inputs that differ in few elements may share one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.targets import find_images
from dettui_probe.capture.torchlib import Tensor, tensors_in, torch

CADENCE: Final = Cadence(full=32, every=4)
MOST_ROWS: Final = 32
WIDTH: Final = 256  # elements of an input
MOST_KNOWN: Final = 65_536  # fingerprints that are kept; with more inputs than these, novelty is no longer told
MOST_EVAL_BATCHES: Final = 8  # between two steps
_PRIME: Final = 0x9E3779B97F4A7C15 - (1 << 64)  # an odd 64-bit multiplier, as torch's signed integers hold it


def sample(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """A copy of some elements of the inputs among the arguments of a model, shape (n, m)."""
    values = [*args, *kwargs.values()]
    first = next(tensors_in(values), None)
    if first is None:
        return None
    if first.dim() < 2 or (first.dim() == 3 and isinstance(args[0] if args else None, list | tuple)):
        return _of_list(find_images(values))
    return _thinned(first.detach()[:MOST_ROWS])


def _of_list(images: Sequence[Tensor] | None) -> Tensor | None:
    """The same of a list of images of different sizes: each gives as many elements as the one with the fewest."""
    if not images:
        return None
    rows = [image.detach().reshape(-1)[:: -(-image.numel() // WIDTH) or 1] for image in images[:MOST_ROWS]]
    least = min(len(row) for row in rows)
    return torch.stack([row[:least] for row in rows]) if least else None


def _thinned(rows: Tensor) -> Tensor | None:
    """At most about WIDTH elements of each row of *rows*, wherever they lie in memory, shape (n, m); a copy."""
    if not rows.numel():
        return None
    elements = rows.numel() // len(rows)
    if rows.dim() == 2:
        return rows[:, :: -(-elements // WIDTH)].clone()
    side = max(1, round((elements / WIDTH) ** 0.5))
    return rows[..., ::side, ::side].reshape(len(rows), -1).clone()


class Rows:
    """Knows the inputs met so far; used on the writer thread."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._batches: dict[int, int] = {}
        self._multipliers: Tensor | None = None

    def reading(self, taken: Tensor) -> Reading:
        """The inputs of a training step."""

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            rows = arrived[0]
            _describe(sheet, tags.BATCH, rows)
            prints = self._prints(rows)
            self._tell_batch(sheet, prints)
            if len(self._known) < MOST_KNOWN:
                fresh = {mark for mark in prints if mark not in self._known}
                sheet.values[tags.ROWS] = len(prints)
                sheet.values[tags.ROWS_NEW] = len(fresh)
                self._known |= fresh

        return Reading([taken], decode)

    def _tell_batch(self, sheet: Sheet, prints: Sequence[int]) -> None:
        whole = hash(tuple(prints))
        earlier = self._batches.get(whole)
        sheet.values[tags.BATCH_LAG] = 0 if earlier is None else sheet.step - earlier
        if earlier is not None or len(self._batches) < MOST_KNOWN:
            self._batches[whole] = sheet.step

    def eval_reading(self, taken: Tensor) -> Reading:
        """The inputs of a forward pass of an evaluation."""

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            rows = arrived[0]
            _describe(sheet, tags.EVAL_BATCH, rows)
            prints = self._prints(rows)
            known = sum(mark in self._known for mark in prints)
            sheet.values[tags.EVAL_ROWS] = sheet.values.get(tags.EVAL_ROWS, 0) + len(prints)
            sheet.values[tags.EVAL_ROWS_TRAINED] = sheet.values.get(tags.EVAL_ROWS_TRAINED, 0) + known

        return Reading([taken], decode)

    def _prints(self, rows: Tensor) -> list[int]:
        """A fingerprint of each row: a sum of products that wraps around, over the bits of its elements."""
        bits = rows.float().contiguous().view(torch.int32).long() if rows.is_floating_point() else rows.long()
        if self._multipliers is None or len(self._multipliers) != bits.shape[1]:
            powers = torch.full((bits.shape[1],), _PRIME, dtype=torch.int64).cumprod(0)
            self._multipliers = powers ^ (powers >> 31)
        mixed = bits * self._multipliers
        return (mixed ^ (mixed >> 29)).sum(dim=1).tolist()


def _describe(sheet: Sheet, prefix: str, rows: Tensor) -> None:
    """Statistics of inputs that are real numbers; ids of tokens have none worth telling."""
    if not rows.is_floating_point() and rows.dtype != torch.uint8:
        return
    values = rows.float()
    if not bool(torch.isfinite(values.sum())):
        return
    std, mean = torch.std_mean(values, correction=0)
    low, high = values.aminmax()
    measured = {"mean": mean, "std": std, "min": low, "max": high}
    sheet.values.update({prefix + name: float(value) for name, value in measured.items()})
