"""Hooks that a copy or a pickle of the model leaves behind.

A hook lives in the module's own dictionary, so ``copy.deepcopy(model)`` and ``torch.save(model)`` take it along.
Ours turns into the ``__exit__`` of a ``contextlib.nullcontext`` there: it accepts any arguments, does nothing,
and loads on a machine without this package.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from dettui_probe.capture.torchlib import torch


class LiveHook:
    """Calls *target* with whatever torch passes; copies and pickles of it do nothing."""

    __slots__ = ("_target",)

    def __init__(self, target: Callable[..., None]) -> None:
        self._target = target

    def __call__(self, *args: Any) -> None:
        if not torch.compiler.is_compiling():  # nothing of ours becomes part of a compiled graph
            self._target(*args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, str]]:
        return getattr, (contextlib.nullcontext(), "__exit__")
