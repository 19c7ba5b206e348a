"""What is in a batch: fingerprints of its inputs, so that what comes twice is known, and their statistics.

A fingerprint is taken of at most WIDTH elements of an input, so two inputs that differ in few elements may share one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

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
FIRST_EVAL_BATCHES: Final = 8  # between two steps, that are all looked at
EVAL_SPACING: Final = 1.15  # from one that is looked at to the next after these: of 100 batches one of the last 13 is
MOST_LINED: Final = 4  # inputs of which a line is taken
LEAST_LINE: Final = 8  # elements
LEAST_TOKENS: Final = 4  # of a row, before it is news that all of them are equal
MOST_BESIDE: Final = 3  # further tensors that a model is given with its inputs
BESIDE: Final = 64  # elements of each
OWN: Final = 0.75  # share of different rows in a batch below which rows of two values tell no input from another
PLAIN: Final = 8  # rows that tell whether all are of two values
LOADED: Final = 2  # numbers of inputs that the batches of a loader have: the last one of an epoch may be shorter


class Sample(NamedTuple):
    """Copies of some elements of the inputs of a model."""

    rows: Tensor  # (n, m), from all over each input
    lines: Tensor | None  # (k, l), neighbours along the last dimension; None for tokens and for short inputs
    beside: Tensor | None = None  # (b,) of further tensors, such as the edges of a graph; None where there are none
    given: int = 0  # rows before the sampling
    elements: float = 0.0  # of each of them, on average

    @property
    def tensors(self) -> list[Tensor]:
        """All that is to be carried to the writer thread."""
        return [tensor for tensor in (self.rows, self.lines, self.beside) if tensor is not None]

    def arrived(self, tensors: Sequence[Tensor]) -> Sample:
        """The same, of ``tensors`` on the writer thread."""
        rest = iter(tensors)
        rows, lines, beside = (None if own is None else next(rest) for own in (self.rows, self.lines, self.beside))
        assert rows is not None
        return self._replace(rows=rows, lines=lines, beside=beside)


def sample(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sample | None:
    """A sample of the inputs among the arguments of a model.  None of those by which the loss is differentiated, such
    as the places at which a physical law is asked for: they are chosen, and no data."""
    values = [*args, *kwargs.values()]
    first = next(tensors_in(values), None)
    if first is None or first.requires_grad:
        return None
    if first.dim() < 2 or (first.dim() == 3 and isinstance(args[0] if args else None, list | tuple)):
        images = find_images(values)
        rows = _of_list(images)
        return None if rows is None or images is None else _sample(rows, _lines(images), None, images)
    rows = _thinned(first.detach()[:MOST_ROWS])
    return None if rows is None else _sample(rows, _lines(first), _beside(values, first), first)


def _sample(rows: Tensor, lines: Tensor | None, beside: Tensor | None, inputs: Sequence[Tensor] | Tensor) -> Sample:
    elements = inputs.numel() if isinstance(inputs, Tensor) else sum(one.numel() for one in inputs)
    return Sample(rows, lines, beside, len(inputs), elements / len(inputs))


def count(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many inputs there are among the arguments of a model; 0 where there are none."""
    values = [*args, *kwargs.values()]
    first = next(tensors_in(values), None)
    if first is None:
        return 0
    if first.dim() < 2 or (first.dim() == 3 and isinstance(args[0] if args else None, list | tuple)):
        return len(find_images(values) or ())
    return len(first)


