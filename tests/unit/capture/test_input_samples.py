"""Which elements of the inputs are looked at: batches, lists of images of different sizes, ids of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.rows import (
    LEAST_LINE,
    WIDTH,
    EvalBatches,
    Rows,
    Sample,
    finite_reading,
    roughness,
    sample,
    sums,
)
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
SIZES = ((64, 48), (200, 300), (40, 512), (90, 90), (64, 64), (33, 70))


def images(*, broken: int | None = None) -> list[Tensor]:
    """Noise in SIZES; image *broken* holds one NaN."""
    dice = torch.Generator().manual_seed(0)
    drawn = [torch.rand(3, *size, generator=dice) for size in SIZES]
    if broken is not None:
        drawn[broken][1, 7, 5] = math.nan
    return drawn


def values_of(taken: Sample) -> dict[str, float]:
    sheet = Sheet(1, 0.0, {}, False)
    reading = Rows().reading(taken)
    reading.decode(reading.tensors, sheet)
    return sheet.values


def nonfinite(inputs: object) -> float:
    sheet = Sheet(1, 0.0, {}, False)
    reading = finite_reading(sums([inputs], {}))
    reading.decode(reading.tensors, sheet)
    return sheet.values[tags.BATCH_NONFINITE]


# --- graphs, whose rows are nodes ---


def told_of(*batches: tuple[Tensor, Tensor]) -> list[dict[str, float]]:
    """What each of these batches of (nodes, edges) tells, one after the other."""
    known, told = Rows(), []
    for step, (nodes, edges) in enumerate(batches, 1):
        taken = sample([nodes, edges], {})
        assert taken is not None
        sheet = Sheet(step, 0.0, {}, False)
        reading = known.reading(taken)
        reading.decode(reading.tensors, sheet)
        told.append(sheet.values)
    return told


def test_nodes_without_features_are_neither_blank_inputs_nor_met_before() -> None:
    told = told_of(*[(torch.ones(40 + i, 1), torch.randint(40, (2, 90))) for i in range(4)])
    assert not any(tags.BATCH_STD in values or tags.ROWS in values or tags.BATCH_LAG in values for values in told)


def test_kinds_of_atoms_are_no_inputs() -> None:
    one_hot = [functional.one_hot(torch.arange(40 + i) % 7, 7).float() for i in range(4)]
    numbered = [
        torch.stack([torch.arange(40 + i) % 5, torch.arange(40 + i) % 3, torch.full((40 + i,), 9)], 1) for i in range(4)
    ]
    assert not any(tags.ROWS in values for values in told_of(*[(x, torch.randint(40, (2, 90))) for x in one_hot]))
    assert tags.ROWS not in told_of(*[(x, torch.randint(40, (2, 90))) for x in numbered])[-1]


def test_a_batch_came_before_where_all_that_is_given_did() -> None:
    nodes, edges = torch.randn(16, 4), torch.randint(16, (2, 30))
    lags = [values[tags.BATCH_LAG] for values in told_of((nodes, edges), (nodes, edges.flip(1)), (nodes, edges))]
    assert lags == [0, 0, 2]


@pytest.mark.parametrize("beside", [torch.arange(90), torch.rand(2, 3, 4, 5), torch.zeros(0, 2), torch.tensor(1.0)])
def test_what_is_given_beside_the_inputs_may_have_any_shape(beside: Tensor) -> None:
    assert told_of((torch.randn(16, 4), beside))[0][tags.ROWS_NEW] == 16


def test_one_picture_again_and_again_is_counted() -> None:
    one = torch.rand(1, 1, 6, 6).expand(8, 1, 6, 6)
    assert values_of(Sample(one.reshape(8, -1).clone(), None, None, 8))[tags.ROWS_NEW] == 1


# --- lists of images of different sizes -------------------------------------------------------------------------


def test_images_of_different_sizes_give_rows_and_lines_of_one_length() -> None:
    taken = sample([images()], {})
    assert taken is not None and taken.lines is not None
    assert taken.rows.shape[0] == len(SIZES)
    assert taken.rows.shape[1] <= WIDTH
    assert taken.lines.shape == (4, 48)  # of the first few, as long as the narrowest of them


def test_noise_is_as_rough_in_a_list_as_in_a_batch() -> None:
    taken = sample([images()], {})
    assert taken is not None
    assert values_of(taken)[tags.BATCH_ROUGHNESS] == pytest.approx(1, abs=0.25)


def test_smooth_images_of_different_sizes_are_not_rough() -> None:
    smooth = [torch.linspace(0, 6.3, width).sin().expand(3, height, width) for height, width in SIZES]
    taken = sample([smooth], {})
    assert taken is not None
    assert values_of(taken)[tags.BATCH_ROUGHNESS] < 0.02


def test_each_image_of_a_list_has_a_sum_of_its_own() -> None:
    given = images()
    taken = sums([given, [{"boxes": torch.zeros(1, 4)}] * len(given)], {})
    assert [float(one) for one in taken] == pytest.approx([float(image.sum()) for image in given], rel=1e-4)


@pytest.mark.parametrize("broken", range(len(SIZES)))
def test_one_image_of_a_list_that_holds_a_nan_is_counted(broken: int) -> None:
    assert nonfinite(images(broken=broken)) == 1
    assert nonfinite(images()) == 0


def test_blank_images_of_a_list_are_counted() -> None:
    blank = [torch.full((3, *size), 0.5) for size in SIZES[:2]] + images()[2:]
    taken = sample([blank], {})
    assert taken is not None
    assert values_of(taken)[tags.BATCH_CONSTANT] == pytest.approx(2 / 6)


# --- batches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_sum_of_a_large_batch_of_short_floats_does_not_run_over(dtype: torch.dtype) -> None:
    """255 a pixel is far beyond the range of a half, once a few hundred are summed."""
    assert nonfinite(torch.full((4, 3, 32, 32), 255.0, dtype=dtype)) == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_batch_is_one_tensor_however_many_elements_are_broken(value: float) -> None:
    batch = torch.rand(8, 3, 16, 16)
    batch[2] = value
    assert nonfinite(batch) == 1


def test_a_plus_and_a_minus_infinity_do_not_cancel() -> None:
    batch = torch.rand(8, 64)
    batch[0, 0], batch[7, 3] = math.inf, -math.inf
    assert nonfinite(batch) == 1


def test_inputs_given_by_name_are_looked_at_as_well() -> None:
    batch = torch.rand(8, 64)
    taken = sample([], {"features": batch})
    assert taken is not None and taken.lines is not None
    (total,) = sums([], {"features": batch})
    assert float(total) == pytest.approx(float(batch.sum()), rel=1e-4)


def test_a_line_is_a_stretch_of_neighbours_from_the_middle() -> None:
    batch = torch.arange(4 * 300.0).reshape(4, 300)
    taken = sample([batch], {})
    assert taken is not None and taken.lines is not None
    assert taken.lines.shape == (4, WIDTH)
    assert torch.equal(taken.lines[0], torch.arange(86.0, 214.0))


@pytest.mark.parametrize(("width", "lined"), [(LEAST_LINE, True), (LEAST_LINE - 1, False)])
def test_inputs_of_a_few_numbers_have_no_neighbours(width: int, lined: bool) -> None:
    taken = sample([torch.rand(16, width)], {})
    assert taken is not None
    assert (taken.lines is not None) is lined


def test_a_sample_is_a_copy() -> None:
    batch = torch.zeros(4, 3, 16, 16)
    taken = sample([batch], {})
    assert taken is not None and taken.lines is not None
    batch.fill_(9)
    assert not taken.rows.any() and not taken.lines.any()


def test_bytes_have_lines_and_no_sum() -> None:
    batch = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)
    taken = sample([batch], {})
    assert taken is not None and taken.lines is not None
    assert sums([batch], {}) == []


def test_flat_or_broken_lines_have_no_roughness() -> None:
    assert roughness([[1.0] * 16] * 4) is None
    assert roughness([[math.nan] * 16]) is None
    assert roughness([[math.inf, *[0.0] * 15]]) is None


# --- ids of tokens ----------------------------------------------------------------------------------------------


def test_rows_of_one_token_are_counted_whatever_pads_them() -> None:
    sentences = [[5, 7, 5, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [3, 3, 3, 3, 3], [0, 3, 3, 3, 0]]
    taken = sample([torch.tensor(sentences)], {})
    assert taken is not None
    values = values_of(taken)
    assert values[tags.BATCH_CONSTANT] == pytest.approx(3 / 5)
    assert tags.BATCH_MEAN not in values


def test_rows_of_a_few_ids_say_nothing() -> None:
    taken = sample([torch.tensor([[1, 1], [2, 2]])], {})
    assert taken is not None
    assert values_of(taken)[tags.BATCH_CONSTANT] == 0.0


def test_ids_of_tokens_have_no_sums_and_no_lines() -> None:
    tokens = torch.randint(0, 1000, (8, 64))
    assert sums([tokens], {}) == []
    taken = sample([tokens], {})
    assert taken is not None and taken.lines is None
    told = values_of(taken)
    assert told[tags.ROWS] == 8  # and are recognised when they come again
    assert [tag for tag in told if tag.startswith(tags.BATCH)] == [tags.BATCH_CONSTANT]


@pytest.mark.parametrize("passes", [3, 20, 100, 3000])
def test_the_end_of_an_evaluation_is_looked_at_however_long_it_is(passes: int) -> None:
    batches = EvalBatches()
    picked = [place for place in range(1, passes + 1) if batches.picks()]
    assert picked[:8] == list(range(1, min(passes, 8) + 1))
    assert picked[-1] > 0.86 * passes
    assert len(picked) < 60
    batches.restart()
    assert batches.picks()


def test_places_by_which_the_loss_is_differentiated_are_no_data() -> None:
    assert sample([torch.linspace(0, 1, 60)[:, None].requires_grad_()], {}) is None


def test_a_model_without_tensors_among_its_arguments_has_no_inputs() -> None:
    assert sample(["text"], {"n": 3}) is None
    assert sums(["text"], {"n": 3}) == []


# --- through a run ----------------------------------------------------------------------------------------------


class Pooled(nn.Module):
    """A classifier of lists of images."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 4)

    def forward(self, given: list[Tensor]) -> Tensor:
        return self.head(torch.stack([image.mean((1, 2)) for image in given]))  # type: ignore[no-any-return]


