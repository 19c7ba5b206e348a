"""Where a script enters the model that it trains: by calling it, or by calling some of its parts one by one."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from dettui_probe.capture.torchlib import nn

Entry: TypeAlias = Literal["", "begins", "goes on"]


class CalledParts(nn.Module):
    """The parts that a script calls of *owner*, in place of it, under the names that they have there.

    What it does not call, such as a teacher, is not a part of what is trained.
    """

    def __init__(self, owner: nn.Module, called: Sequence[nn.Module]) -> None:
        super().__init__()
        self.__dict__["owner"] = owner  # not as a part of ours
        self.called = tuple(called)
        self._modules = {name: part for name, part in owner.named_modules() if any(part is one for one in called)}
        self._parameters, self._buffers = owner._parameters, owner._buffers

    @property
    def training(self) -> bool:
        """As its owner."""
        return bool(whole_of(self).training)

    @training.setter
    def training(self, mode: bool) -> None:
        """Only torch sets it, to begin with."""


def whole_of(model: nn.Module) -> nn.Module:
    """The module that *model* stands for."""
    return model.__dict__["owner"] if isinstance(model, CalledParts) else model


def entrances_of(model: nn.Module) -> tuple[nn.Module, ...]:
    """The modules that are called where *model* is trained."""
    return model.called if isinstance(model, CalledParts) else (model,)


def is_part(module: nn.Module, whole: nn.Module) -> bool:
    """Whether *module* lies within *whole*, and is not all of it."""
    return module is not whole and any(part is module for part in whole.modules())


class Passes:
    """Tells from the calls of the entrances where a forward pass begins."""

    def __init__(self, model: nn.Module) -> None:
        self._entrances = entrances_of(model)
        self._inside: nn.Module | None = None  # the outermost one under way
        self._first: nn.Module | None = None  # the one that began the pass; where it is called again, another begins

    def enter(self, module: nn.Module) -> Entry:
        """What the call of *module* means: "" where it is no entrance, a copy of one, or called by another one."""
        is_nested = self._inside is not None and self._inside is not module
        if is_nested or not any(module is entrance for entrance in self._entrances):
            return ""
        self._inside = module
        if self._first is None or self._first is module:
            self._first = module
            return "begins"
        return "goes on"

    def leave(self, module: nn.Module) -> bool:
        """Whether the call of *module* that has ended was that of an entrance."""
        is_entrance = self._inside is module
        if is_entrance:
            self._inside = None
        return is_entrance

    def end(self) -> None:
        """Backward has begun: whatever is called next begins another pass."""
        self._inside = self._first = None


def common_owner(one: nn.Module, other: nn.Module) -> nn.Module | None:
    """The smallest module of the process that both are parts of, or *one* itself where the other is a part of it.

    No module knows where it is a part: looks at every object that Python tracks (some 50 ms in a large process).
    """
    if is_part(other, one):
        return one
    owners = _owners()
    above = {id(module): module for module in _above(one, owners)}
    common = [above[id(module)] for module in _above(other, owners) if id(module) in above]
    return min(common, key=lambda module: sum(1 for _ in module.modules()), default=None)


def _owners() -> dict[int, list[nn.Module]]:
    """By the id of a module: those that hold it directly."""
    owners: dict[int, list[nn.Module]] = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), nn.Module) and not isinstance(thing, CalledParts):
            for part in (thing.__dict__.get("_modules") or {}).values():
                owners.setdefault(id(part), []).append(thing)
    return owners


def _above(module: nn.Module, owners: dict[int, list[nn.Module]]) -> Iterator[nn.Module]:
    """All that *module* is a part of, each once."""
    seen: set[int] = set()
    waiting = [module]
    while waiting:
        for owner in owners.get(id(waiting.pop()), ()):
            if id(owner) not in seen:
                seen.add(id(owner))
                waiting.append(owner)
                yield owner