def sums(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The sum of every input among the arguments of a model, shape () each: not finite where one element is not."""
    values = [*args, *kwargs.values()]
    first = next(tensors_in(values), None)
    if first is None or not first.is_floating_point():
        return []
    is_list = first.dim() == 3 and isinstance(args[0] if args else None, list | tuple)
    inputs: Sequence[Tensor] = (find_images(values) or [first]) if is_list else [first]
    return [one.detach().sum(dtype=torch.float32) for one in inputs]


def finite_reading(taken: Sequence[Tensor]) -> Reading:
    """Whether the inputs of the step hold a NaN or an infinity."""

    def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
        sheet.values[tags.BATCH_NONFINITE] = sum(not math.isfinite(float(one)) for one in arrived)

    return Reading(taken, decode)


def _beside(values: Sequence[object], first: Tensor) -> Tensor | None:
    """Some elements of what a model is given beside its *first* tensor, on the same device."""
    others = [v for v in values if isinstance(v, Tensor) and v is not first and v.dim() and v.device == first.device]
    chosen = [other.detach() for other in others[:MOST_BESIDE]]
    taken = [_thinned(other[:MOST_ROWS] if other.dim() > 1 else other[None]) for other in chosen]
    flat = [rows.reshape(-1) for rows in taken if rows is not None]
    return torch.cat([row[:: -(-len(row) // BESIDE)].float() for row in flat]) if flat else None


def _lines(inputs: Sequence[Tensor] | Tensor) -> Tensor | None:
    """A stretch from the middle line of each of the first *inputs*, all of one length."""
    chosen = [inputs[i].detach() for i in range(min(len(inputs), MOST_LINED))]
    length = min(WIDTH, *(one.shape[-1] if one.dim() else 0 for one in chosen))
    if length < LEAST_LINE or not _is_real(chosen[0]):
        return None
    return torch.stack([_middle(one, length) for one in chosen])


def _middle(one: Tensor, length: int) -> Tensor:
    while one.dim() > 1:
        one = one[len(one) // 2]
    start = (len(one) - length) // 2
    return one[start : start + length]


def _is_real(tensor: Tensor) -> bool:
    """False for ids of tokens, whose sizes mean nothing."""
    return tensor.is_floating_point() or tensor.dtype == torch.uint8


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


class EvalBatches:
    """Picks batches of an evaluation, ever more seldom, so that its end is seen however long it is: some scripts go
    through what they trained on first."""

    def __init__(self) -> None:
        self._count = self._picked = 0

    def picks(self) -> bool:
        """Whether to look at the one that comes."""
        self._count += 1
        if self._count > FIRST_EVAL_BATCHES and self._count < EVAL_SPACING * self._picked:
            return False
        self._picked = self._count
        return True

    def restart(self) -> None:
        """A step of training came between."""
        self._count = self._picked = 0


class Rows:
    """Knows the inputs met so far; used on the writer thread.

    Rows that are no inputs get no fingerprints: nodes of graphs, where some are alike and each batch has another number
    of them, and whatever holds a number or two and is met over and over within a batch.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._batches: dict[int, int] = {}
        self._given: set[int] = set()  # numbers of rows that batches had
        self._has_twins = False  # rows of one batch were alike

    def reading(self, taken: Sample) -> Reading:
        """The inputs of a training step."""

        def decode(tensors: Sequence[Tensor], sheet: Sheet) -> None:
            arrived = taken.arrived(tensors)
            rows = arrived.rows.tolist()
            _describe(sheet, tags.BATCH, arrived, rows)
            prints = _prints(rows)
            self._given.add(taken.given)
            self._has_twins = self._has_twins or len(set(prints)) < len(prints)
            if not self._are_inputs(rows, prints):
                return
            self._tell_batch(sheet, prints, arrived.beside)
            if len(self._known) < MOST_KNOWN:
                fresh = {mark for mark in prints if mark not in self._known}
                sheet.values[tags.ROWS] = len(prints)
                sheet.values[tags.ROWS_NEW] = len(fresh)
                self._known |= fresh

        return Reading(taken.tensors, decode)

    def _are_inputs(self, rows: Sequence[Sequence[float]], prints: Sequence[int]) -> bool:
        if self._has_twins and len(self._given) > LOADED:
            return False
        return len(set(prints)) >= OWN * len(prints) or max(len(set(row)) for row in rows[:PLAIN]) > 2

    def _tell_batch(self, sheet: Sheet, prints: Sequence[int], beside: Tensor | None) -> None:
        whole = hash((tuple(prints), () if beside is None else tuple(beside.tolist())))
        earlier = self._batches.get(whole)
        sheet.values[tags.BATCH_LAG] = 0 if earlier is None else sheet.step - earlier
        if earlier is not None or len(self._batches) < MOST_KNOWN:
            self._batches[whole] = sheet.step

    def eval_reading(self, taken: Sample) -> Reading:
        """The inputs of a forward pass of an evaluation."""

        def decode(tensors: Sequence[Tensor], sheet: Sheet) -> None:
            arrived = taken.arrived(tensors)
            rows = arrived.rows.tolist()
            _describe(sheet, tags.EVAL_BATCH, arrived, rows)
            prints = _prints(rows)
            if not self._are_inputs(rows, prints):
                return
            known = sum(mark in self._known for mark in prints)
            is_new = float(2 * known < len(prints))
            sheet.values[tags.EVAL_BATCHES_NEW] = sheet.values.get(tags.EVAL_BATCHES_NEW, 0) + is_new
            sheet.values[tags.EVAL_ROWS] = sheet.values.get(tags.EVAL_ROWS, 0) + len(prints)
            sheet.values[tags.EVAL_ROWS_TRAINED] = sheet.values.get(tags.EVAL_ROWS_TRAINED, 0) + known

        return Reading(taken.tensors, decode)


def _prints(rows: Sequence[Sequence[float]]) -> list[int]:
    """A fingerprint of each row.  In plain Python: many small tensor operations would each wait for the interpreter."""
    return [hash(tuple(row)) for row in rows]


def _describe(sheet: Sheet, prefix: str, arrived: Sample, rows: Sequence[Sequence[float]]) -> None:
    """Statistics of inputs that are real numbers; of ids of tokens, only how many rows hold but one.  Nothing of what
    is the same everywhere and has other tensors beside it, as a graph whose edges tell all there is."""
    if not _is_real(arrived.rows):
        sheet.values[prefix + "constant_rows"] = sum(map(_repeats_one_token, rows)) / len(rows)
        return
    values = [value for row in rows for value in row]
    values = values[:: -(-len(values) // DESCRIBED) | 1]  # odd: not one column of all rows
    mean = sum(values) / len(values)
    if not math.isfinite(mean):
        return
    deviation = math.sqrt(sum([(value - mean) ** 2 for value in values]) / len(values))
    if deviation == 0 and arrived.beside is not None:
        return
    measured = {"mean": mean, "std": deviation, "min": min(values), "max": max(values)}
    measured["constant_rows"] = sum(min(row) == max(row) for row in rows) / len(rows)
    rough = None if arrived.lines is None else roughness(arrived.lines.tolist())
    if rough is not None:
        measured["roughness"] = rough
    sheet.values.update({prefix + name: value for name, value in measured.items()})


def _repeats_one_token(row: Sequence[float]) -> bool:
    """Whether all ids of *row* are equal, padding in front of them or behind them aside."""
    return len(row) >= LEAST_TOKENS and sum(a != b for a, b in pairwise(row)) <= 1


def roughness(lines: Sequence[Sequence[float]]) -> float | None:
    """Half the mean square difference of neighbours over the variance within the lines, von Neumann's ratio halved.

    1 for white noise, near 0 for smooth pictures, whatever their brightness and contrast: only noise, blur and the
    like change it.  None where the lines are flat or not finite.
    """
    steps = spread = 0.0
    for line in lines:
        mean = sum(line) / len(line)
        spread += sum([(value - mean) ** 2 for value in line]) / len(line)
        steps += sum([(b - a) ** 2 for a, b in pairwise(line)]) / (2 * (len(line) - 1))
    return steps / spread if spread > 0 and math.isfinite(steps) else None
