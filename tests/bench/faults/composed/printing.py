"""A run of the zoo in a few lines."""

from __future__ import annotations

from bench.faults.composed.health import outcome_of
from bench.faults.score import Scored


def print_run(one: Scored, remark: str = "") -> None:
    """What a run is made of, and how its losses went; with a *remark* behind its name."""
    told = one.row["composition"]
    outcome = outcome_of(one.row["outcome"])
    said = {**told["problem"], **told["habits"], "telling": told["telling"], "budget": told["budget"]}
    named = ", ".join(f"{cause.id} {cause.score:.2f}" for cause in one.verdict.causes[:3])
    print(f"  {one.name}{remark}  [{named}]")
    print(
        "    "
        + ", ".join(f"{name} {_short(value)}" for name, value in said.items() if value not in (0.0, False, "none"))
    )
    print(
        f"    loss {outcome.first_loss:.3g} to {outcome.last_loss:.3g}; held out "
        f"{' '.join(f'{value:.3g}' for value in outcome.held_out)}; guess {_short(outcome.guess)}, "
        f"reference {outcome.reference:.3g}; score {outcome.score:.3f}, reference {outcome.reference_score:.3f}"
    )


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
