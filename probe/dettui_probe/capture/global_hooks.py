"""The mode without a line of code: finds the model that a script trains, and watches it from that very call on.

Until then, every call of a module passes through here; afterwards ``nn.Module.__call__`` is as torch made it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dettui_probe.capture.attach import attach, is_capturing
from dettui_probe.capture.patches import Patch
from dettui_probe.capture.torchlib import nn, torch
from dettui_probe.capture.unwatched import is_unwatched
from dettui_probe.contract import Contract
from dettui_probe.fence import Fence, Ledger
from dettui_probe.start import current_run, start_run


class Wanted(NamedTuple):
    """What the command line asked for."""

    name: str | None = None
    budget: float = 0.01
    total_steps: int | None = None
    contract: Contract | None = None


class Search:
    """Waits for the outermost module that is called in training mode, with gradients, and with something to train."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._fence: Final = Fence("launcher", Ledger(lambda part, text: None))
        self._patch = Patch(nn.Module, "__call__", self._wrap)

    def _wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            self._fence.run(self._consider, module)
            return original(module, *args, **kwargs)

        return call

    def _consider(self, module: nn.Module) -> None:
        if is_unwatched():
            return
        run = current_run()
        if run is not None and is_capturing(run):  # the script watches by itself, and knows better
            self._patch.undo()
        elif _trains(module):
            self._patch.undo()
            run = start_run(self._wanted.name, total_steps=self._wanted.total_steps)
            if run.active:
                attach(run, module, budget=self._wanted.budget, guessed=True, contract=self._wanted.contract)


def _trains(module: nn.Module) -> bool:
    return module.training and torch.is_grad_enabled() and any(param.requires_grad for param in module.parameters())
