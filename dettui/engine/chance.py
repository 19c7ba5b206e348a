"""Which runs of a list may be warned of by chance, kept from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable

from dettui.diagnose.across_runs import Chances, by_chance, chances, e_value_of
from dettui.domain.finding import Diagnosis
from dettui.domain.frame import RunFrame


class ChanceBook:
    """The e-values of runs.  One is worked out anew where the diagnosis of its run has changed."""

    def __init__(self, table: Chances | None = None) -> None:
        self._table = table or chances()
        self._known: dict[str, tuple[Diagnosis, float | None]] = {}
        self._e_values: dict[str, float] = {}
        self._beneath: frozenset[str] = frozenset()  # runs that do not stand out, warned of or not

    def among(self, runs: Iterable[RunFrame]) -> frozenset[str]:
        """Ids of those of *runs* that are warned of now, and of which chance may do so among so many."""
        diagnoses = {run.info.id: run.diagnosis for run in runs}
        self._known = {id: self._read(id, diagnosis) for id, diagnosis in diagnoses.items()}
        e_values = {id: e for id, (_, e) in self._known.items() if e is not None}
        if e_values != self._e_values:
            self._e_values = e_values
            marks = by_chance(tuple(e_values.values()))
            self._beneath = frozenset(id for id, mark in zip(e_values, marks, strict=True) if mark)
        return frozenset(id for id in self._beneath if _is_warned_of(diagnoses[id]))

    def _read(self, id: str, diagnosis: Diagnosis) -> tuple[Diagnosis, float | None]:
        known = self._known.get(id)
        if known is not None and known[0] is diagnosis:
            return known
        return diagnosis, e_value_of(diagnosis, self._table)


def _is_warned_of(diagnosis: Diagnosis) -> bool:
    return diagnosis.worst is not None and diagnosis.worst.severity == "warning"
