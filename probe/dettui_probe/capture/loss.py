"""The loss: what backward was called on, and the terms that the model, or its loss, returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, as_mapping, fresh_vector, is_scalar


def terms_in(output: object) -> dict[str, Tensor]:
    """The loss terms among what a model or a loss returned, by name: the scalars of a dict, of the dict inside it
    (``outputs.loss_dict`` of a HuggingFace detector), or of the one beside the total (``loss, items``).

    Where some of them can be propagated back, the others only tell of the training: class_error, cardinality_error.
    """
    terms = as_mapping(output)
    if terms is None and isinstance(output, list | tuple):
        terms = next((found for value in output if (found := as_mapping(value)) is not None), None)
    inner = next((found for value in (terms or {}).values() if (found := _scalars(value))), {})
    found = inner or _scalars(terms)
    trained = {name: value for name, value in found.items() if value.requires_grad}
    return trained or found


def _scalars(value: object) -> dict[str, Tensor]:
    return {str(name): entry for name, entry in (as_mapping(value) or {}).items() if is_scalar(entry)}


class LossTerms:
    """The terms that come with a forward pass in training, averaged over the micro-batches of a step."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._vectors: list[Tensor] = []

    def take(self, output: object) -> None:
        """Note the terms in the *output* of a forward pass, or of the loss behind it; nothing where it has none."""
        scalars = terms_in(output)
        if not scalars:
            return
        if tuple(scalars) != self._names:
            self._names, self._vectors = tuple(scalars), []
        self._vectors.append(fresh_vector(list(scalars.values())))

    def close_step(self) -> Reading | None:
        """The terms since the last step."""
        vectors, self._vectors = self._vectors, []
        names = self._names

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sums = [sum(column) for column in zip(*(vector.tolist() for vector in arrived), strict=True)]
            sheet.values.update(
                {tags.LOSS + name: total / len(arrived) for name, total in zip(names, sums, strict=True)}
            )

        return Reading(vectors, decode) if vectors else None


class TotalLoss:
    """The scalar on which backward is called, undone from the AMP scale and from ``loss / accumulation_steps``."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._forwards: list[int] = []
        self._divisors: list[Tensor | None] = []

    def take(self, losses: Sequence[Tensor], forward: int) -> None:
        """Note *losses* (unscaled) of a backward pass that belongs to the *forward*-th forward pass of the step."""
        scalars = [loss for loss in losses if is_scalar(loss)]
        if not scalars:
            return
        self._losses.append(fresh_vector(scalars).sum())
        self._forwards.append(forward)
        self._divisors.append(constant_divisor(scalars[0]))

    def close_step(self) -> Reading | None:
        """The loss of the step: the mean over its forward passes of what was back-propagated for each."""
        losses, forwards, divisors = self._losses, self._forwards, self._divisors
        self._losses, self._forwards, self._divisors = [], [], []

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            per_forward = dict.fromkeys(forwards, 0.0)
            for forward, loss in zip(forwards, arrived, strict=True):
                per_forward[forward] += float(loss)
            mean = sum(per_forward.values()) / len(per_forward)
            sheet.values[tags.LOSS_TOTAL] = mean * accumulation(divisors, len(per_forward))

        return Reading(losses, decode) if losses else None


def constant_divisor(loss: Tensor) -> Tensor | None:
    """The 0-dim CPU tensor k where *loss* was made as ``something / k`` with a plain number k."""
    node: Any = loss.grad_fn
    if node is None or node.name() != "DivBackward0" or node.next_functions[1][0] is not None:
        return None
    divisor = node._saved_other
    return divisor if isinstance(divisor, Tensor) and divisor.device.type == "cpu" and divisor.dim() == 0 else None


def accumulation(divisors: Sequence[Tensor | None], forwards: int) -> float:
    """The divisor that the script used to average over the micro-batches of a step; 1 where it did not."""
    known = {float(divisor) for divisor in divisors if divisor is not None}
    if forwards == 1 or len(known) != 1 or None in divisors:
        return 1.0
    (divisor,) = known
    return divisor if divisor >= forwards and divisor.is_integer() else 1.0
