"""How the model's answers fit: read off the loss before backward frees it, and off the model's output."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from dettui_probe import tags, wire
from dettui_probe.capture import swaps
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.classes import signed_index
from dettui_probe.capture.loss_graph import Head
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, as_mapping, tensors_in

CADENCE: Final = Cadence(full=16, every=4)
MOST_ANSWERS: Final = 64
MOST_ELEMENTS: Final = 16_384
OUTPUT_ROWS: Final = 16
OUTPUT_COLUMNS: Final = 64
SEND_EVERY_S: Final = 1.0
_LOG_LITTLE: Final = math.log(0.1)  # of the target
_LOG_MUCH: Final = math.log(0.8)  # of another class


class Answers(NamedTuple):
    """Some rows of a log-softmax with their targets."""

    log_shares: Tensor  # (n, K), a copy
    targets: Tensor  # (n,), a copy
    ignored: int
    of_input: int = 1  # rows of one input, which stand together


def answers_of(heads: Sequence[Head]) -> Answers | None:
    """The answers behind a loss of *heads*; None where it is no cross-entropy."""
    for head in heads:
        if head.name == "NllLossBackward0" and head.node._saved_target.dim() == 1:
            return _sampled(head.node._saved_self, head.node._saved_target, signed_index(head.node._saved_ignore_index))
        if head.name == "NllLoss2DBackward0":
            return _sampled_pixels(
                head.node._saved_self, head.node._saved_target, signed_index(head.node._saved_ignore_index)
            )
    return None


def _sampled(log_shares: Tensor, targets: Tensor, ignored: int) -> Answers | None:
    rows, classes = log_shares.shape
    most = min(MOST_ANSWERS, MOST_ELEMENTS // max(classes, 1))
    if not rows or not most:
        return None
    stride = -(-rows // most)
    return Answers(log_shares.detach()[::stride].clone(), targets.detach()[::stride].clone(), ignored)


def _sampled_pixels(log_shares: Tensor, targets: Tensor, ignored: int) -> Answers | None:
    """The same of a map of (N, K, H, W): a few pixels of every image."""
    count, classes, height, width = log_shares.shape
    if not count or classes * MOST_ANSWERS > MOST_ELEMENTS:
        return None
    side = max(1, round((MOST_ANSWERS / min(count, MOST_ANSWERS)) ** 0.5))
    down, across = max(1, height // side), max(1, width // side)
    images = slice(None, None, -(-count // MOST_ANSWERS))
    taken = log_shares.detach()[images, :, down // 2 :: down, across // 2 :: across]
    wanted = targets.detach()[images, down // 2 :: down, across // 2 :: across]
    rows, targets = taken.movedim(1, -1).reshape(-1, classes).clone(), wanted.reshape(-1).clone()
    return Answers(rows, targets, ignored, wanted[0].numel())


class _Answer(NamedTuple):
    """One row of them, in plain Python: many small tensor operations would each have to wait for the interpreter."""

    own: float  # logarithm of the share that the target was given
    most: float  # of the greatest share
    named: int  # the class that was given it
    is_right: bool

    @property
    def contradicts(self) -> bool:
        """Sure of another class."""
        return self.own < _LOG_LITTLE and self.most > _LOG_MUCH


def _answer(log_shares: Sequence[float], target: int) -> _Answer:
    most = max(log_shares)
    named = log_shares.index(most) if not math.isnan(most) else 0
    own = log_shares[target] if 0 <= target < len(log_shares) else -math.inf
    return _Answer(own, most, named, named == target)


class Fit:
    """Judges answers on the writer thread, and counts which classes are named."""

    def __init__(self) -> None:
        self._named: Counter[int] = Counter()
        self._sent_at = float("-inf")

    def reading(self, answers: Answers) -> Reading:
        """What *answers* tell."""

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            shares, targets = arrived[0].tolist(), arrived[1].tolist()
            swaps.tell(sheet, swaps.of_classes(shares, targets, answers.of_input))
            pairs = zip(shares, targets, strict=True)
            counted = [_answer(share, target) for share, target in pairs if target != answers.ignored]
            if counted:
                self._judge(sheet, counted)

        return Reading([answers.log_shares, answers.targets], decode)

    def _judge(self, sheet: Sheet, answers: Sequence[_Answer]) -> None:
        named = Counter(answer.named for answer in answers)
        count = len(answers)
        sheet.values[tags.FIT_ACCURACY] = sum(answer.is_right for answer in answers) / count
        sheet.values[tags.FIT_LOSS_MEDIAN] = -statistics.median(answer.own for answer in answers)
        sheet.values[tags.FIT_LOSS_MEAN] = -sum(answer.own for answer in answers) / count
        sheet.values[tags.FIT_WRONG] = sum(answer.contradicts for answer in answers) / count
        sheet.values[tags.FIT_TOP_SHARE] = max(named.values()) / count
        self._named.update(named)
        if time.monotonic() - self._sent_at >= SEND_EVERY_S:
            self.flush(sheet)

    def flush(self, sheet: Sheet) -> None:
        """Send how often each class was named since the last message."""
        if self._named:
            ids = sorted(self._named)
            counts = [self._named[class_id] for class_id in ids]
            sheet.messages.append(wire.Counts(sheet.step, sheet.time, "predictions", ids, counts))
        self._named.clear()
        self._sent_at = time.monotonic()


def output_sample(output: object) -> Tensor | None:
    """Some rows of the first tensor in *output*, shape (n, m), a copy; None where it holds no batch of vectors."""
    mapping = as_mapping(output)
    values = [output] if mapping is None else list(mapping.values())
    first = next((value for value in tensors_in(values if mapping is not None else _opened(output))), None)
    if first is None or first.dim() < 2 or first.shape[0] < 4 or not first.is_floating_point():
        return None
    rows = first.detach()[:OUTPUT_ROWS].flatten(1)
    return rows[:, :: -(-rows.shape[1] // OUTPUT_COLUMNS) or 1].clone() if rows.shape[1] else None


def _opened(output: object) -> Sequence[object]:
    return list(output) if isinstance(output, list | tuple) else [output]


def output_reading(sample: Tensor) -> Reading:
    """How much the output differs from one input to the next."""

    def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
        rows: list[list[float]] = arrived[0].tolist()
        count, width = len(rows), len(rows[0])
        squares = sum(value * value for row in rows for value in row)
        common = sum(sum(column) ** 2 for column in zip(*rows, strict=True)) / count
        if squares > 0 and math.isfinite(squares):
            spread = max(squares - common, 0.0) / (count * width)
            sheet.values[tags.FIT_SPREAD] = math.sqrt(spread / (squares / (count * width)))

    return Reading([sample], decode)
