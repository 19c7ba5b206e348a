"""No step completes, and nobody says why: which rank is it?

Read from pauses, each by the clock of the rank that paused, and from the numbers of the steps before them: clocks of
hosts are never compared.  Ranks that average gradients stop together, so a rank that fell silent is known by how much
longer the others have been waiting than it has been telling.

Many long pauses are healthy: an evaluation, a checkpoint, a model that is compiled.  The rule says nothing where all
ranks are between two steps, and is patient with a rank that goes on giving signs of life.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dettui.domain.finding import Evidence, Finding, FindingState, Severity
from dettui.domain.ranks import Pause
from dettui_probe import tags

_ORDER: Final = ("idle", "data", "forward", "backward", "optimizer")
_MID_STEP: Final = frozenset({"forward", "backward", "optimizer"})


@dataclass(frozen=True)
class HangPolicy:
    """How long a pause may be, by what is known of the rank that holds up the others."""

    least_s: float = 10.0
    steps: float = 8.0  # usual ones; a pause is at least as long
    silent_s: float = 5.0  # without a word, while the others speak once a second
    in_a_step_s: float = 60.0  # a model may be compiled anew
    between_steps_s: float = 30.0  # of a rank other than 0, while the others wait in the middle of their step
    rank_0_between_steps_s: float = 600.0  # it alone may evaluate and write checkpoints; NCCL gives up here
    longer_than_before: float = 3.0  # than any earlier pause


@dataclass(frozen=True)
class RankEnd:
    """A rank that said goodbye."""

    rank: int
    step: int
    text: str  # "" where it ended well
    exit_code: int | None = None


@dataclass(frozen=True)
class Hang:
    """A hang, and the rank that is behind; None where none is."""

    finding: Finding
    rank: int | None


def hangs(
    pauses: Mapping[int, Sequence[Pause]], ends: Sequence[RankEnd] = (), policy: HangPolicy | None = None
) -> tuple[Hang, ...]:
    """Every hang in the *pauses* of the ranks, which are in order of time, the newest first; *ends*: ranks that have
    said goodbye."""
    policy = policy or HangPolicy()
    found: list[Hang] = []
    longest_s = 0.0
    for together in _gathered(pauses):
        hang = _judge(together, ends, longest_s, policy)
        if hang is not None:
            found.append(hang)
        longest_s = max(longest_s, *(pause.still_s - pause.silent_s for pause in together.values()))
    return tuple(reversed(found))


def _gathered(pauses: Mapping[int, Sequence[Pause]]) -> Iterator[dict[int, Pause]]:
    """Pauses that belong together: those at about the same step, and those that are still open.

    Where a standstill ends, the words of some ranks come before those of the others, whose pauses are still open: they
    belong to those that are closed.
    """
    closed = [(rank, pause) for rank, own in pauses.items() for pause in own if not pause.is_open]
    together: dict[int, Pause] = {}
    since = 0
    for rank, pause in sorted(closed, key=lambda pair: (pair[1].step, pair[0])):
        if together and pause.step > since + _reach(pause):
            yield together
            together = {}
        if not together:
            since = pause.step
        together[rank] = pause
    still_open = {rank: pause for rank, own in pauses.items() for pause in own if pause.is_open}
    if together:
        late = _late(together, still_open)
        yield {**together, **late}
        still_open = {rank: pause for rank, pause in still_open.items() if rank not in late}
    if still_open:
        yield still_open


def _late(closed: Mapping[int, Pause], still_open: Mapping[int, Pause]) -> dict[int, Pause]:
    """Those of *still_open* that began with the pauses *closed*, out of which other ranks have just come."""
    have_just_come = all(
        rank in still_open and still_open[rank].step <= pause.step + _reach(pause) for rank, pause in closed.items()
    )
    if not have_just_come:
        return {}
    since = min(pause.step for pause in closed.values())
    others = {rank: pause for rank, pause in still_open.items() if rank not in closed}
    return {rank: pause for rank, pause in others.items() if abs(pause.step - since) <= _reach(pause)}


def _reach(pause: Pause) -> int:
    """Steps by which the last words of two ranks that stopped together may differ: two seconds of them."""
    return 1 + (math.ceil(2.0 / pause.usual_s) if pause.usual_s else 0)


def _judge(together: Mapping[int, Pause], ends: Sequence[RankEnd], longest_s: float, policy: HangPolicy) -> Hang | None:
    """The hang in pauses that belong together, None where they may be healthy."""
    usual_s = max((pause.usual_s for pause in together.values() if pause.usual_s is not None), default=None)
    if usual_s is None or not _are_in_step(together):
        return None
    least_s = max(policy.least_s, policy.steps * usual_s)
    alive_s = {rank: pause.still_s - pause.silent_s for rank, pause in together.items()}
    waited_s = max(alive_s.values())  # as told by those who went on speaking: a clock that jumps is a silence
    if waited_s <= least_s:
        return None
    culprit = _dead(together, ends) or _silent(together, waited_s, policy)
    if culprit is not None:
        return _hang(together, culprit, _Wait(waited_s, least_s), "critical")
    culprit = _last(together)
    patience_s = _patience(culprit, together, policy)
    if patience_s is None:
        return None
    wait = _Wait(waited_s, max(patience_s, least_s, policy.longer_than_before * longest_s))
    return _hang(together, culprit, wait, "warning") if waited_s > wait.limit_s else None


def _are_in_step(together: Mapping[int, Pause]) -> bool:
    """False where ranks are further apart than words are late: each trains on its own, and none waits for another."""
    steps = [pause.step for pause in together.values()]
    return max(steps) - min(steps) <= max(map(_reach, together.values()))


@dataclass(frozen=True)
class _Wait:
    seconds: float
    limit_s: float


@dataclass(frozen=True)
class _Culprit:
    rank: int | None  # None: no rank is behind the others
    said: str


def _dead(together: Mapping[int, Pause], ends: Sequence[RankEnd]) -> _Culprit | None:
    """A rank that ended badly at about the step at which the others wait."""
    newest = max(together.values(), key=lambda pause: pause.step)
    close = (end for end in ends if end.text and abs(end.step - newest.step) <= _reach(newest))
    return next((_Culprit(end.rank, f"it has ended: {end.text}") for end in close), None)


def _silent(together: Mapping[int, Pause], waited_s: float, policy: HangPolicy) -> _Culprit | None:
    """The rank that says nothing while others do; the longest silence where there are several."""
    silences = {
        rank: max(pause.silent_s, waited_s - pause.still_s if pause.is_open else 0.0)
        for rank, pause in together.items()
    }
    rank = max(silences, key=lambda rank: silences[rank])
    if silences[rank] < policy.silent_s or min(silences.values()) >= policy.silent_s:
        return None
    return _Culprit(rank, f"silent for {silences[rank]:.0f} s of them: stopped, gone, or a call holds its GIL")


def _last(together: Mapping[int, Pause]) -> _Culprit:
    """The one rank that is behind all others; none where two or more are equally far."""
    places = {rank: (pause.step, _place(pause.phase)) for rank, pause in together.items()}
    behind = [rank for rank, place in places.items() if place == min(places.values())]
    if len(behind) == 1:
        return _Culprit(behind[0], f"it is in: {together[behind[0]].phase}")
    phases = ", ".join(sorted({pause.phase for pause in together.values()}))
    return _Culprit(None, f"all are in: {phases}")


def _place(phase: str) -> int:
    return _ORDER.index(phase) if phase in _ORDER else 0


def _patience(culprit: _Culprit, together: Mapping[int, Pause], policy: HangPolicy) -> float | None:
    """Seconds that a rank with signs of life is given; None where nothing says that it ought to be in a step."""
    if culprit.rank is None:
        all_in_a_step = all(pause.phase in _MID_STEP for pause in together.values())
        return policy.in_a_step_s if all_in_a_step else None
    pause = together[culprit.rank]
    if pause.evaluated:
        return None
    if pause.phase in _MID_STEP:
        return policy.in_a_step_s
    others_wait = [other.phase in _MID_STEP for rank, other in together.items() if rank != culprit.rank]
    if pause.phase != "data" or not others_wait or not all(others_wait):
        return None
    return policy.between_steps_s if culprit.rank else policy.rank_0_between_steps_s


def _hang(together: Mapping[int, Pause], culprit: _Culprit, wait: _Wait, severity: Severity) -> Hang:
    step = min(pause.step for pause in together.values())
    state: FindingState = "active" if any(pause.is_open for pause in together.values()) else "resolved"
    who = "" if culprit.rank is None or set(together) == {culprit.rank} else f": rank {culprit.rank} is behind"
    others = "; ".join(
        f"rank {rank}: {pause.phase}" for rank, pause in sorted(together.items()) if rank != culprit.rank
    )
    text = f"{culprit.said}. {others}" if others and culprit.rank is not None else culprit.said
    finding = Finding(
        kind="hang",
        severity=severity,
        state=state,
        first_step=step,
        last_step=step,
        raised_at_step=step,
        title=f"No step for {wait.seconds:.0f} s after step {step}{who}",
        evidence=(Evidence(tags.TIME_STEP, (step, step), wait.seconds, wait.limit_s, ">", text),),
    )
    return Hang(finding, culprit.rank)
