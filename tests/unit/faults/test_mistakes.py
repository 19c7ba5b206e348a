"""Faulty trainings of the zoo: what is drawn from a seed, what each mistake does, and when it has done harm."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from bench.faults.composed.cases import case_named  # noqa: E402 - behind the skips
from bench.faults.composed.changes import Draft  # noqa: E402
from bench.faults.composed.composition import NETS, compose  # noqa: E402
from bench.faults.composed.fault_table import FaultyRun, JudgedFaults, print_faults, reason_to_leave_out  # noqa: E402
from bench.faults.composed.faulty import (  # noqa: E402
    FIRST_COMPOSITION,
    LIGHT,
    NEW_TASKS,
    SEEDS,
    Faulty,
    compose_faulty,
    is_quick,
    mistake_of,
    side_of,
)
from bench.faults.composed.harm import harm_of  # noqa: E402
from bench.faults.composed.health import Outcome  # noqa: E402
from bench.faults.composed.mistakes import REGISTER  # noqa: E402
from bench.faults.composed.mistakes.mistake import WITH_BOXES, is_batch_normed  # noqa: E402
from bench.faults.composed.tasks import network_of  # noqa: E402
from bench.faults.composed.training import Training, changed_sets, pretrained  # noqa: E402
from bench.faults.injection import REGISTER as INJECTIONS  # noqa: E402
from bench.faults.plan import Sets  # noqa: E402
from bench.faults.score import Scored  # noqa: E402
from bench.faults.verdict import Named, Seen, Verdict  # noqa: E402
from bench.faults.zoo import fault_jobs, is_recorded, jobs, reason_to_spare  # noqa: E402

FAULTY = [compose_faulty(seed) for seed in range(800)]
STEPS = 6
DRAWN = "a9c3335cfa38"
"""Digest of all draws: with one mistake more every seed has another one, and what was recorded is of no use."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps of a millisecond gain nothing from more, and lose where others compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- what is drawn ------------------------------------------------------------------------------------------------


def test_a_seed_always_gives_the_same_faulty_training_and_another_one_does_not() -> None:
    assert [compose_faulty(seed) for seed in range(800)] == FAULTY
    assert len({faulty.composition for faulty in FAULTY}) == 800


def test_the_draw_is_that_of_the_recordings() -> None:
    drawn = "".join(f"{f.mistake.name} {f.composition.seed} {f.strength:.3g}\n" for f in FAULTY)
    assert hashlib.sha256(drawn.encode()).hexdigest()[:12] == DRAWN


def test_sides_are_disjoint_and_the_unseen_one_has_tasks_of_its_own() -> None:
    assert not set(SEEDS["tune"]) & set(SEEDS["unseen"])
    assert {side_of(faulty.seed) for faulty in FAULTY} == {"tune", "unseen"}
    tasks = {
        side: {f.composition.problem.task for f in FAULTY if side_of(f.seed) == side} for side in ("tune", "unseen")
    }
    assert tasks["unseen"] - tasks["tune"] == set(NEW_TASKS)
    assert tasks["unseen"] == set(NETS)


def test_compositions_are_none_of_the_healthy_zoo_and_quick() -> None:
    for faulty in FAULTY:
        assert faulty.composition.seed >= FIRST_COMPOSITION
        assert is_quick(faulty.composition)
        assert faulty.mistake.fits(faulty.composition)


def test_mistakes_are_spread_evenly_over_the_seeds_of_each_side() -> None:
    for seeds in SEEDS.values():
        counts = Counter(mistake_of(seed).name for seed in seeds)
        assert set(counts) == set(REGISTER)
        assert max(counts.values()) - min(counts.values()) <= 2


def test_strengths_lie_between_medium_and_severe() -> None:
    for faulty in FAULTY:
        low, high = sorted(faulty.mistake.strength)
        assert low * (1 - 1e-9) <= faulty.strength <= high * (1 + 1e-9)


