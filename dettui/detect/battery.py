"""All rules, run once over one reading of the store."""

from __future__ import annotations

from dettui.detect.base import Rule, Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention
from dettui.store.run_store import RunStore

RULES: tuple[Rule, ...] = ()
"""Every rule, exact checks first."""


def evaluate_all(store: RunStore, step: int) -> tuple[tuple[Symptom, ...], tuple[Abstention, ...]]:
    """What every rule says of *store* at *step*, and which rules lacked data."""
    context = Context(store, step)
    symptoms: list[Symptom] = []
    abstained: list[Abstention] = []
    for rule in RULES:
        answer = rule.evaluate(context)
        if isinstance(answer, Abstention):
            abstained.append(answer)
        else:
            symptoms.extend(answer)
    return tuple(symptoms), tuple(abstained)
