"""How often each class occurs in the targets."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final, NamedTuple

from dettui_probe import wire
from dettui_probe.capture.order import ClassOrder
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.torchlib import Tensor, torch

SEND_EVERY_S: Final = 1.0
MAX_CLASSES: Final = 10_000  # above it (a language model's vocabulary) class counts tell nothing and cost much
_NODES_SEARCHED: Final = 16


class ClassLabels(NamedTuple):
    """The targets of a softmax cross-entropy."""

    labels: Tensor  # (n,), a copy
    num_classes: int
    ignored: int  # the id that stands for "no target"


def labels_of_cross_entropy(loss: Tensor) -> ClassLabels | None:
    """The targets behind *loss*, read off its graph before backward frees it; None where it is no cross-entropy.

    ``F.cross_entropy``, ``nn.CrossEntropyLoss`` and ``F.nll_loss`` all end in one node that keeps its targets, so
    nothing has to be patched, however the script imported them.
    """
    nodes: deque[Any] = deque([loss.grad_fn])
    for _ in range(_NODES_SEARCHED):
        if not nodes:
            return None
        node = nodes.popleft()
        if node is None:
            continue
        if node.name() == "NllLossBackward0":
            return _saved(node)
        nodes.extend(following for following, _ in node.next_functions)
    return None


def _saved(node: Any) -> ClassLabels | None:
    target, scores = node._saved_target, node._saved_self
    if target.dim() != 1 or scores.shape[1] > MAX_CLASSES:
        return None
    return ClassLabels(target.detach().clone(), scores.shape[1], signed_index(node._saved_ignore_index))


def signed_index(index: int) -> int:
    """The class id that is left out; torch hands out a negative one as its two's complement."""
    return index - 2**64 if index >= 2**63 else index


class ClassCounts:
    """Adds labels up on the writer thread and sends the sums about once a second."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._sent_at = float("-inf")
        self._order = ClassOrder()

    def add(self, labels: Tensor, sheet: Sheet) -> None:
        """Count *labels* of one step."""
        ids, counts = torch.unique(labels.to(torch.int64), return_counts=True)
        batch = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        self._order.see(batch, sheet)
        for class_id, count in batch.items():
            self._counts[class_id] = self._counts.get(class_id, 0) + count
        if time.monotonic() - self._sent_at >= SEND_EVERY_S:
            self.flush(sheet)

    def flush(self, sheet: Sheet) -> None:
        """Send what has been counted since the last message."""
        if self._counts:
            ids = sorted(self._counts)
            counts = [self._counts[class_id] for class_id in ids]
            sheet.messages.append(wire.Counts(sheet.step, sheet.time, "targets", ids, counts))
        self._counts = {}
        self._sent_at = time.monotonic()
