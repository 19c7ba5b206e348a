"""Leaves the process as it was: every random state that a check may draw from is put back.

Covered: the global generators of torch (all devices in use), Python and, where it is loaded, numpy; and every
generator that can be reached from the given objects through attributes, lists, tuples and dicts (a DataLoader's and
its sampler's, those inside albumentations, ...).  Not covered: generators hidden in closures, extension modules or
other processes, and other state that a dataset changes when it is read, such as a cache that it fills.
"""

from __future__ import annotations

import contextlib
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from dettui_probe.capture.torchlib import Tensor, torch

MAX_OBJECTS: Final = 20_000
MAX_ITEMS: Final = 256  # of one container: a list of a million annotations holds no generator

Restore = Callable[[], None]


@contextlib.contextmanager
def untouched(*holders: object) -> Iterator[list[warnings.WarningMessage]]:
    """Inside, anything may draw random numbers; afterwards nobody can tell.  Yields the warnings raised inside."""
    restores = [*_global_states(), *_states_in(*holders)]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        for restore in restores:
            restore()


class Dice:
    """The random states that a transform may draw from: ``rewind`` makes it draw the same again."""

    def __init__(self, *holders: object) -> None:
        self._holders = holders
        self._restores: list[Restore] = []

    def mark(self) -> None:
        """Remember the states of now."""
        self._restores = [*_global_states(), *_states_in(*self._holders)]

    def rewind(self) -> None:
        """Put back the states of the last ``mark``."""
        for restore in self._restores:
            restore()


def _global_states() -> Iterator[Restore]:
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    yield lambda: torch.set_rng_state(torch_state)
    yield lambda: random.setstate(python_state)
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        cuda_states = torch.cuda.get_rng_state_all()
        yield lambda: torch.cuda.set_rng_state_all(cuda_states)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_state = numpy_random.get_state()
        yield lambda: numpy_random.set_state(numpy_state)


def _states_in(*holders: object) -> Iterator[Restore]:
    for generator in _generators(holders):
        restore = _state_of(generator)
        if restore is not None:
            yield restore


def _state_of(thing: Any) -> Restore | None:
    """How to put back the state that generator *thing* has now; None where it is no generator."""
    if isinstance(thing, torch.Generator):
        torch_state = thing.get_state()
        return lambda: _discard(thing.set_state(torch_state))
    if isinstance(thing, random.Random):
        python_state = thing.getstate()
        return lambda: thing.setstate(python_state)
    if not type(thing).__module__.startswith("numpy.random"):
        return None
    if hasattr(thing, "bit_generator"):  # numpy.random.Generator
        bits = thing.bit_generator
        bits_state = bits.state
        return lambda: setattr(bits, "state", bits_state)
    if hasattr(thing, "set_state"):  # numpy.random.RandomState
        legacy_state = thing.get_state()
        return lambda: thing.set_state(legacy_state)
    return None


def _discard(_: object) -> None:
    return None


def _generators(holders: tuple[object, ...]) -> Iterator[object]:
    """Generators reachable from *holders*, breadth first, over at most MAX_OBJECTS objects."""
    seen: set[int] = set()
    queue: list[object] = list(holders)
    position = 0
    while position < len(queue) and position < MAX_OBJECTS:
        thing = queue[position]
        position += 1
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if _is_generator(thing):
            yield thing
        else:
            queue.extend(part for part in _parts(thing) if not isinstance(part, _LEAVES))


_LEAVES: Final = (str, bytes, int, float, complex, bool, type(None), Tensor, type)


def _is_generator(thing: object) -> bool:
    if isinstance(thing, torch.Generator | random.Random):
        return True
    return type(thing).__module__.startswith("numpy.random") and (
        hasattr(thing, "bit_generator") or hasattr(thing, "set_state")
    )


def _parts(thing: object) -> Iterator[object]:
    if isinstance(thing, Mapping):
        yield from list(thing.values())[:MAX_ITEMS]
    elif isinstance(thing, list | tuple):
        yield from thing[:MAX_ITEMS]
    yield from getattr(thing, "__dict__", {}).values()
