"""The loss as a module of its own, which is given the targets where the model is not (DETR, many a YOLO)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dettui_probe.capture.inert import LiveHook
from dettui_probe.capture.torchlib import nn, torch

SEARCHED: Final = 8  # steps in which the modules that are called between forward and backward are looked at


class Criterion:
    """Looks for it between a forward pass and its backward pass, and follows it from then on."""

    def __init__(
        self,
        offered: Callable[[Sequence[Any], Mapping[str, Any]], bool],
        returned: Callable[[object], None],
        entrances: Sequence[nn.Module],
    ) -> None:
        """*offered* is given the arguments of modules, and says whether targets are among them; *returned* is given
        what the loss made of them.  Neither raises.  The *entrances* of the model are no loss."""
        self._offered, self._returned = offered, returned
        self._entrances = entrances
        self._search: Any = None  # handle of the hook on every module
        self._found: list[Any] = []  # handles of the hooks on the loss

    def open(self) -> None:
        """The model has answered: whatever is called now may be its loss."""
        if not self._found and self._search is None:
            self._search = nn.modules.module.register_module_forward_pre_hook(LiveHook(self._meet))

    def close(self) -> None:
        """Something else begins."""
        if self._search is not None:
            self._search.remove()
            self._search = None

    def detach(self) -> None:
        """Take off every hook."""
        self.close()
        for handle in self._found:
            handle.remove()
        self._found.clear()

    def _meet(self, module: nn.Module, args: Sequence[Any]) -> None:
        if self._found or isinstance(module, torch.jit.ScriptModule) or any(module is one for one in self._entrances):
            return
        if self._offered(args, {}):
            self.close()
            self._found = [
                module.register_forward_pre_hook(LiveHook(self._given), with_kwargs=True),
                module.register_forward_hook(LiveHook(self._made)),
            ]

    def _given(self, _module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._offered(args, kwargs)

    def _made(self, _module: nn.Module, _args: Sequence[Any], output: object) -> None:
        self._returned(output)
