"""Runs on the other host: makes modules of the sources that were sent, and starts the agent.

It is sent as text and stands alone: Python 3.8 or newer, standard library only.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Sent(MetaPathFinder, InspectLoader):
    """Finds modules in memory.  A package that was not sent, but holds modules that were, is empty."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where *fullname* is; None where it was not sent."""
        is_package = any(name.startswith(fullname + ".") for name in self._sources)
        if not is_package and fullname not in self._sources:
            return None
        return ModuleSpec(fullname, self, origin="sent by the viewer", is_package=is_package)

    def get_source(self, fullname: str) -> str:
        """The text of a module."""
        return self._sources.get(fullname, "")


def start(sources: Mapping[str, str], main: str) -> None:
    """Run ``main()`` of the module *main*."""
    sys.meta_path.insert(0, Sent(sources))
    import_module(main).main()
