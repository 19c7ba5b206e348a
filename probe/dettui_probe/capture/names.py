"""The names of classes that models of others carry: no library is imported, and no code of theirs is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dettui_probe.capture.torchlib import nn

MOST_NAMES: Final = 4096
LONGEST_NAME: Final = 64
DEPTH: Final = 3  # a wrapper, a module that holds the model, the model
_STAND_INS: Final = ("", "LABEL_", "class", "class_")
"""Before a number: what libraries call the classes that nobody named."""


def class_names_of(model: nn.Module) -> list[str]:
    """``model.names`` as Ultralytics keeps them, or ``model.config.id2label`` as Transformers does; index = class id.
    Empty where there are none."""
    for module in _outer(model):
        carried = vars(module)
        for table in (_ultralytics(carried), _attributes(carried.get("config")).get("id2label")):
            names = _as_list(table)
            if names:
                return names
    return []


def _outer(model: nn.Module) -> Iterator[nn.Module]:
    """*model* and what it holds, from the outside in."""
    level = [model]
    for _ in range(DEPTH):
        yield from level
        level = [child for module in level for child in module.children()]


def _ultralytics(carried: Mapping[str, Any]) -> object:
    """Its ``names``: a dict, or as many as there are classes.  Other lists of that name may name anything."""
    names = carried.get("names")
    return dict(enumerate(names)) if isinstance(names, list) and len(names) == carried.get("nc") else names


def _attributes(thing: object) -> Mapping[str, Any]:
    return getattr(thing, "__dict__", {})


def _as_list(table: object) -> list[str]:
    if not isinstance(table, dict):
        return []
    named = {index: name for index, name in table.items() if type(index) is int and isinstance(name, str)}
    if len(named) < len(table) or not named or min(named) < 0 or max(named) >= MOST_NAMES or _are_stand_ins(named):
        return []
    return [named.get(index, str(index))[:LONGEST_NAME] for index in range(max(named) + 1)]


def _are_stand_ins(named: Mapping[int, str]) -> bool:
    return any(all(name == f"{lead}{index}" for index, name in named.items()) for lead in _STAND_INS)