def test_causes_are_those_of_the_same_mistake_in_the_programs_of_the_bench() -> None:
    from bench.faults import injections

    assert injections.__all__
    shared = sorted(set(REGISTER) & set(INJECTIONS))
    assert len(shared) > 35
    for name in shared:
        assert REGISTER[name].cause == INJECTIONS[name].cause
        assert REGISTER[name].accepted == INJECTIONS[name].accepted, name
    assert {one.cause for one in REGISTER.values()} <= {one.cause for one in INJECTIONS.values()}


def test_batch_norms_are_where_they_are_said_to_be() -> None:
    for faulty in FAULTY[:200]:
        network = network_of(faulty.composition.problem, faulty.composition.habits)
        found = any(isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) for module in network.modules())
        assert found == is_batch_normed(faulty.composition.problem), faulty.composition.problem


# --- what they do -------------------------------------------------------------------------------------------------


def faulty_with(name: str) -> Faulty:
    """The cheapest one of the bench that has this mistake."""
    return min((faulty for faulty in FAULTY if faulty.mistake.name == name), key=_price)


def _price(faulty: Faulty) -> tuple[bool, bool, int, int]:
    problem, habits = faulty.composition.problem, faulty.composition.habits
    return problem.task in WITH_BOXES, problem.task not in LIGHT, problem.examples // 500, habits.batch


def short(draft: Draft) -> Draft:
    """The same for a few steps, where what comes midway comes early."""
    draft.problem = replace(draft.problem, steps=STEPS)
    draft.onset = 3
    return draft


def trained(draft: Draft) -> Training:
    """A few steps of it."""
    weights = pretrained(draft.problem, draft.habits.dropout, steps=1) if draft.habits.frozen else None
    training = Training(draft.problem, draft.habits, weights, draft)
    training.run()
    return training


def pair(name: str) -> tuple[Training, Training]:
    """A short faulty training, and its twin."""
    faulty = faulty_with(name)
    return trained(short(faulty.draft())), trained(short(faulty.twin()))


BREAK_OFF = ("beyond_the_head", "wrong_format")
"""Where torch, or torchvision, may notice."""


@pytest.mark.parametrize("name", sorted(set(REGISTER) - set(BREAK_OFF)))
def test_every_mistake_changes_its_training_and_is_the_same_again(name: str) -> None:
    faulty = faulty_with(name)
    first, again = (trained(short(faulty.draft())) for _ in range(2))
    twin = trained(short(faulty.twin()))
    assert first.trained.losses == pytest.approx(again.trained.losses, nan_ok=True)
    assert said_by(first) != said_by(twin)


def said_by(training: Training) -> tuple[object, ...]:
    """All that a mistake may change: losses, scores, weights."""
    state = training.trained.snapshots[-1][1]
    weights = sum(float(value.double().abs().sum()) for value in state.values())
    return (repr(training.trained.losses), repr(training.trained.scores), weights)


def test_labels_beyond_the_head_end_the_training() -> None:
    with pytest.raises((IndexError, RuntimeError)):
        trained(short(faulty_with("beyond_the_head").draft()))


def data_of(name: str) -> tuple[Sets, Sets]:
    """As the mistake has them, and as they are."""
    faulty = faulty_with(name)
    return changed_sets(faulty.composition.problem, faulty.draft()), changed_sets(
        faulty.composition.problem, faulty.twin()
    )


def test_boxes_are_given_in_another_form() -> None:
    spoilt, usual = data_of("wrong_format")
    for found, wanted in zip(spoilt.training.y, usual.training.y, strict=True):
        assert torch.equal(found["boxes"][:, 2:], wanted["boxes"][:, 2:] - wanted["boxes"][:, :2])
    assert torch.equal(spoilt.hidden.y[0]["boxes"], usual.hidden.y[0]["boxes"])


