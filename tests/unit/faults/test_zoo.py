"""The zoo: what is composed from a seed, and what counts as a healthy training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from bench.faults.composed.composition import (
    ACTIVATIONS,
    GROUPS,
    LR_FACTOR,
    NETS,
    OPTIMIZERS,
    SCHEDULES,
    TELLINGS,
    Composition,
    Habits,
    augmentations_of,
    compose,
    reference_habits,
    sensible_lr,
)

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from bench.faults.composed.augmenting import augmented  # noqa: E402 - behind the skips
from bench.faults.composed.health import Outcome, unhealthy_reason  # noqa: E402
from bench.faults.composed.tasks import TASKS, best_guess, sets_of  # noqa: E402
from bench.faults.composed.training import Training, make_optimizer, make_scheduler, pretrained  # noqa: E402

FIRST = [compose(seed) for seed in range(200)]
HEALTHY = Outcome(300, 2.0, 0.3, True, (2.0, 1.0, 0.5, 0.4), 1.9, 0.3, 0.9, 0.95)


def test_a_seed_always_gives_the_same_training_and_another_one_does_not() -> None:
    assert [compose(seed) for seed in range(200)] == FIRST
    assert len(set(FIRST)) == 200


@pytest.mark.parametrize(
    ("parts", "part_of"),
    [
        (tuple(NETS), lambda c: c.problem.task),
        ({net for nets in NETS.values() for net in nets}, lambda c: c.problem.net),
        (ACTIVATIONS, lambda c: c.problem.activation),
        (OPTIMIZERS, lambda c: c.habits.optimizer),
        (SCHEDULES, lambda c: c.habits.schedule),
        (GROUPS, lambda c: c.habits.groups),
        (TELLINGS, lambda c: c.telling),
        ({kind for task in NETS for kind in augmentations_of(task)}, lambda c: c.habits.augmentation),
        ((None, 1.0, 5.0), lambda c: c.habits.clip),
        ((1, 2, 4), lambda c: c.habits.accumulate),
        ((4, 6, 8, 16, 32, 64), lambda c: c.habits.batch),
        ((True, False), lambda c: c.habits.ema),
        ((True, False), lambda c: c.habits.frozen),
        ((True, False), lambda c: c.habits.evaluates),
        ((True, False), lambda c: c.problem.unit_inputs),
        ((True, False), lambda c: c.habits.label_smoothing > 0),
        ((True, False), lambda c: c.problem.imbalance > 1),
    ],
)  # fmt: skip
def test_all_parts_occur_among_the_first_two_hundred(
    parts: set[object], part_of: Callable[[Composition], object]
) -> None:
    assert {part_of(composition) for composition in FIRST} == set(parts)


def test_learning_rates_are_near_the_sensible_one() -> None:
    for composition in FIRST:
        habits = composition.habits
        usual = sensible_lr(composition.problem, habits.optimizer, habits.batch * habits.accumulate)
        assert 1 / LR_FACTOR <= habits.lr / usual <= LR_FACTOR


def one_of_each() -> dict[tuple[str, str], Composition]:
    """The first composition of every network of every task."""
    found: dict[tuple[str, str], Composition] = {}
    for seed in range(1500):
        composition = compose(seed)
        found.setdefault((composition.problem.task, composition.problem.net), composition)
    return found


EACH = one_of_each()


def short(composition: Composition) -> Composition:
    """The same for two steps, on a few examples."""
    problem = replace(composition.problem, steps=2, examples=40)
    return replace(composition, problem=problem, habits=replace(composition.habits, batch=4, accumulate=1))


def test_every_network_of_every_task_is_composed() -> None:
    assert set(EACH) == {(task, net) for task, nets in NETS.items() for net in nets}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps of a millisecond gain nothing from more, and lose where others compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("composition", EACH.values(), ids=["-".join(pair) for pair in EACH])
def test_every_network_takes_a_step_in_its_task(composition: Composition) -> None:
    composition = short(composition)
    told: list[str] = []
    trained = Training(composition.problem, composition.habits).run(lambda step, values: told.extend(values))
    assert all(map(math.isfinite, trained.losses))
    assert len(trained.losses) == 2
    assert [step for step, _ in trained.snapshots] == [0, 1, 2]
    assert told.count("train/loss") == 2


def test_a_frozen_half_keeps_the_weights_of_the_earlier_training() -> None:
    composition = short(EACH["images", "cnn_bn"])
    habits = replace(composition.habits, frozen=True, ema=True)
    weights = pretrained(composition.problem, habits.dropout, steps=1)
    training = Training(composition.problem, habits, weights)
    training.run()
    after = training.network.state_dict()
    still = [name for name, _ in training.network.named_parameters() if torch.equal(after[name], weights[name])]
    assert still
    assert all(name.startswith("body") for name in still)
    assert not torch.equal(after["head.3.weight"], weights["head.3.weight"])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_goes_with_every_schedule(optimizer: str, schedule: str) -> None:
    network = torch.nn.ModuleDict({"body": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 1)})
    habits = Habits(optimizer=optimizer, lr=0.1, schedule=schedule, groups="slow_body", nesterov=True)
    made = make_optimizer(habits, network)
    scheduler = make_scheduler(habits, made, steps=20)
    for _ in range(20):
        network["head"](network["body"](torch.ones(1, 2))).sum().backward()
        made.step()
        if scheduler is not None:
            scheduler.step(*[1.0] * (schedule == "plateau"))
    head, body = (group["lr"] for group in made.param_groups)
    assert head == pytest.approx(3 * body, rel=0.01)


def test_data_are_the_same_for_a_seed_and_imbalanced_where_it_says_so() -> None:
    problem = replace(EACH["images", "cnn"].problem, examples=600, classes=4, imbalance=4.0)
    first, again = sets_of(problem), sets_of(problem)
    assert torch.equal(first.training.x, again.training.x)
    counts = first.training.y.bincount().tolist()
    assert 2.5 < counts[0] / counts[-1] < 6.0
    assert torch.equal(sets_of(replace(problem, unit_inputs=True)).training.x.aminmax()[1], torch.tensor(1.0))


def test_the_best_guess_is_the_entropy_of_the_classes() -> None:
    problem = replace(EACH["images", "cnn"].problem, examples=600, classes=4, imbalance=1.0)
    assert best_guess(problem, sets_of(problem)) == pytest.approx(math.log(4), rel=0.05)
    values = replace(EACH["table_values", "mlp"].problem, examples=2000, seed=1)
    assert best_guess(values, sets_of(values)) == pytest.approx(1.0, rel=0.3)
    assert [name for name, task in TASKS.items() if task.guess is None] == ["one_stage", "two_stage"]


def test_a_mirrored_picture_has_its_boxes_mirrored() -> None:
    problem, habits = EACH["one_stage", "ssd"].problem, Habits(augmentation="flip")
    x = torch.arange(8.0).expand(16, 3, 8, 8)
    target = {"boxes": torch.tensor([[1.0, 2.0, 3.0, 4.0]]), "labels": torch.tensor([1])}
    mixed, targets, _, _ = augmented(problem, habits, x, [target] * 16, torch.Generator().manual_seed(0))
    boxes = {tuple(found["boxes"][0].tolist()) for found in targets}
    assert boxes == {(1.0, 2.0, 3.0, 4.0), (5.0, 2.0, 7.0, 4.0)}
    for picture, found in zip(mixed, targets, strict=True):
        assert (found["boxes"][0, 0] == 5.0) == (picture[0, 0, 0] == 7.0)


def test_the_reference_is_the_default_recipe() -> None:
    habits = reference_habits(FIRST[0].problem)
    assert (habits.optimizer, habits.schedule, habits.frozen, habits.augmentation) == (
        "adam",
        "warmup_cosine",
        False,
        "none",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"error": "RuntimeError: no"}, "broke off"),
        ({"finite": False}, "not finite"),
        ({"held_out": (2.0, math.nan, 0.4)}, "not finite"),
        ({"held_out": (2.0, 1.85)}, "did not learn"),  # above nine tenths of its start
        ({"held_out": (9.0, 1.75)}, "did not learn"),  # and of the guess
        ({"held_out": (2.0, 0.75)}, ""),
        ({"held_out": (2.0, 0.80)}, "far behind"),  # seven tenths of a gain of 1.6
        ({"held_out": (2.0, 0.4, 0.51)}, "overfitted"),
        ({"held_out": (2.0, 0.02, 0.1), "reference": 0.1}, ""),  # a rise that nobody would mind
        ({"guess": None, "score": 0.68, "reference_score": 0.95}, ""),
        ({"guess": None, "score": 0.65, "reference_score": 0.95}, "finds too little"),
        ({"guess": None, "score": 0.15, "reference_score": 0.1}, "finds too little"),
    ],
)  # fmt: skip
def test_healthy_is_what_learns_as_the_reference_does(change: dict[str, object], reason: str) -> None:
    found = unhealthy_reason(replace(HEALTHY, **change))
    assert found.partition(":")[0] == reason
