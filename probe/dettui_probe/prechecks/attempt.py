"""Calling code that is not ours: what it raises becomes a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar, cast

from dettui_probe.fence import Fence, Ledger

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """What was raised, and where, in one line."""

    text: str


def attempt(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | Failure:
    """What *function* returns, or what it raised."""
    told: list[str] = []
    fence = Fence("preflight", Ledger(lambda _part, text: told.append(text)))
    result = fence.run(function, *args, **kwargs)
    return Failure(told[0]) if told else cast(T, result)
