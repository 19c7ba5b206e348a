"""What a rank among others tells: parameters, batch, the wait for the others.  One process stands for all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from unit.capture.conftest import Told

from dettui_probe import tags
from dettui_probe.capture.attach import attach
from dettui_probe.capture.ranks import COMPACT_TAGS, Replica, checksum, is_in_ddp, is_time, read_batch
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.run import Run


@pytest.fixture
def group() -> Iterator[None]:
    """torch.distributed, with this process as its only rank."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def values_of(reading: Reading | None) -> dict[str, float]:
    assert reading is not None
    sheet = Sheet(1, 0.0, {}, False)
    reading.decode(list(reading.tensors), sheet)
    return sheet.values


def parameters_of(model: nn.Module) -> float:
    return values_of(Replica(model).read(()))[tags.RANK_PARAMETERS]


def test_equal_parameters_have_equal_checksums_and_a_small_change_anywhere_shows() -> None:
    model = net()
    before = parameters_of(model)
    assert parameters_of(copy.deepcopy(model)) == before
    for param in model.parameters():
        changed = copy.deepcopy(model)
        dict(changed.named_parameters())[next(n for n, p in model.named_parameters() if p is param)].data += 1e-3
        assert abs(parameters_of(changed) - before) > 1e-4


def test_a_tensor_that_was_scaled_shows() -> None:
    model = net()
    before = parameters_of(model)
    next(model.parameters()).data *= 1.01
    assert abs(parameters_of(model) - before) > 1e-3


def test_a_small_tensor_tells_as_much_as_a_large_one() -> None:
    whole = checksum([1.0, 1e6], [1.0, 1e6])
    assert checksum([1.001, 1e6], [1.0, 1e6]) - whole == pytest.approx(1e-3)
    assert checksum([1.0, 1.001e6], [1.0, 1e6]) - whole == pytest.approx(2e-3)


def test_a_tensor_of_zeros_tells_nothing() -> None:
    assert checksum([0.0, 1.0], [0.0, 1.0]) == 2.0


@pytest.mark.parametrize("mark", ["ds_id", "tensor_model_parallel", "skip_allreduce"])
def test_parameters_of_which_each_rank_has_its_part_are_not_compared(mark: str) -> None:
    model = net()
    setattr(next(model.parameters()), mark, 1)
    assert Replica(model).read(()) is None


def test_a_model_is_known_to_be_replicated_by_the_wrapper_that_holds_it(group: None) -> None:
    model = net()
    assert not is_in_ddp(model)
    wrapped = nn.parallel.DistributedDataParallel(model)
    assert is_in_ddp(wrapped)
    assert is_in_ddp(model)
    assert not is_in_ddp(net())
    assert values_of(Replica(model).read(()))[tags.RANK_REPLICATED] == 1.0


def batch_of(*args: object) -> dict[str, float]:
    reading = read_batch(args, {})
    return {} if reading is None else values_of(reading)


def test_a_batch_is_known_by_its_content() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert batch_of(images) == batch_of(images.clone()) == batch_of([images])
    assert batch_of(images) != batch_of(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize("given", [torch.zeros(2, 3, 8, 8), torch.tensor([1.0]), "text", torch.full((4, 4), torch.nan)])
def test_what_tells_nothing_of_a_batch_is_left_out(given: object) -> None:
    assert batch_of(given) == {}


def test_all_ranks_compare_at_the_same_steps() -> None:
    assert [step for step in range(1, 100) if is_time(step)] == [1, 2, 4, 8, 16, 32, 64, 96]


Read = Callable[[], Told]


def train(run: Run, told: Read, steps: int = 3) -> Told:
    model = nn.parallel.DistributedDataParallel(net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    for _ in range(steps):
        model(torch.rand(4, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return told()


def as_rank(monkeypatch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    from dettui_probe import identity

    monkeypatch.setattr(identity, "place", lambda _env: identity.Place(rank, world))


def test_rank_0_tells_everything_and_what_ranks_compare(
    group: None, run: Run, told: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_rank(monkeypatch, 0, 2)
    rows = train(run, told).rows
    assert {tags.UPDATE_RATIO, tags.RANK_PARAMETERS, tags.RANK_BATCH, tags.TIME_SYNC} <= set(rows[0].values)
    assert 0 <= rows[1].values[tags.TIME_SYNC] <= rows[1].values[tags.TIME_BACKWARD]


def test_other_ranks_tell_little_more_than_what_is_compared(
    group: None, run: Run, told: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_rank(monkeypatch, 1, 2)
    news = train(run, told)
    assert {tags.LOSS_TOTAL, tags.GRAD_NORM, tags.RANK_PARAMETERS, tags.TIME_SYNC} <= set(news.rows[0].values)
    assert set().union(*(row.values for row in news.rows)) <= COMPACT_TAGS
    assert news.counts == news.pictures == []


def test_tasks_that_do_not_know_of_each_other_tell_everything(
    run: Run, told: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_rank(monkeypatch, 1, 2)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    model(torch.rand(4, 8)).square().mean().backward()
    optimizer.step()
    (row,) = told().rows
    assert tags.UPDATE_RATIO in row.values
    assert tags.RANK_PARAMETERS not in row.values


def test_a_process_on_its_own_compares_nothing(group: None, run: Run, told: Read) -> None:
    assert not any(tag.startswith("ranks/") for row in train(run, told).rows for tag in row.values)


def test_the_loss_keeps_no_hook_of_ours(group: None, run: Run, told: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    as_rank(monkeypatch, 1, 2)
    train(run, told)
    model = net()
    attach(run, model, torch.optim.SGD(model.parameters(), lr=0.1))
    loss: Tensor = model(torch.rand(4, 8)).square().mean()
    loss.backward()
    assert not loss._backward_hooks
