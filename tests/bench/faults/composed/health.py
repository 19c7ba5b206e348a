"""Was a training of the zoo healthy?  Decided by its losses on held-out data alone, before any rule is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from bench.faults.composed.changes import Draft
from bench.faults.composed.composition import Problem, reference_habits
from bench.faults.composed.tasks import best_guess, held_out_loss, score_of, sets_of
from bench.faults.composed.training import State, Trained, Training

CLEARLY: Final = 0.9  # of the loss at the start, and of the best guess: what a healthy run ends below
LEAST_SHARE: Final = 0.7  # of the reference's gain over the best guess
MOST_RISEN: Final = 1.25  # the last held-out loss over the lowest one of the run
NOTHING: Final = 0.05  # of the best guess: a rise that nobody would mind
LEAST_PRECISION: Final = 0.2  # mAP of torchvision's detectors, whose best guess finds nothing


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    steps: int
    first_loss: float  # in training
    last_loss: float
    finite: bool  # all losses in training
    held_out: tuple[float, ...]  # losses along the run, the start first and the end last
    guess: float | None  # the best constant guess has this held-out loss; None where there is none
    reference: float  # held-out loss of the reference at its end
    score: float
    reference_score: float
    error: str = ""
    told_score: float | None = None  # the last one that the script was told; None where it does not evaluate


def unhealthy_reason(outcome: Outcome) -> str:
    """Why a training is left out; "" where it is healthy.

    Healthy: nothing broke and all losses are finite; the held-out loss ends below nine tenths of its start and of the
    best constant guess; it has gained at least seven tenths of what the default recipe gains over that guess, with the
    same network on the same data in as many steps; and it has not turned round, that is it ends within a quarter of its
    own lowest value or within a twentieth of the guess above it.  torchvision's detectors are measured by what they
    gain over their start, and by mAP: at least 0.2, and seven tenths of the reference's.
    """
    if outcome.error or not outcome.finite or not all(map(math.isfinite, outcome.held_out)):
        return f"broke off: {outcome.error}" if outcome.error else "not finite"
    start, end, floor = outcome.held_out[0], outcome.held_out[-1], _floor(outcome)
    if end > CLEARLY * start or end > CLEARLY * floor:
        return f"did not learn: {end:.3g} from {start:.3g}, a guess has {floor:.3g}"
    if floor - end < LEAST_SHARE * (floor - outcome.reference):
        return f"far behind: {end:.3g}, the reference {outcome.reference:.3g}, a guess {floor:.3g}"
    if outcome.guess is None and outcome.score < max(LEAST_PRECISION, LEAST_SHARE * outcome.reference_score):
        return f"finds too little: mAP {outcome.score:.2f}, the reference {outcome.reference_score:.2f}"
    return f"overfitted: {end:.3g} from {min(outcome.held_out):.3g}" if has_turned(outcome) else ""


def has_turned(outcome: Outcome) -> bool:
    """True where the held-out loss has risen from its lowest value by what somebody would mind."""
    end, lowest = outcome.held_out[-1], min(outcome.held_out)
    return end > MOST_RISEN * lowest and end - lowest > NOTHING * _floor(outcome)


def _floor(outcome: Outcome) -> float:
    """The loss of who has learnt nothing."""
    return outcome.held_out[0] if outcome.guess is None else outcome.guess


def broken(error: str) -> Outcome:
    """Of a training that was not ended."""
    return Outcome(0, 0.0, 0.0, False, (), None, 0.0, 0.0, 0.0, error)


def outcome_of(told: Mapping[str, Any]) -> Outcome:
    """As the manifest has it; that of a process that died is an error alone."""
    if "held_out" not in told:
        return broken(str(told.get("error", "")))
    return Outcome(**{**told, "held_out": tuple(told["held_out"])})


def assess(problem: Problem, draft: Draft, trained: Trained, references: Path) -> Outcome:
    """Measure what the training of *draft*, made of *problem*, left; the reference of the problem is read from the
    folder *references*, or trained and kept there."""
    training = Training(draft.problem, draft.habits, changes=draft)
    network = training.network

    def measure(state: State) -> float:
        network.load_state_dict(state)
        return held_out_loss(problem, network, training.sets.hidden)

    held_out = tuple(measure(state) for _, state in trained.snapshots)
    network.load_state_dict(trained.snapshots[-1][1])  # measuring in training mode moves the statistics of BatchNorm
    finite = all(value.isfinite().all() for value in network.state_dict().values())
    score = next(iter(score_of(problem, network, training.sets.hidden).values())) if finite else math.nan
    reference, reference_score = reference_of(problem, references)
    count = max(min(len(trained.losses) // 20, 20), 1)
    return Outcome(
        steps=len(trained.losses),
        first_loss=_mean(trained.losses[:count]),
        last_loss=_mean(trained.losses[-count:]),
        finite=all(map(math.isfinite, trained.losses)),
        held_out=held_out,
        guess=best_guess(problem, sets_of(problem)),
        reference=reference,
        score=score,
        reference_score=reference_score,
        told_score=trained.scores[-1] if trained.scores else None,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def reference_of(problem: Problem, folder: Path) -> tuple[float, float]:
    """Held-out loss and score of the default recipe at its end."""
    key = sha256(json.dumps(asdict(problem), sort_keys=True).encode()).hexdigest()[:16]
    known = folder / f"{key}.json"
    if not known.exists():
        training = Training(problem, reference_habits(problem))
        training.run()
        score = next(iter(score_of(problem, training.network, training.sets.hidden).values()))
        found = held_out_loss(problem, training.network, training.sets.hidden)
        folder.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps([found, score]))
    loss, score = json.loads(known.read_text())
    return loss, score
