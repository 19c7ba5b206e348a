"""What is in a batch: fingerprints of its inputs, so that what comes twice is known, and their statistics.

A fingerprint is taken of at most WIDTH elements of an input, so two inputs that differ in few elements may share one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.targets import find_images
from dettui_probe.capture.torchlib import Tensor, tensors_in, torch

CADENCE: Final = Cadence(full=32, every=4)
MOST_ROWS: Final = 32
WIDTH: Final = 128  # elements of an input
DESCRIBED: Final = 1024  # elements of a batch, for its statistics
MOST_KNOWN: Final = 65_536  # fingerprints that are kept; with more inputs than these, novelty is no longer told
MOST_EVAL_BATCHES: Final = 8  # between two steps


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

    def reading(self, taken: Tensor) -> Reading:
        """The inputs of a training step."""

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            rows = arrived[0].tolist()
            _describe(sheet, tags.BATCH, taken, rows)
            prints = _prints(rows)
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
            rows = arrived[0].tolist()
            _describe(sheet, tags.EVAL_BATCH, taken, rows)
            prints = _prints(rows)
            known = sum(mark in self._known for mark in prints)
            sheet.values[tags.EVAL_ROWS] = sheet.values.get(tags.EVAL_ROWS, 0) + len(prints)
            sheet.values[tags.EVAL_ROWS_TRAINED] = sheet.values.get(tags.EVAL_ROWS_TRAINED, 0) + known

        return Reading([taken], decode)


def _prints(rows: Sequence[Sequence[float]]) -> list[int]:
    """A fingerprint of each row.  In plain Python: many small tensor operations would each wait for the interpreter."""
    return [hash(tuple(row)) for row in rows]


def _describe(sheet: Sheet, prefix: str, taken: Tensor, rows: Sequence[Sequence[float]]) -> None:
    """Statistics of inputs that are real numbers; ids of tokens have none worth telling."""
    if not taken.is_floating_point() and taken.dtype != torch.uint8:
        return
    values = [value for row in rows for value in row]
    values = values[:: -(-len(values) // DESCRIBED) | 1]  # odd: not one column of all rows
    mean = sum(values) / len(values)
    if not math.isfinite(mean):
        return
    deviation = math.sqrt(sum([(value - mean) ** 2 for value in values]) / len(values))
    measured = {"mean": mean, "std": deviation, "min": min(values), "max": max(values)}
    sheet.values.update({prefix + name: value for name, value in measured.items()})
