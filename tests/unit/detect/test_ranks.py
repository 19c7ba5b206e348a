"""The comparison of ranks: each rule on both sides of its limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from dettui.detect.base import Symptom
from dettui.detect.ranks.desync import Desync
from dettui.detect.ranks.hang import HangPolicy, RankEnd, hangs
from dettui.detect.ranks.reading import Ranks
from dettui.detect.ranks.same_batch import SameBatch
from dettui.detect.ranks.straggler import Straggler, StragglerPolicy
from dettui.domain.finding import Abstention
from dettui.domain.ranks import Pause
from dettui.domain.series import Floats, Series
from dettui_probe import tags

STEPS = 500
MS = 1e-3
POLICY = StragglerPolicy()
PARTS = ("data", "forward", "backward", "sync", "optimizer")
USUAL_MS = {"data": 2.0, "forward": 30.0, "backward": 60.0, "sync": 5.0, "optimizer": 3.0}
Told = dict[str, tuple[np.ndarray, Floats]]


def ranks_of(told: Sequence[Mapping[str, tuple[np.ndarray, Floats]]], step: int = 10**9) -> Ranks:
    """A reading of what each rank *told*: steps and values by tag."""

    def series_of(one: Mapping[str, tuple[np.ndarray, Floats]]):
        def find(tag: str) -> Series | None:
            if tag not in one:
                return None
            steps, values = one[tag]
            return Series(tag, steps, values, 1.7e9 + steps * 0.1)

        return find

    return Ranks({rank: series_of(one) for rank, one in enumerate(told)}, step)


def job(
    world: int,
    extra_ms: Mapping[tuple[int, str], Floats | float] | None = None,
    *,
    waits_in: str = "sync",
    seed: int = 0,
) -> list[Told]:
    """Times of the ranks of a job that meet in *waits_in*; (rank, part) takes *extra_ms* longer."""
    rng = np.random.default_rng(seed)
    own = {p: USUAL_MS[p] * rng.gamma(60, 1 / 60, (world, STEPS)) for p in PARTS}
    for (rank, part), extra in (extra_ms or {}).items():
        own[part][rank] += extra
    arrival = np.zeros((world, STEPS))
    for part in ("data", "forward", "backward") if waits_in == "sync" else ("data",):
        arrival += own[part]
    own[waits_in] = own[waits_in] + arrival.max(axis=0) - arrival
    return [told_by({part: values[rank] for part, values in own.items()}) for rank in range(world)]


def told_by(ms: Mapping[str, Floats]) -> Told:
    steps = np.arange(1, STEPS + 1)
    values = {
        tags.TIME_DATA: ms["data"],
        tags.TIME_FORWARD: ms["forward"],
        tags.TIME_BACKWARD: ms["backward"] + ms["sync"],
        tags.TIME_SYNC: ms["sync"],
        tags.TIME_OPTIMIZER: ms["optimizer"],
        tags.TIME_STEP: sum(ms.values()),
    }
    return {tag: (steps, MS * series) for tag, series in values.items()}


def named(told: Sequence[Told]) -> list[tuple[str, str]]:
    """Who is slow, and in what."""
    answer = Straggler().evaluate(ranks_of(told))
    assert not isinstance(answer, Abstention)
    words = [re.fullmatch(r"Rank (\d+) holds up the others by \d+ ms a step, in: (\w+)", s.title) for s in answer]
    return [(word[1], word[2]) for word in words if word is not None]


@pytest.mark.parametrize("world", [2, 3, 4, 8])
@pytest.mark.parametrize("part", ["data", "forward", "backward"])
def test_a_slow_rank_is_named_with_the_part_of_its_step(world: int, part: str) -> None:
    assert named(job(world, {(1, part): 30.0})) == [("1", part)]


@pytest.mark.parametrize("world", [2, 4])
def test_a_rank_that_is_waited_for_in_the_forward_pass_is_not_taken_for_the_one_that_waits(world: int) -> None:
    """The broadcast of buffers, and losses that are reduced to be logged, make the others wait there."""
    assert named(job(world, {(1, "data"): 30.0}, waits_in="forward")) == [("1", "data")]


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_that_are_alike_have_no_straggler(world: int) -> None:
    for seed in range(20):
        assert named(job(world, seed=seed)) == []


def test_a_delay_below_the_limit_is_not_worth_a_word() -> None:
    assert named(job(4, {(1, "data"): 0.03 * 100})) == []
    assert named(job(4, {(1, "data"): 0.10 * 100})) != []


def test_ranks_that_are_late_in_turn_have_no_straggler() -> None:
    turns = {(rank, "data"): np.where(np.arange(STEPS) % 4 == rank, 30.0, 0.0) for rank in range(4)}
    assert named(job(4, turns)) == []


def test_a_rank_that_is_slow_for_some_seconds_is_not_named() -> None:
    short = np.zeros(STEPS)
    short[-60:] = 30.0
    assert named(job(4, {(1, "data"): short})) == []


def test_a_rank_that_works_longer_and_makes_nobody_wait_is_not_named() -> None:
    """Tasks that never meet may each be as slow as they like."""
    told = job(4)
    alone = told_by({**{part: np.full(STEPS, USUAL_MS[part]) for part in PARTS}, "data": np.full(STEPS, 40.0)})
    assert named([told[0], alone, *told[2:]]) == []


def test_a_job_whose_exchange_is_not_told_apart_is_judged_by_its_backward_pass() -> None:
    told = [
        {tag: series for tag, series in one.items() if tag != tags.TIME_SYNC} for one in job(3, {(2, "data"): 40.0})
    ]
    assert named(told) == [("2", "data")]


def test_ranks_that_skip_rows_are_compared_at_the_steps_they_share() -> None:
    told = job(2, {(1, "forward"): 30.0})
    every = [1, 2]
    thinned = [{t: (s[::k], v[::k]) for t, (s, v) in one.items()} for k, one in zip(every, told, strict=True)]
    assert named(thinned) == [("1", "forward")]


def test_without_times_the_rule_abstains() -> None:
    assert isinstance(Straggler().evaluate(ranks_of([{}, {}])), Abstention)


# --- parameters --------------------------------------------------------------------------------------------------

CHECKS = np.array([1, 2, 4, 8, 16, 32, 64, 96, 128])


def replicas(*checksums: Floats, replicated: float = 1.0, **others: Sequence[float]) -> list[Told]:
    told = [
        {
            tags.RANK_PARAMETERS: (CHECKS, np.asarray(values, dtype=float)),
            tags.RANK_REPLICATED: (CHECKS, np.full(len(CHECKS), replicated)),
        }
        for values in checksums
    ]
    for tag, values in others.items():
        for one, value in zip(told, values, strict=True):
            one[tag.replace("__", "/")] = (CHECKS, np.full(len(CHECKS), value))
    return told


def apart(told: Sequence[Told]) -> Symptom | None:
    answer = Desync().evaluate(ranks_of(told))
    assert not isinstance(answer, Abstention)
    return answer[0] if answer else None


SAME = np.linspace(10, 12, len(CHECKS))
LATER = np.where(CHECKS >= 64, SAME + 0.01, SAME)


def test_ranks_with_the_same_parameters_are_well() -> None:
    assert apart(replicas(SAME, SAME, SAME)) is None
    assert apart(replicas(SAME, SAME + 1e-5)) is None


def test_the_rank_that_came_apart_is_named_with_the_step() -> None:
    symptom = apart(replicas(SAME, SAME, LATER, SAME))
    assert symptom is not None
    assert symptom.title == "Rank 2 holds other parameters than the rest since step 64"
    assert (symptom.first_step, symptom.exact) == (64, True)


def test_of_two_ranks_neither_is_to_blame() -> None:
    symptom = apart(replicas(SAME, LATER))
    assert symptom is not None
    assert symptom.title == "Ranks 0 and 1 hold different parameters since step 64"


def test_what_speaks_for_the_reason_is_told() -> None:
    alike = apart(replicas(SAME, LATER, grad__norm=(1.5, 1.5)))
    differ = apart(replicas(SAME, LATER, grad__norm=(1.5, 1.8), lr__pg0=(0.1, 0.2)))
    assert alike is not None
    assert differ is not None
    assert [e.text.rpartition(": ")[2] for e in alike.evidence[1:]] == [
        "gradients are averaged, something else moves the parameters"
    ]
    assert [e.tag for e in differ.evidence] == [tags.RANK_PARAMETERS, tags.GRAD_NORM, tags.LR + "0"]


def test_ranks_that_nothing_keeps_alike_are_judged_only_once_they_were_alike() -> None:
    assert apart(replicas(SAME, SAME + 5, replicated=0.0)) is None
    assert apart(replicas(SAME, LATER, replicated=0.0)) is not None


def test_without_checksums_the_rule_abstains() -> None:
    assert isinstance(Desync().evaluate(ranks_of([{}, {}])), Abstention)


# --- batches -----------------------------------------------------------------------------------------------------


def batches(*values: Floats, replicated: float = 1.0) -> list[str]:
    told = [
        {tags.RANK_BATCH: (CHECKS, v), tags.RANK_REPLICATED: (CHECKS, np.full(len(CHECKS), replicated))} for v in values
    ]
    answer = SameBatch().evaluate(ranks_of(told))
    assert not isinstance(answer, Abstention)
    return [symptom.title for symptom in answer]


def test_ranks_with_the_same_batches_are_named() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, len(CHECKS)))
    assert batches(first, second, first) == ["Ranks 0 and 2 are given the same batches"]
    assert batches(first, second) == []


def test_a_batch_in_common_now_and_then_is_chance() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, len(CHECKS)))
    second[-1] = first[-1]
    assert batches(first, second) == []


def test_ranks_that_share_a_model_may_share_their_batches() -> None:
    assert batches(SAME, SAME, replicated=0.0) == []


# --- hangs -------------------------------------------------------------------------------------------------------

HANG = HangPolicy()
WAITING = Pause(60, "backward", 0.0, 1.0, is_open=True, usual_s=0.1)


def hung(*pauses: Pause, ends: Sequence[RankEnd] = ()) -> list[tuple[str, int | None, str]]:
    found = hangs({rank: (pause,) for rank, pause in enumerate(pauses)}, ends)
    return [(hang.finding.title, hang.rank, hang.finding.state) for hang in found]


def test_a_rank_that_fell_silent_while_the_others_wait_is_named_soon() -> None:
    waits, stopped = replace(WAITING, still_s=12.0), replace(WAITING, still_s=0.4, step=58, phase="data")
    assert hung(waits, stopped, waits) == [("No step for 11 s after step 58: rank 1 is behind", 1, "active")]
    assert hung(replace(waits, still_s=HANG.least_s), stopped) == []


def test_ranks_that_train_on_their_own_wait_for_nobody() -> None:
    """One evaluates for a minute; the other steps on, far ahead or far behind, and is not silent."""
    evaluating = replace(WAITING, phase="idle", still_s=60.0)
    for step in (2_000, 10):
        assert hung(evaluating, replace(WAITING, step=step, still_s=0.1)) == []


def test_a_rank_that_was_suspended_and_went_on_is_told_as_over() -> None:
    waited = replace(WAITING, still_s=31.0, is_open=False)
    stopped = replace(waited, still_s=30.0, silent_s=30.0, step=57)
    later = replace(WAITING, step=400, still_s=0.1)
    found = hangs({0: (waited, later), 1: (stopped, later)})
    assert [(hang.rank, hang.finding.state) for hang in found] == [(1, "resolved")]


def test_a_hang_is_over_only_when_every_rank_has_gone_on() -> None:
    waited = replace(WAITING, still_s=31.0, is_open=False)
    stopped, on = replace(WAITING, still_s=0.4, step=57), replace(WAITING, step=61, still_s=0.1)
    told = [(hang.rank, hang.finding.state) for hang in hangs({0: (waited, on), 1: (stopped,)})]
    assert told == [(1, "active")]
    far_on = replace(on, step=400)  # rank 1 is read later, and only up to here
    assert hangs({0: (waited, far_on), 1: (stopped,)}) == ()


def test_a_rank_that_ended_with_an_error_is_named_with_it() -> None:
    (hang,) = hangs({0: (replace(WAITING, still_s=14.0),)}, [RankEnd(1, 60, "ValueError: no corner")])
    assert hang.rank == 1
    assert "ValueError: no corner" in hang.finding.evidence[0].text


def test_a_rank_that_is_behind_with_signs_of_life_is_given_more_time() -> None:
    def behind(seconds: float) -> list[tuple[str, int | None, str]]:
        waits = replace(WAITING, still_s=seconds)
        return hung(waits, replace(waits, phase="data"), waits)

    assert behind(HANG.between_steps_s) == []
    assert behind(HANG.between_steps_s + 3)[0][1] == 1


def test_rank_0_may_evaluate_and_write_checkpoints_while_the_others_wait() -> None:
    waits = replace(WAITING, still_s=300.0)
    assert hung(replace(waits, phase="data"), waits, waits) == []
    assert hung(replace(waits, phase="idle", evaluated=True), waits, waits) == []
    assert hung(replace(waits, phase="data", still_s=700.0), replace(waits, still_s=700.0)) != []


@pytest.mark.parametrize("phase", ["data", "idle"])
def test_ranks_that_are_all_between_two_steps_are_not_hung(phase: str) -> None:
    between = replace(WAITING, phase=phase, still_s=3000.0)
    assert hung(between, between) == []
    assert hung(between) == []


def test_ranks_that_wait_for_each_other_hang_without_a_culprit() -> None:
    waits = replace(WAITING, still_s=HANG.in_a_step_s + 5)
    assert hung(waits, waits) == [("No step for 64 s after step 60", None, "active")]


def test_a_process_on_its_own_that_stands_in_the_middle_of_a_step_hangs() -> None:
    assert hung(replace(WAITING, still_s=HANG.in_a_step_s + 5)) == [("No step for 64 s after step 60", 0, "active")]


def test_a_pause_no_longer_than_thrice_an_earlier_one_is_usual() -> None:
    earlier = replace(WAITING, step=20, still_s=60.0, is_open=False)
    now = replace(WAITING, still_s=100.0)
    assert hangs({0: (earlier, now), 1: (earlier, now)}) == ()


def test_a_clock_that_jumps_is_no_hang() -> None:
    jumped = replace(WAITING, still_s=3600.0, silent_s=3599.5, is_open=False)
    assert hung(jumped, jumped) == []


def test_without_a_known_pace_nothing_is_called_a_hang() -> None:
    unknown = replace(WAITING, still_s=900.0, usual_s=None)
    assert hung(unknown, replace(unknown, still_s=1.0)) == []


def test_a_slow_job_is_given_eight_of_its_own_steps() -> None:
    slow = replace(WAITING, usual_s=60.0, still_s=400.0)
    assert hung(slow, replace(slow, still_s=5.0)) == []
    slow = replace(slow, still_s=8 * 60 + 5.0)
    assert hung(slow, replace(slow, still_s=5.0)) != []