def step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Any, labels: Tensor) -> Tensor:
    optimizer.zero_grad()
    loss = functional.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    return loss.detach()


def test_a_run_on_lists_of_images_tells_of_its_inputs(run: Run, told: ToldReader) -> None:
    model = Pooled()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    attach(run, model, optimizer)
    for broken in (None, 5):
        step(model, optimizer, images(broken=broken), torch.arange(6) % 4)
    read = told()
    assert read.values(tags.BATCH_NONFINITE) == [0, 1]
    assert read.values(tags.ROWS) == [6, 6]
    assert len(read.values(tags.BATCH_ROUGHNESS)) >= 1


def test_a_run_on_tokens_tells_of_no_sums(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(0, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    attach(run, model, optimizer)
    step(model, optimizer, torch.arange(64).reshape(4, 16) % 10, torch.arange(64) % 3)
    read = told()
    assert read.values(tags.BATCH_NONFINITE) == read.values(tags.BATCH_ROUGHNESS) == []


def test_a_column_of_nan_is_counted_in_every_step(run: Run, told: ToldReader) -> None:
    """As after a division by a deviation of 0; such a batch has no mean to tell."""
    model = nn.Linear(16, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    attach(run, model, optimizer)
    inputs = torch.rand(8, 16)
    inputs[:, 3] = math.nan
    for _ in range(3):
        step(model, optimizer, inputs, torch.arange(8) % 3)
    read = told()
    assert read.values(tags.BATCH_NONFINITE) == [1, 1, 1]
    assert read.values(tags.BATCH_MEAN) == []


# --- what the answers cost --------------------------------------------------------------------------------------


def test_the_mean_of_the_answers_is_the_cross_entropy_without_what_is_added_to_it(run: Run, told: ToldReader) -> None:
    """A penalty on the weights is in the loss and not in the answers."""
    torch.manual_seed(0)
    model = nn.Linear(8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    attach(run, model, optimizer)
    inputs, labels = torch.randn(32, 8), torch.arange(32) % 3
    data = functional.cross_entropy(model(inputs), labels)
    whole = data + 5.0 * model.weight.square().sum()
    whole.backward()
    optimizer.step()
    (row,) = told().rows
    assert row.values[tags.FIT_LOSS_MEAN] == pytest.approx(float(data.detach()), rel=1e-5)
    assert float(whole.detach()) > 2 * row.values[tags.FIT_LOSS_MEAN]


def test_one_answer_that_is_sure_and_wrong_lifts_the_mean_and_not_the_median(run: Run, told: ToldReader) -> None:
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[20.0, 0.0], [0.0, 20.0]]))
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    attach(run, model, optimizer)
    labels = torch.arange(16) % 2
    inputs = functional.one_hot(labels, 2).float()
    inputs[0] = inputs[0].flip(0)
    step(model, optimizer, inputs, labels)
    (row,) = told().rows
    assert row.values[tags.FIT_LOSS_MEDIAN] == pytest.approx(0, abs=1e-5)
    assert row.values[tags.FIT_LOSS_MEAN] == pytest.approx(20 / 16, rel=1e-3)


@pytest.mark.parametrize("ignored", [255, -100, -1])
def test_targets_that_the_loss_ignores_do_not_count(run: Run, told: ToldReader, ignored: int) -> None:
    """Neither in what answers cost nor in how many of them are right."""
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 3.0]]))
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    attach(run, model, optimizer)
    classes = torch.arange(16) % 2
    labels = torch.where(torch.arange(16) < 4, ignored, classes)
    answered = model(functional.one_hot(classes, 2).float())
    loss = functional.cross_entropy(answered, labels, ignore_index=ignored)
    loss.backward()
    optimizer.step()
    (row,) = told().rows
    assert (row.values[tags.FIT_ACCURACY], row.values[tags.FIT_WRONG]) == (1, 0)
    assert row.values[tags.FIT_LOSS_MEAN] == pytest.approx(float(loss.detach()), rel=1e-5)
