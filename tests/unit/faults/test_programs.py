"""The programs of the fault bench, as they are built and changed, without training them."""

from __future__ import annotations

import itertools
import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from bench.faults import injections  # noqa: E402 - behind the skips
from bench.faults.injection import REGISTER, Severity  # noqa: E402
from bench.faults.plan import Examples, Sets, Shape, plan_of  # noqa: E402
from bench.faults.programs import program_named  # noqa: E402
from bench.faults.programs.detr import cheapest  # noqa: E402
from bench.faults.programs.yolo import rows_of  # noqa: E402
from bench.faults.recipe import make_optimizer  # noqa: E402
from bench.faults.split import TEST, TUNE  # noqa: E402
from torch import nn  # noqa: E402

SHAPES = {
    "as it is": Shape(),
    "narrow": Shape(width=0.02),
    "wide, without dropout": Shape(width=2.0, dropout=0.0),
    "deep sigmoids": Shape(depth=3, activation=nn.Sigmoid, dropout=0.9),
}


@pytest.mark.parametrize("name", TEST)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_that_a_fault_asks_for_gives_a_loss_and_scores(name: str, shape: Shape) -> None:
    torch.manual_seed(0)
    program = program_named(name)
    sets = program.data(0)
    network = program.model(shape)
    batch = sets.training.at(range(program.recipe.batch))
    loss = program.loss(network, batch.x, batch.y)
    loss.backward()
    assert torch.isfinite(loss)
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        scores = program.scores(network.eval(), sets.evaluation.at(range(8)))
    assert all(math.isfinite(score) for score in scores.values())


@pytest.mark.parametrize("name", TEST)
def test_the_same_seed_gives_the_same_data_and_another_one_does_not(name: str) -> None:
    first, again, other = (program_named(name).data(seed).hidden.x for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", [*TUNE, *TEST])
def test_a_program_says_of_itself_what_its_network_is(name: str) -> None:
    program = program_named(name)
    network = program.model(Shape())
    assert program.name == name
    assert program.has_batchnorm == any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert (program.side > 0) == (program.kind == "detection")


def test_every_mistake_can_be_made_in_the_network_of_its_programs() -> None:
    for injected in REGISTER.values():
        for name in injected.programs:
            plan = injected.inject(plan_of(program_named(name), 0), "severe")
            network = plan.program.model(plan.shape)
            for change in plan.on_model:
                network = change(network)
            optimizer = make_optimizer(plan.recipe, network.parameters())
            for change_optimizer in plan.on_optimizer:
                optimizer = change_optimizer(optimizer, network)


def test_every_mistake_that_can_be_is_made_on_both_sides() -> None:
    assert injections.__all__  # fills the register
    for name, injected in REGISTER.items():
        assert set(injected.programs) & set(TUNE), name
        assert set(injected.programs) & set(TEST), name
        assert len(set(injected.programs)) == len(injected.programs), name


def test_the_matcher_finds_the_cheapest_of_all_ways() -> None:
    for seed, objects in itertools.product(range(5), (1, 2, 3)):
        cost = torch.rand(5, objects, generator=torch.Generator().manual_seed(seed))
        least = min(sum(cost[row, k] for k, row in enumerate(way)) for way in itertools.permutations(range(5), objects))
        found = cheapest(cost)
        assert len(set(found.tolist())) == objects
        assert torch.isclose(cost[found, torch.arange(objects)].sum(), torch.as_tensor(least))
    assert len(cheapest(torch.rand(5, 0))) == 0


def test_rows_of_a_batch_hold_the_picture_the_class_and_the_box() -> None:
    boxes = torch.tensor([[16.0, 0.0, 48.0, 32.0]])
    rows = rows_of([{"boxes": boxes[:0], "labels": torch.tensor([])}, {"boxes": boxes, "labels": torch.tensor([3])}])
    assert rows.tolist() == [[1.0, 3.0, 0.5, 0.25, 0.5, 0.5]]


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("mask", "mild", [1.0, 0.0, 5.0, 4.0]),
        ("mask", "medium", [2.0, 3.0, 4.0, 4.0]),
        ("yolo", "mild", [1.0, 0.0, 5.0, 4.0]),
        ("yolo", "medium", [-2.0, -1.5, 2.0, 3.5]),
        ("yolo", "severe", [-2.0, -1.0, 2.0, 3.0]),
    ],
)
def test_a_wrong_format_is_wrong_where_the_program_reads_it(name: str, form: Severity, expected: list[float]) -> None:
    plan = REGISTER["wrong_format"].inject(plan_of(program_named(name), 0), form)
    target = {"boxes": torch.tensor([[0.0, 1.0, 4.0, 5.0]]), "labels": torch.tensor([1])}
    examples = Examples(torch.zeros(1, 3, 8, 8), [target])
    changed = plan.on_sets[0](Sets(examples, examples, examples))
    assert changed.training.y[0]["boxes"].tolist() == [expected]
    assert changed.evaluation.y[0]["boxes"].tolist() == [[0.0, 1.0, 4.0, 5.0]]
