"""Every cause by its id, and the explanation of every symptom and cause in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from dettui.detect.preflight import SYMPTOM_OF_CAUSE, proof_tag
from dettui.diagnose.cause import CauseRecord, Proof
from dettui.diagnose.causes import (
    batch,
    boxes,
    data,
    evaluation,
    inputs,
    labels,
    learning_rate,
    model,
    optimizer,
    precision,
)
from dettui.diagnose.conditions import Seen
from dettui.diagnose.counted import Counted, table, with_counted_weights
from dettui.diagnose.reading import Reading
from dettui.diagnose.symptoms import SYMPTOM_TEXTS

_GROUPS: Final = (boxes, labels, data, inputs, learning_rate, optimizer, batch, model, precision, evaluation)


def _provable_before_training(cause: CauseRecord) -> CauseRecord:
    """*cause*, proved also by a failed check of the pre-flight where one can."""
    kind = SYMPTOM_OF_CAUSE.get(cause.id)
    if kind is None:
        return cause
    proof = Proof(Seen(kind, proof_tag(cause.id)), "a check before training failed on it")
    return replace(
        cause,
        symptoms=tuple(dict.fromkeys((*cause.symptoms, kind))),
        proofs=(*cause.proofs, proof),
        tags=(*cause.tags, proof_tag(cause.id)) if cause.tags else (),
    )


def catalogue_of(counts: Mapping[str, Counted]) -> Mapping[str, CauseRecord]:
    """Every cause, its clues weighed by experts and by *counts*."""
    causes = (cause for group in _GROUPS for cause in group.CAUSES)
    return MappingProxyType({c.id: _provable_before_training(with_counted_weights(c, counts)) for c in causes})


CATALOGUE: Final[Mapping[str, CauseRecord]] = catalogue_of(table())
"""Id -> record, in the order in which the vocabulary lists them."""

_NOTHING_KNOWN: Final = Reading(numbers={})


def explain(id: str) -> str:
    """A paragraph on the symptom or cause *id*.  Raises KeyError where there is none of that id."""
    if id in SYMPTOM_TEXTS:
        return _explain_symptom(id)
    return _explain_cause(CATALOGUE[id])


def _explain_symptom(kind: str) -> str:
    causes = [cause.id for cause in CATALOGUE.values() if kind in cause.symptoms]
    return f"{kind} (symptom)\n{SYMPTOM_TEXTS[kind]}\nPossible causes: {', '.join(causes) or 'none known'}."


def _explain_cause(cause: CauseRecord) -> str:
    lines = [
        f"{cause.id} (cause)",
        cause.meaning,
        f"Shows as: {', '.join(cause.symptoms)}.",
        _how_it_is_known(cause),
        f"Check: {_NOTHING_KNOWN.fill(cause.check)}",
        f"Change: {_NOTHING_KNOWN.fill(cause.remedy)}",
        f"Unless: {_NOTHING_KNOWN.fill(cause.overturned_by)}",
    ]
    return "\n".join(lines)


def _how_it_is_known(cause: CauseRecord) -> str:
    if cause.proofs:
        return "Proved by an exact check of the stream."
    if cause.is_measured:
        return "Weighed from statistics of the stream."
    return "The stream carries no signal of it yet: it is never named by itself."
