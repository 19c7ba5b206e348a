"""The trainings of the zoo by name: "12" is the healthy one of seed 12, "fault-12" the faulty one, "twin-12" the faulty
one without its mistake."""

from __future__ import annotations

from typing import NamedTuple

from bench.faults.composed.changes import Draft, draft_of
from bench.faults.composed.composition import Composition, compose
from bench.faults.composed.faulty import compose_faulty


class Case(NamedTuple):
    """What is to be trained, and how its script was written."""

    composition: Composition
    draft: Draft


def case_named(name: str) -> Case:
    """That of *name*."""
    kind, _, seed = name.rpartition("-")
    if not kind:
        composition = compose(int(seed))
        return Case(composition, draft_of(composition))
    faulty = compose_faulty(int(seed))
    return Case(faulty.composition, {"fault": faulty.draft, "twin": faulty.twin}[kind]())
