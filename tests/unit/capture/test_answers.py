"""What the graph of the loss shows, how answers fit, what is in a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.classes import labels_of_cross_entropy
from dettui_probe.capture.loss_graph import anatomy
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
LABELS = torch.arange(16) % 3
MAP = torch.arange(32).reshape(2, 4, 4) % 3


def logits(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).requires_grad_()


cross_entropy = functional.cross_entropy
WEIGHTS = [nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(3))]


def with_penalty(size: Callable[[Tensor], Tensor]) -> Tensor:
    return cross_entropy(logits(16, 3), LABELS) + 0.1 * sum(size(weight) for weight in WEIGHTS)


def ctc(answers: Tensor) -> Tensor:
    """Of two letters in nine frames, for two sequences."""
    return functional.ctc_loss(answers, torch.tensor([[1, 2], [2, 1]]), torch.tensor([9, 9]), torch.tensor([2, 2]))


@pytest.mark.parametrize(
    ("loss", "tag"),
    [
        (cross_entropy(logits(16, 3).softmax(1), LABELS), tags.GRAPH_SOFTMAX_TWICE),
        (cross_entropy(logits(2, 8, 3).softmax(-1).reshape(16, 3), LABELS), tags.GRAPH_SOFTMAX_TWICE),
        (cross_entropy(logits(2, 3, 4, 4).softmax(1), MAP), tags.GRAPH_SOFTMAX_TWICE),
        (functional.nll_loss(logits(16, 3).softmax(1), LABELS), tags.GRAPH_SOFTMAX_TWICE),
        (
            functional.binary_cross_entropy_with_logits(logits(16, 1).sigmoid(), torch.ones(16, 1)),
            tags.GRAPH_SOFTMAX_TWICE,
        ),
        (functional.nll_loss(nn.Linear(4, 3)(logits(16, 4)), LABELS), tags.GRAPH_RAW_SCORES),
        (functional.nll_loss(nn.Conv2d(3, 3, 1)(logits(2, 3, 4, 4)), MAP), tags.GRAPH_RAW_SCORES),
        (ctc(nn.Linear(3, 3)(logits(9, 2, 3))), tags.GRAPH_RAW_SCORES),
        (cross_entropy(logits(16, 3), LABELS, reduction="sum"), tags.GRAPH_SUMMED),
        (cross_entropy(logits(16, 3), LABELS, reduction="none").sum(), tags.GRAPH_SUMMED),
        (functional.mse_loss(logits(16, 3), torch.ones(16, 3), reduction="sum"), tags.GRAPH_SUMMED),
        (-cross_entropy(logits(16, 3), LABELS), tags.GRAPH_NEGATED),
        (cross_entropy(logits(16, 3), LABELS) * -1, tags.GRAPH_NEGATED),
        (1 - cross_entropy(logits(16, 3), LABELS), tags.GRAPH_NEGATED),
        (with_penalty(lambda weight: weight.abs().sum()), tags.GRAPH_PENALTY),
        (with_penalty(lambda weight: weight.pow(2).sum()), tags.GRAPH_PENALTY),
        (with_penalty(lambda weight: (weight * weight).sum()), tags.GRAPH_PENALTY),
        (with_penalty(torch.norm), tags.GRAPH_PENALTY),
        (with_penalty(torch.linalg.vector_norm), tags.GRAPH_PENALTY),
    ],
)
def test_a_fault_of_the_loss_shows_in_its_graph(loss: Tensor, tag: str) -> None:
    found = anatomy(loss)
    assert found.pop(tag) == 1
    assert not any(found.values())


@pytest.mark.parametrize(
    "loss",
    [
        cross_entropy(logits(16, 3), LABELS),
        cross_entropy(logits(16, 3), LABELS) / 4,
        functional.nll_loss(nn.Linear(4, 3)(logits(16, 4)).softmax(1).log(), LABELS),
        ctc(nn.Linear(3, 3)(logits(9, 2, 3)).log_softmax(-1)),
        cross_entropy(logits(16, 3), LABELS) + (torch.ones(5, 4) @ WEIGHTS[0]).abs().mean(),
        cross_entropy(logits(16, 3), LABELS) * (-WEIGHTS[1][0]).exp() + WEIGHTS[1][0],
        cross_entropy(logits(16, 3), LABELS, reduction="sum") / 16,
        cross_entropy(logits(16, 3), LABELS, reduction="none").mean(),
        cross_entropy(logits(16, 3), LABELS, label_smoothing=0.1),
        cross_entropy(logits(16, 3).log_softmax(1), LABELS),
        functional.nll_loss(logits(16, 3).log_softmax(1), LABELS),
        cross_entropy(logits(2, 3, 4, 4), MAP) + 0.1 * functional.mse_loss(logits(4, 4), torch.ones(4, 4)),
        cross_entropy(logits(16, 3).softmax(1) @ torch.ones(3, 3), LABELS),
        functional.binary_cross_entropy_with_logits(logits(16, 1), torch.ones(16, 1)),
    ],
)
def test_a_sound_loss_shows_none(loss: Tensor) -> None:
    found = anatomy(loss)
    assert found
    assert not any(found.values())


def test_a_loss_of_other_making_tells_nothing() -> None:
    assert anatomy((logits(4, 3) ** 2).mean()) == {}
    assert anatomy(torch.tensor(1.0)) == {}


def train(model: nn.Module, batches: Sequence[tuple[Tensor, Tensor]], lr: float = 0.0, epochs: int = 1) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for features, labels in [*batches] * epochs:
        optimizer.zero_grad()
        cross_entropy(model(features), labels).backward()
        optimizer.step()


def random_batches(count: int, size: int = 16, seed: int = 1) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, 8, generator=generator), torch.randint(3, (size,), generator=generator))
        for _ in range(count)
    ]


def sure_of_class_0() -> nn.Module:
    model = nn.Linear(8, 3)
    nn.init.zeros_(model.weight)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([8.0, 0.0, 0.0]))
    return model


def test_answers_are_compared_with_their_targets(run: Run, told: ToldReader) -> None:
    model = sure_of_class_0()
    attach(run, model)
    train(model, [(torch.randn(16, 8), torch.tensor([0] * 12 + [1] * 4))])
    (row,) = told().rows
    assert row.values[tags.FIT_ACCURACY] == 0.75
    assert row.values[tags.FIT_WRONG] == 0.25
    assert row.values[tags.FIT_TOP_SHARE] == 1
    assert row.values[tags.FIT_SPREAD] == 0  # the same answer whatever the input


def test_named_classes_are_counted_beside_the_targets(run: Run, told: ToldReader) -> None:
    model = sure_of_class_0()
    attach(run, model)
    train(model, random_batches(3))
    run.finish()
    named = [counts for counts in told().counts if counts.kind == "predictions"]
    assert sum(sum(counts.counts) for counts in named) == 48
    assert {class_id for counts in named for class_id in counts.classes} == {0}


def test_answers_about_pixels_are_sampled(run: Run, told: ToldReader) -> None:
    model = nn.Conv2d(1, 3, 1)
    attach(run, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    cross_entropy(model(torch.randn(2, 1, 32, 32)), torch.zeros(2, 32, 32, dtype=torch.long)).backward()
    optimizer.step()
    assert 0 <= told().rows[0].values[tags.FIT_ACCURACY] <= 1


def test_inputs_that_come_again_are_not_new(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    train(model, random_batches(3), epochs=2)
    read = told()
    assert read.values(tags.ROWS) == [16] * 6
    assert read.values(tags.ROWS_NEW) == [16] * 3 + [0] * 3
    assert read.values(tags.BATCH_LAG) == [0, 0, 0, 3, 3, 3]


def test_the_order_within_a_batch_tells_batches_apart(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    ((features, labels),) = random_batches(1)
    train(model, [(features, labels), (features.flip(0), labels.flip(0))])
    read = told()
    assert read.values(tags.ROWS_NEW) == [16, 0]
    assert read.values(tags.BATCH_LAG) == [0, 0]


def test_inputs_of_an_evaluation_are_compared_with_those_of_training(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5))
    attach(run, model)
    batches = random_batches(3)
    train(model, batches[:1])
    model.eval()
    with torch.no_grad():
        model(batches[0][0])
        model(5 * batches[1][0])
    model.train()
    train(model, batches[2:])
    values = told().rows[-1].values
    assert (values[tags.EVAL_ROWS], values[tags.EVAL_ROWS_TRAINED], values[tags.EVAL_BATCHES_NEW]) == (32, 16, 1)
    assert (values[tags.EVAL_PASSES], values[tags.EVAL_PASSES_TRAINING]) == (2, 0)
    assert values[tags.EVAL_BATCH_STD] > 3 * values[tags.BATCH_STD]
    assert values[tags.DROPOUT] == 0.5


def test_an_evaluation_in_training_mode_is_told(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5))
    attach(run, model)
    batches = random_batches(2)
    train(model, batches[:1])
    with torch.no_grad():
        model(batches[0][0])
    train(model, batches[1:])
    assert told().rows[-1].values[tags.EVAL_PASSES_TRAINING] == 1


def test_random_batches_show_no_order(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    train(model, random_batches(200))
    read = told()
    chi2, carry = read.values(tags.ORDER_CHI2), read.values(tags.ORDER_CARRY)
    assert sum(chi2) / len(chi2) == pytest.approx(1.0, abs=0.35)
    assert abs(sum(carry) / len(carry)) < 0.2


def test_sorted_batches_show_their_order(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    train(model, [(features, torch.full((16,), i // 20)) for i, (features, _) in enumerate(random_batches(60))])
    carry = told().values(tags.ORDER_CARRY)
    assert sum(carry) / len(carry) > 0.8


def test_ids_of_tokens_are_recognised_and_have_no_statistics(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(0, 1))
    attach(run, model)
    train(model, [(torch.arange(32).reshape(8, 4) % 10, torch.arange(32) % 3)], epochs=2)
    read = told()
    assert read.values(tags.BATCH_LAG) == [0, 1]
    assert read.values(tags.ROWS_GIVEN) == [8, 8]
    assert read.values(tags.BATCH_MEAN) == []


# --- how rough the inputs are -----------------------------------------------------------------------------------


def told_of_inputs(run: Run, told: ToldReader, inputs: Tensor) -> dict[str, float]:
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs[0].numel(), 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    attach(run, model, optimizer)
    cross_entropy(model(inputs), LABELS[: len(inputs)]).backward()
    optimizer.step()
    return told().rows[0].values  # type: ignore[no-any-return]


@pytest.mark.parametrize("shift", [lambda x: x, lambda x: 255 * x + 40], ids=["as is", "other units"])
@pytest.mark.parametrize("shape", [(8, 3, 32, 64), (8, 1, 64), (8, 64)])
def test_noise_is_rough_and_a_smooth_picture_is_not_in_whatever_units(
    run: Run, told: ToldReader, shape: tuple[int, ...], shift: Callable[[Tensor], Tensor]
) -> None:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert told_of_inputs(run, told, shift(noise))[tags.BATCH_ROUGHNESS] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("shape", [(8, 3, 32, 64), (8, 64)])
def test_a_smooth_picture_is_not_rough(run: Run, told: ToldReader, shape: tuple[int, ...]) -> None:
    waves = torch.linspace(0, 6.3, 64).sin().expand(shape)
    assert told_of_inputs(run, told, 3 * waves + 1)[tags.BATCH_ROUGHNESS] < 0.02


def test_inputs_without_content_are_counted_and_have_no_roughness(run: Run, told: ToldReader) -> None:
    inputs = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    inputs[:6] = 0
    values = told_of_inputs(run, told, inputs)
    assert values[tags.BATCH_CONSTANT] == 0.75
    assert tags.BATCH_ROUGHNESS not in values  # the lines are those of the first few


def test_inputs_that_are_numbers_are_told_as_such(run: Run, told: ToldReader) -> None:
    inputs = torch.zeros(8, 1, 64, 64)
    assert told_of_inputs(run, told, inputs)[tags.BATCH_NONFINITE] == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_element_that_is_no_number_is_seen_wherever_it_lies(run: Run, told: ToldReader, value: float) -> None:
    inputs = torch.zeros(8, 1, 64, 64)
    inputs[5, 0, 13, 17] = value
    assert told_of_inputs(run, told, inputs)[tags.BATCH_NONFINITE] == 1


@pytest.mark.parametrize(("shape", "per_row"), [((16, 8), 1.0), ((4, 5, 8), 5.0)])
def test_targets_of_tokens_are_more_than_inputs(
    run: Run, told: ToldReader, shape: tuple[int, ...], per_row: float
) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    answers = model(torch.randn(shape)).reshape(-1, 3)
    cross_entropy(answers, torch.zeros(len(answers), dtype=torch.long)).backward()
    optimizer.step()
    assert told().values(tags.TARGETS_PER_ROW) == [per_row]


def test_padding_is_no_class(run: Run, told: ToldReader) -> None:
    """Nor does it count for the order of the classes: torch hands out -100 as its two's complement."""
    model = nn.Linear(8, 3)
    attach(run, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    labels = torch.tensor([0, 1, 2, -100] * 4)
    found = labels_of_cross_entropy(cross_entropy(model(torch.randn(16, 8)), labels))
    assert found is not None and found.ignored == -100
    cross_entropy(model(torch.randn(16, 8)), labels).backward()
    optimizer.step()
    assert [counts.classes for counts in told().counts if counts.kind == "targets"] == [[0, 1, 2]]