def test_classes_are_lost_and_imbalanced_in_the_training_set_alone() -> None:
    spoilt, usual = data_of("class_missing")
    assert 0 not in spoilt.training.y.tolist()
    assert 0 in usual.training.y.tolist()
    assert torch.equal(spoilt.hidden.y, usual.hidden.y)
    counts = data_of("imbalance")[0].training.y.bincount(minlength=3)
    assert counts[2:].max() < 0.1 * counts[:2].min()


def test_labels_are_noisy_or_shuffled_by_their_share() -> None:
    spoilt, usual = data_of("label_noise")
    share = float((spoilt.training.y != usual.training.y).float().mean())
    assert 0.2 < share < 0.65
    spoilt, usual = data_of("labels_shuffled")
    assert len(spoilt.training) == len(usual.training)
    assert torch.equal(spoilt.training.x, usual.training.x)


def test_a_sorted_data_set_stays_sorted() -> None:
    y = data_of("sorted_by_class")[0].training.y
    falls = int((y.diff() < 0).sum())
    assert falls <= 2  # between chunks
    assert not faulty_with("sorted_by_class").draft().shuffles


def test_the_same_batches_come_again() -> None:
    faulty = faulty_with("batch_repeated")
    draft = faulty.draft()
    assert len(changed_sets(draft.problem, draft).training) <= 3 * draft.habits.batch


def test_inputs_of_all_sets_are_transformed_alike_but_where_only_evaluation_is_wrong() -> None:
    spoilt, usual = data_of("divided_twice")
    scale = faulty_with("divided_twice").strength
    for found, wanted in zip(spoilt, usual, strict=True):
        torch.testing.assert_close(found.x, scale * wanted.x)
    spoilt, usual = data_of("evaluated_unnormalised")
    assert torch.equal(spoilt.training.x, usual.training.x)
    assert torch.equal(spoilt.hidden.x, usual.hidden.x)
    assert not torch.equal(spoilt.evaluation.x, usual.evaluation.x)


@pytest.mark.parametrize("name", ["frozen", "group_missing", "detached"])
def test_parameters_that_cannot_learn_stay_as_they_were(name: str) -> None:
    draft = short(faulty_with(name).draft())
    draft.habits = replace(draft.habits, ema=False, weight_decay=0.0)
    before, after = (state for _, state in (trained(draft).trained.snapshots[i] for i in (0, -1)))
    names = [name for name, _ in network_of(draft.problem, draft.habits).named_parameters()]
    still = [name for name in names if torch.equal(before[name], after[name])]
    assert 0.3 * len(names) < len(still) < len(names)


@pytest.mark.parametrize(
    ("name", "of_the_last"),
    [
        ("warmup_long", lambda lr, peak, draft: lr <= peak / 10),
        ("lr_is_zero", lambda lr, peak, draft: lr == 0.0),
        ("schedule_fast", lambda lr, peak, draft: lr == pytest.approx(peak / 100)),
        ("schedule_per_batch", lambda lr, peak, draft: lr < 0.8 * peak),
    ],
)
def test_schedules_end_where_the_mistake_has_them_end(
    name: str, of_the_last: Callable[[float, float, Draft], bool]
) -> None:
    draft = short(faulty_with(name).draft())
    training = trained(draft)
    lrs = [group["lr"] for group in training.optimizer.param_groups]
    assert of_the_last(max(lrs), draft.habits.lr, draft)


def test_gradients_pile_up_where_they_are_not_zeroed() -> None:
    draft = short(faulty_with("no_zero_grad").draft())
    called: list[None] = []
    training = Training(draft.problem, draft.habits, None, draft)
    training.optimizer.zero_grad = lambda *a, **k: called.append(None)  # type: ignore[method-assign]
    training.run()
    assert called == []


def test_a_nan_comes_at_its_onset() -> None:
    losses = pair("nan_input")[0].trained.losses
    assert math.isfinite(losses[0])
    assert not math.isfinite(losses[-1])


