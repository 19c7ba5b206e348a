"""Which parameters train, and whether an optimizer holds them."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from dettui_probe import tags
from dettui_probe.capture.torchlib import Optimizer, Tensor, nn


class Coverage(NamedTuple):
    """Elements are counted, not tensors, unless the name says so."""

    parameters: int
    trainable: int
    held: int  # trainable elements that an optimizer holds
    missing: tuple[str, ...]  # trainable tensors that no optimizer holds
    strangers: int | None  # tensors that an optimizer holds and the model does not have; None: not judged

    def values(self) -> dict[str, float]:
        """As values of a row."""
        judged = {} if self.strangers is None else {tags.STRANGER_PARAMS: float(self.strangers)}
        return {
            tags.MISSING_PARAMS: len(self.missing),
            **judged,
            tags.FROZEN_SHARE: 1 - self.trainable / self.parameters if self.parameters else 0.0,
            tags.TRAINABLE_HELD_SHARE: self.held / self.trainable if self.trainable else 0.0,
        }


def params_of(optimizers: Iterable[Optimizer]) -> list[Tensor]:
    """Every tensor that *optimizers* hold."""
    return [param for optimizer in optimizers for group in optimizer.param_groups for param in group["params"]]


def audit(model: nn.Module, optimizers: Sequence[Optimizer]) -> Coverage:
    """Compare the parameters of *model* with what *optimizers* hold.  Walks the whole model: for now and then."""
    held = params_of(optimizers)
    held_ids = {id(param) for param in held}
    named = list(model.named_parameters())
    own_ids = {id(param) for _, param in named}
    trainable = [(name, param) for name, param in named if param.requires_grad]
    return Coverage(
        parameters=sum(param.numel() for _, param in named),
        trainable=sum(param.numel() for _, param in trainable),
        held=sum(param.numel() for _, param in trainable if id(param) in held_ids),
        missing=tuple(name for name, param in trainable if id(param) not in held_ids),
        strangers=sum(id(param) not in own_ids for param in held),
    )


def dropout_rate(model: nn.Module) -> dict[str, float]:
    """The greatest rate of the dropout layers of *model*, as a value of a row; empty where it has none."""
    rates = [float(layer.p) for layer in model.modules() if isinstance(layer, nn.modules.dropout._DropoutNd)]
    return {tags.DROPOUT: max(rates)} if rates else {}


def unseen_optimizers(model: nn.Module, seen: Collection[Optimizer]) -> list[Optimizer]:
    """Optimizers of the process that hold parameters of *model* and have not stepped yet.

    Looks at every object that Python tracks (some 50 ms in a large process): asked once, before saying that a
    parameter is held by none.
    """
    own = {id(param) for param in model.parameters()}
    seen_ids = {id(optimizer) for optimizer in seen}
    everything = gc.get_objects()
    found = [thing for thing in everything if issubclass(type(thing), Optimizer) and id(thing) not in seen_ids]
    return [optimizer for optimizer in found if any(id(param) in own for param in params_of([optimizer]))]
