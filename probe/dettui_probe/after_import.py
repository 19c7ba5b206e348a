"""Calling something as soon as a module has been imported, and not importing it for that."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def after_import(name: str, then: Callable[[], None]) -> Callable[[], None]:
    """Call *then* once the module *name* has been imported: now, where it has been.  Returns what ends the waiting."""
    if name in sys.modules:
        then()
        return lambda: None
    waiting = AfterImport(name, then)
    sys.meta_path.insert(0, waiting)
    return waiting.give_up


class AfterImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Calls *then* when the module *name* has been imported, and is gone from the import system before that."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then
        self._loader: Any = None

    def give_up(self) -> None:
        """Wait no longer.  Idempotent."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec that the import system finds without us, with us as its loader."""
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the module's own loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """As the module's own loader does; then call *then*."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._then()