def test_networks_are_in_the_mode_that_the_mistake_leaves_them_in() -> None:
    faulty, twin = pair("trained_in_eval_mode")
    assert not faulty.network.training
    assert twin.network.training
    assert faulty_with("evaluated_in_training_mode").draft().evaluates_in_training_mode


def test_micro_batches_are_added_up() -> None:
    faulty = faulty_with("accumulated_sum")
    usual, draft = faulty.composition.habits, faulty.draft()
    assert not draft.divides
    assert draft.habits.accumulate >= 2
    assert draft.habits.batch * draft.habits.accumulate <= usual.batch * usual.accumulate


def test_units_that_start_dead_stay_silent() -> None:
    network = Training(*_parts(faulty_with("dead_units").draft())).network
    biases = [m.bias for m in network.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv1d)]
    assert all(bool((bias <= -3).all()) for bias in biases[:-1])


def test_outputs_are_squashed_before_a_loss_that_squashes_them() -> None:
    for faulty in (f for f in FAULTY if f.mistake.name == "softmax_twice"):
        training = Training(*_parts(faulty.draft()))
        outputs = training.network.eval()(training.sets.hidden.x[:4]).detach()
        assert 0 <= float(outputs.min()) <= float(outputs.max()) <= 1


def _parts(draft: Draft) -> tuple[object, object, object, Draft]:
    weights = pretrained(draft.problem, draft.habits.dropout, steps=1) if draft.habits.frozen else None
    return draft.problem, draft.habits, weights, draft


# --- cases --------------------------------------------------------------------------------------------------------


def test_a_twin_is_the_composition_without_the_mistake() -> None:
    healthy, fault, twin = (case_named(name) for name in ("7", "fault-7", "twin-7"))
    assert healthy.composition == compose(7)
    assert fault.composition == twin.composition == FAULTY[7].composition
    assert (twin.draft.problem, twin.draft.habits) == (twin.composition.problem, twin.composition.habits)


def test_the_second_twin_has_the_same_data_and_another_start() -> None:
    problem, habits = FAULTY[0].composition.problem, FAULTY[0].composition.habits
    twin = short(FAULTY[0].twin())
    first, second = Training(problem, habits, None, twin), Training(problem, habits, None, replace(twin, other_seed=1))
    assert torch.equal(first.sets.training.x, second.sets.training.x)
    assert not all(
        torch.equal(a, b) for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True)
    )


def test_a_data_set_without_a_batch_is_refused() -> None:
    composition = FAULTY[0].composition
    with pytest.raises(ValueError, match="no batch"):
        Training(composition.problem, replace(composition.habits, batch=10**6))


# --- the table ----------------------------------------------------------------------------------------------------


def judged_run(seed: int, *causes: str) -> FaultyRun:
    """A faulty training of which a warning came, with *causes*; none came where there are none."""
    faulty = FAULTY[seed]
    row = {
        "name": f"fault/{seed:04}",
        "what": faulty.mistake.name,
        "program": faulty.composition.problem.task,
        "onset": 0,
        "strength": faulty.strength,
        "composition": asdict(faulty.composition),
        "outcome": vars(TWIN),
    }
    seen = Seen("plateau", "warning", "active", 50, "it stands still", causes)
    named = tuple(Named(cause, 0.5, cause == causes[0]) for cause in causes)
    return FaultyRun(row, Verdict(300, (seen,) if causes else (), named), "score: 0.1")


