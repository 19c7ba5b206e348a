"""Series of evaluations under one name, whatever a script calls them: ``val/loss`` and ``valid_acc`` are read as
``eval/loss`` and ``eval/accuracy``, as those of the libraries that the probe overhears are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dettui_probe import tags
from dettui_probe.overheard.names import of_evaluation

_FIRST_WORD: Final = re.compile(r"(val|valid|validation|eval|evaluation|test|dev)[/_.]", re.IGNORECASE)
_OURS: Final = ("eval/", *{tag.name.partition("/")[0] + "/" for tag in tags.VOCABULARY})
"""What the names of the probe's own series begin with: ``eval_batch/`` is none that a script logs."""


class EvaluationNames:
    """Gives each of the series of a run its name; the first that comes has the common one, and others keep theirs."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}  # of the common names: as they came

    def read(self, names: Sequence[str]) -> list[str]:
        """What series that came as *names*, together, are called."""
        for name in names:
            if name.startswith("eval/"):
                self._owners.setdefault(name, name)
        return [self._read(name) for name in names]

    def _read(self, name: str) -> str:
        common = common_name(name)
        if self._owners.setdefault(common, name) == name:
            return common
        return name if name != common else f"{name}_2"


def common_name(name: str) -> str:
    """The name of the series that came as *name*, where its first word says that it is of an evaluation."""
    if name.startswith(_OURS) or not _FIRST_WORD.match(name):
        return name
    return of_evaluation(name) or name
