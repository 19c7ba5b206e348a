"""Ranks of one run: compared by step number, whatever the order in which their records are read."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest
from unit.engine.runs import engine_of

from dettui.domain.frame import RunFrame
from dettui.domain.run import Liveness, RunState
from dettui.engine import Engine
from dettui.feed.base import Arrival
from dettui.feed.scripted import ScriptedFeed
from dettui_probe import tags, wire

T0 = 1_000.0
STEP_S = 0.1
STEPS = 400
COLUMNS = (
    tags.TIME_STEP, tags.TIME_DATA, tags.TIME_FORWARD, tags.TIME_BACKWARD, tags.TIME_OPTIMIZER, tags.TIME_SYNC,
    tags.LOSS_TOTAL, tags.GRAD_NORM,
)  # fmt: skip
CHECKED = (tags.RANK_PARAMETERS, tags.RANK_REPLICATED, tags.RANK_BATCH)


def hello(rank: int, world: int, **more: object) -> wire.Hello:
    told: dict[str, object] = {
        "version": (1, 2), "run": "job", "boot": f"boot-{rank}", "rank": rank, "world": world, "name": "job",
        "host": "gpu01", "host_boot": "b", "pid": 100 + rank, "pid_start": 1, "started": T0, "argv": [], "cwd": "/",
        "python": "python", "probe_version": "0.1.0", "launch": "first",
    }  # fmt: skip
    return wire.Hello(**{**told, **more})  # type: ignore[arg-type]


def batch(columns: Sequence[int], steps: Sequence[int], values: np.ndarray) -> wire.Batch:
    times = [T0 + STEP_S * step for step in steps]
    packed = (
        struct.pack(f"<{len(steps)}q", *steps),
        struct.pack(f"<{len(steps)}d", *times),
        values.astype("<f8").tobytes(),
    )
    return wire.Batch([wire.Block(list(columns), *packed)])


def rank_says(
    rank: int,
    world: int,
    steps: int = STEPS,
    *,
    slow_s: float = 0.0,
    waits_s: float = 0.0,
    drifts_from: int = 10**9,
    **more: object,
) -> list[wire.AnyMessage]:
    """All that one rank of a healthy job says, unless told otherwise."""
    rng = np.random.default_rng(rank)
    messages: list[wire.AnyMessage] = [hello(rank, world, **more), wire.Tags(0, [*COLUMNS, *CHECKED])]
    for step in range(1, steps + 1):
        data, forward, backward, sync = 0.002 + slow_s, 0.03, 0.06, 0.005 + waits_s
        parts = np.array([0.0, data, forward, backward + sync, 0.003, sync]) * rng.gamma(200, 1 / 200, 6)
        parts[0] = parts[1:5].sum()
        messages.append(batch(range(8), [step], np.array([*parts, 2.0 / np.sqrt(1 + step / 10), 2.0])))
        if step % 32 == 0:
            checks = np.array([5.0 + step + 0.1 * (step >= drifts_from), 1.0, rng.normal()])
            messages.append(batch(range(8, 11), [step], checks))
        if step % 10 == 0:
            messages.append(wire.Beat(T0 + STEP_S * step, step, "backward", 0.0, 0))
    return messages


def ends(messages: list[wire.AnyMessage], reason: str = "finished", text: str = "") -> list[wire.AnyMessage]:
    return [*messages, wire.Bye(T0 + 1e4, STEPS, reason, 1 if text else 0, text)]


def arrivals(rank: int, messages: Iterable[wire.AnyMessage], boot: str = "") -> list[Arrival]:
    return [Arrival("job", boot or f"boot-{rank}", rank, (message,)) for message in messages]


def interleaved(strands: Sequence[Sequence[Arrival]], seed: int) -> list[Arrival]:
    """The strands in some order that keeps each of them in order."""
    rng, waiting = random.Random(seed), [list(strand) for strand in strands]
    mixed = []
    while any(waiting):
        strand = rng.choice([strand for strand in waiting if strand])
        taken = rng.randint(1, 40)
        mixed += strand[:taken]
        del strand[:taken]
    return mixed


def replayed(all_arrivals: Sequence[Arrival]) -> tuple[RunFrame, Engine]:
    engine = Engine(ScriptedFeed(all_arrivals), clock=lambda: T0)
    while engine.pump():
        pass
    return engine.frame().runs[0], engine


def gist(run: RunFrame) -> list[tuple[object, ...]]:
    return [
        (f.kind, f.state, f.severity, f.first_step, f.last_step, f.raised_at_step, f.title, [c.id for c in f.causes])
        for f in run.diagnosis.findings
    ]


SICK: Mapping[int, dict[str, float]] = {
    0: {"waits_s": 0.03}, 1: {"slow_s": 0.03}, 2: {"waits_s": 0.03, "drifts_from": 100},
}  # fmt: skip


@pytest.fixture(scope="module")
def sick() -> list[list[Arrival]]:
    """Three ranks: one is slow, one comes apart."""
    return [arrivals(rank, ends(rank_says(rank, 3, **SICK[rank]))) for rank in range(3)]  # type: ignore[arg-type]


def test_a_straggler_and_a_rank_that_came_apart_are_named(sick: list[list[Arrival]]) -> None:
    run, _ = replayed([arrival for strand in sick for arrival in strand])
    titles = [(f.title, f.causes[0].id, f.causes[0].certain) for f in run.diagnosis.findings]
    assert titles == [
        ("Rank 2 holds other parameters than the rest since step 128", "rank_diverged", True),
        ("Rank 1 holds up the others by 30 ms a step, in: data", "rank_slow", True),
    ]
    assert run.ranks is not None
    assert [(view.rank, view.flaw) for view in run.ranks.ranks] == [(1, "slow"), (2, "differs"), (0, "")]


@pytest.mark.parametrize("seed", range(4))
def test_the_order_in_which_ranks_are_read_changes_nothing(sick: list[list[Arrival]], seed: int) -> None:
    expected, engine = replayed([arrival for strand in sick for arrival in strand])
    run, other = replayed(interleaved(sick, seed))
    assert gist(run) == gist(expected)
    for step in (50, 128, 250, STEPS):
        assert other.known_at("job", step).findings == engine.known_at("job", step).findings


def test_looking_back_shows_what_was_known_then(sick: list[list[Arrival]]) -> None:
    _, engine = replayed(interleaved(sick, 1))
    assert engine.known_at("job", 100).findings == ()
    assert [f.kind for f in engine.known_at("job", 160).findings] == ["rank_desync"]


def test_a_healthy_job_has_no_finding_and_a_table() -> None:
    run, _ = replayed(interleaved([arrivals(r, ends(rank_says(r, 4))) for r in range(4)], 3))
    assert run.diagnosis.findings == ()
    assert run.ranks is not None
    assert [view.flaw for view in run.ranks.ranks] == [""] * 4
    assert [segment.name for segment in run.ranks.segments] == [
        "data", "forward", "backward", "sync", "optimizer", "step",
    ]  # fmt: skip
    assert run.ranks.missing == ()


def test_a_process_on_its_own_has_no_table() -> None:
    run, _ = replayed(arrivals(0, rank_says(0, 1, launch="")))
    assert run.ranks is None


def test_ranks_that_are_late_or_missing_are_told() -> None:
    run = engine_of(*arrivals(0, rank_says(0, 3, 20)), *arrivals(2, [hello(2, 3)])).frame().runs[0]
    assert run.ranks is not None
    assert run.ranks.missing == (1,)
    assert [view.rank for view in run.ranks.ranks] == [2, 0]


def test_without_rank_0_another_rank_shows_the_run() -> None:
    run = engine_of(*arrivals(1, rank_says(1, 2, 30))).frame().runs[0]
    assert run.vitals.step == 30
    assert len(run.series[tags.LOSS_TOTAL]) == 30
    assert run.info.rank == 1


def told(rank: int, state: RunState, reason: str = "") -> Arrival:
    return Arrival("job", f"boot-{rank}", rank, liveness=Liveness(state, reason))


def test_a_rank_that_raised_explains_why_the_others_were_killed() -> None:
    strands = [*arrivals(0, rank_says(0, 2, 30)), *arrivals(1, ends(rank_says(1, 2, 30), "exception", "ValueError: x"))]
    run = engine_of(*strands, told(0, RunState.KILLED), told(1, RunState.CRASHED, "ValueError: x")).frame().runs[0]
    assert run.liveness == Liveness(RunState.CRASHED, "rank 1: ValueError: x")


def test_the_first_of_two_ranks_that_crashed_tells_why() -> None:
    """The other one only says that its peer has gone."""
    second = [*rank_says(0, 2, 30), wire.Bye(T0 + 21.0, 30, "exception", 1, "RuntimeError: connection closed by peer")]
    first = [*rank_says(1, 2, 30), wire.Bye(T0 + 20.5, 30, "exception", 1, "ValueError: x")]
    run = engine_of(*arrivals(0, second), *arrivals(1, first)).frame().runs[0]
    assert run.liveness == Liveness(RunState.CRASHED, "rank 1: ValueError: x", 1)


def test_a_rank_that_is_suspended_is_told_beside_the_state_of_the_run() -> None:
    strands = [*arrivals(0, rank_says(0, 2, 30)), *arrivals(1, rank_says(1, 2, 30))]
    run = engine_of(*strands, told(1, RunState.STOPPED, "suspended by a signal")).frame().runs[0]
    assert "rank 1: stopped suspended by a signal" in run.notices


def test_a_restart_with_fewer_ranks_is_a_job_of_its_own() -> None:
    first = [arrivals(rank, rank_says(rank, 4, 100)) for rank in range(4)]
    again = [
        arrivals(
            rank,
            rank_says(rank, 3, 50, boot=f"again-{rank}", launch="second", started=T0 + 60, attempt=1),
            f"again-{rank}",
        )
        for rank in range(3)
    ]
    run, _ = replayed(interleaved([[*first[r], *(again[r] if r < 3 else [])] for r in range(4)], 5))
    assert run.ranks is not None
    assert (run.ranks.world, run.ranks.attempt, run.ranks.missing) == (3, 1, ())
    assert sorted(view.rank for view in run.ranks.ranks) == [0, 1, 2]
    assert {view.step for view in run.ranks.ranks} == {50}


def test_clocks_of_hosts_that_differ_change_nothing(sick: list[list[Arrival]]) -> None:
    def shifted(arrival: Arrival) -> Arrival:
        def shift(message: wire.AnyMessage) -> wire.AnyMessage:
            if isinstance(message, wire.Batch):
                (block,) = message.blocks
                times = (np.frombuffer(block.times) + 10.0).tobytes()
                return wire.Batch([wire.Block(block.columns, block.steps, times, block.values)])
            if isinstance(message, wire.Beat):
                return wire.Beat(message.time + 10.0, message.step, message.phase, 0.0, 0)
            return message

        return Arrival(arrival.run, arrival.boot, arrival.rank, tuple(map(shift, arrival.messages)))

    expected, _ = replayed(interleaved(sick, 0))
    run, _ = replayed(interleaved([sick[0], [shifted(a) for a in sick[1]], sick[2]], 0))
    assert gist(run) == gist(expected)


def beats(rank: int, seconds: int, phase: str = "backward") -> list[Arrival]:
    """*rank* lives on after its last step and makes no other."""
    return arrivals(rank, [wire.Beat(T0 + STEP_S * 40 + s, 40, phase, 0.0, 0) for s in range(1, seconds)])


def test_a_rank_that_fell_silent_is_named_while_the_others_wait() -> None:
    stopped = [*arrivals(0, rank_says(0, 2, 40)), *arrivals(1, rank_says(1, 2, 38))]
    waiting = engine_of(*stopped, *beats(0, 9)).frame().runs[0]
    assert [f.kind for f in waiting.diagnosis.findings] == []
    hung = engine_of(*stopped, *beats(0, 14)).frame().runs[0]
    assert [(f.kind, f.causes[0].id, f.causes[0].certain) for f in hung.diagnosis.findings] == [
        ("hang", "training_hung", True)
    ]
    assert "rank 1 is behind" in hung.diagnosis.findings[0].title
    assert hung.ranks is not None
    assert (hung.ranks.ranks[0].rank, hung.ranks.ranks[0].flaw) == (1, "hung")


def test_a_hang_that_ends_stays_told_while_the_words_of_its_ranks_come_in() -> None:
    stopped = [*arrivals(0, rank_says(0, 2, 40)), *arrivals(1, rank_says(1, 2, 38)), *beats(0, 14)]
    goes_on = {
        rank: [
            wire.Beat(T0 + 20.0, at, "backward", 0.0, 0),
            *(wire.Beat(T0 + 20.0 + STEP_S * step, at + step, "backward", 0.0, 0) for step in (1, 2, 3)),
        ]
        for rank, at in ((0, 40), (1, 38))
    }
    for first in (0, 1):
        later = [arrival for rank in (first, 1 - first) for arrival in arrivals(rank, goes_on[rank])]
        engine = Engine(ScriptedFeed([*stopped, *later]), clock=lambda: T0)
        states: list[list[str]] = []
        for _ in range(len(stopped) + len(later)):
            engine.pump()
            states.append([f.state for f in engine.frame().runs[0].diagnosis.findings if f.kind == "hang"])
        after = states[len(stopped) - 1 :]
        assert after[0] == ["active"] and after[-1] == ["resolved"]
        assert all(len(told) == 1 for told in after), after


def test_settings_that_differ_between_ranks_are_told() -> None:
    says = [arrivals(r, [hello(r, 3, config={"lr": 0.1 if r else 0.2, "local_rank": r})]) for r in range(3)]
    run = engine_of(*(arrival for strand in says for arrival in strand)).frame().runs[0]
    assert run.ranks is not None
    assert run.ranks.differing == ("lr: 0.2 on 0; 0.1 on 1, 2",)


def test_a_process_that_turns_out_to_be_another_rank_leaves_no_run_behind() -> None:
    alone = Arrival("job-7", "early", 0, (hello(0, 1, run="job-7", boot="early"), wire.Bye(T0, 0, "moved")))
    late = Arrival("job-7", "early", 0, liveness=Liveness(RunState.FINISHED))
    runs = engine_of(alone, *arrivals(1, rank_says(1, 2, 10)), late).frame().runs
    assert [run.info.id for run in runs] == ["job"]