def test_the_table_counts_what_was_missed_as_wrong_and_tells_wrong_runs(capsys: pytest.CaptureFixture[str]) -> None:
    right, second, missed = (
        judged_run(0, FAULTY[0].mistake.cause),
        judged_run(1, "unknown", *FAULTY[1].mistake.right),
        judged_run(2),
    )
    calm = Scored({"name": "twin/0000"}, Verdict(300, (), ()))
    print_faults(JudgedFaults((right, second, missed), (), (("fault/0003", "its twin: ill"),), (calm,)), wrong=True)
    told = capsys.readouterr().out
    counts = {line[:34].strip(): line[34:].strip() for line in told.splitlines()}
    assert counts["effective / all"] == "3 / 3"
    assert counts["recall [95 %]"].startswith("66.7 %")
    assert counts["top-1 [95 %]"].startswith("33.3 %")
    assert counts["top-3 [95 %]"].startswith("66.7 %")
    assert counts["certain: right / named"] == "1 / 2"
    assert counts["healthy twins, warned of"] == "1, 0"
    wrong = told.partition("missed or misnamed")[2]
    assert "fault/0000" not in wrong
    assert f"fault/0001 {FAULTY[1].mistake.name}" in wrong
    assert f"is {FAULTY[2].mistake.cause}: missed; score: 0.1" in wrong
    assert "fault/0003: its twin: ill" in wrong


# --- harm ---------------------------------------------------------------------------------------------------------

TWIN = Outcome(300, 2.0, 0.3, True, (2.0, 1.0, 0.5, 0.4), 1.9, 0.35, 0.90, 0.91, told_score=0.9)
WORSE_TWIN = replace(TWIN, score=0.86)


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"score": 0.82}, "score", ""),  # within a twentieth of the worse twin
        ({"score": 0.80}, "score", "score"),
        ({"score": math.nan}, "score", "score"),
        ({"error": "IndexError: no"}, "score", "broke off"),
        ({"finite": False}, "score", "not finite"),
        ({"held_out": (2.0, 0.4, 0.9)}, "score", ""),
        ({"held_out": (2.0, 0.4, 0.9)}, "gap", "overfitted"),
        ({"held_out": (2.0, 0.4, 0.45)}, "gap", ""),
        ({"told_score": 0.5}, "score", ""),
        ({"told_score": 0.5}, "evaluation", "score"),
        ({"score": 0.5}, "evaluation", ""),
        ({"told_score": None}, "evaluation", "score"),
    ],
)  # fmt: skip
def test_harm_is_what_both_twins_are_clearly_free_of(change: dict[str, object], kind: str, reason: str) -> None:
    found = harm_of(replace(TWIN, **change), (TWIN, WORSE_TWIN), kind)  # type: ignore[arg-type]
    assert found.partition(":")[0] == reason


def test_a_fault_without_two_healthy_twins_is_left_out() -> None:
    told, lost = dict(vars(TWIN)), {**vars(TWIN), "held_out": (2.0, 1.9)}
    assert reason_to_leave_out({"outcome": told, "second": told}) == ""
    assert "did not learn" in reason_to_leave_out({"outcome": told, "second": lost})
    assert "did not learn" in reason_to_leave_out({"outcome": lost, "second": told})
    assert "did not learn" in reason_to_leave_out({"outcome": lost})
    assert "killed" in reason_to_leave_out({"outcome": {"error": "killed"}})
    assert reason_to_leave_out(None)


def test_a_fault_behind_an_unhealthy_twin_is_spared(tmp_path: Path) -> None:
    job = next(job for job in fault_jobs(3, 1) if job.kind == "fault")
    assert reason_to_spare(job, tmp_path) == ""
    row = {"name": "twin/0003", "outcome": {"error": "killed"}}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    assert "killed" in reason_to_spare(job, tmp_path)


def test_a_recording_of_another_mistake_is_none_of_the_job() -> None:
    job = fault_jobs(3, 1)[1]
    assert is_recorded(job, {job.name: {"what": job.what}})
    assert not is_recorded(job, {job.name: {"what": "another"}})
    assert not is_recorded(job, {})


def test_jobs_of_the_three_kinds_have_names_and_cases_of_their_own() -> None:
    every = [*jobs(3, 1), *fault_jobs(3, 1)]
    assert [job.name for job in every] == ["zoo/0003", "twin/0003", "fault/0003"]
    assert [job.run_id for job in every] == ["zoo-0003", "twin-0003", "fault-0003"]
    assert [job.case for job in every] == ["3", "twin-3", "fault-3"]
