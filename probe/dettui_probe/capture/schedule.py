"""Learning rate, momentum, second beta and weight decay of every param group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Optimizer, Tensor, fresh_vector

MAX_GROUPS: Final = 32  # layer-wise LR decay makes a group of every layer; the first ones show the schedule


def settings(optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    """By tag, the settings in force; an LR may be a tensor (capturable optimizers)."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups][:MAX_GROUPS]
    found: dict[str, Any] = {}
    for index, group in enumerate(groups):
        found[f"{tags.LR}{index}"] = group.get("lr")
        found[f"{tags.MOMENTUM}{index}"] = _momentum(group)
        found[f"{tags.BETA2}{index}"] = group["betas"][1] if group.get("betas") else None
        found[f"{tags.WEIGHT_DECAY}{index}"] = group.get("weight_decay")
    return {tag: value for tag, value in found.items() if value is not None}


def split(found: Mapping[str, Any]) -> tuple[dict[str, float], Reading | None]:
    """Plain numbers, and a reading of those that are tensors."""
    plain = {tag: float(value) for tag, value in found.items() if isinstance(value, int | float)}
    tensors = {tag: value for tag, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        return plain, None
    names = list(tensors)

    def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
        sheet.values.update(zip(names, arrived[0].tolist(), strict=True))

    return plain, Reading([fresh_vector(list(tensors.values()))], decode)


def _momentum(group: Mapping[str, Any]) -> Any:
    betas = group.get("betas")
    return betas[0] if betas else group.get("momentum")
