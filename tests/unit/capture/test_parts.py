"""The parts that need no loop: clock, budget, courier, contracts."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from dettui_probe import tags
from dettui_probe.capture.budget import CROWDED, VITAL, Budget, Instrument, planned_intervals
from dettui_probe.capture.clock import StepClock
from dettui_probe.capture.courier import Slot, SlotRing
from dettui_probe.capture.record import MAX_UNREAD, Post, Reading, Sheet
from dettui_probe.capture.torchlib import SAMPLE_WIDTH, sample_length, strided_view
from dettui_probe.fence import Fence, Ledger


def instrument(name: str, cost_s: float, importance: float = 1.0, *, exact: bool = False) -> Instrument:
    ledger = Ledger(lambda part, text: None)
    made = Instrument(name, Fence(name, ledger), Fence(name, ledger), importance, exact=exact)
    spend(made, cost_s)
    made.close_step(remember=True)
    return made


def spend(made: Instrument, seconds: float) -> None:
    made.spent_s += seconds


def test_the_phases_of_a_step_add_up_to_it() -> None:
    clock = StepClock(0.0)
    for phase, now in (("data", 1.0), ("forward", 3.0), ("backward", 4.0), ("optimizer", 6.0), ("data", 7.0)):
        clock.enter(phase, now)  # type: ignore[arg-type]
    times = clock.close_step()
    assert times[tags.TIME_DATA] == 2.0
    assert times[tags.TIME_BACKWARD] == 2.0
    assert times[tags.TIME_STEP] == 6.0


def test_loading_between_micro_batches_is_time_of_the_data() -> None:
    clock = StepClock(0.0)
    for phase, now in (("forward", 0.0), ("backward", 1.0), ("optimizer", 2.0), ("forward", 7.0), ("data", 8.0)):
        clock.enter(phase, now)  # type: ignore[arg-type]
    assert clock.close_step()[tags.TIME_DATA] == 5.0


def test_idle_time_is_in_no_step() -> None:
    clock = StepClock(0.0)
    for phase, now in (("forward", 0.0), ("idle", 1.0), ("forward", 100.0), ("data", 101.0)):
        clock.enter(phase, now)  # type: ignore[arg-type]
    assert clock.close_step()[tags.TIME_STEP] == 2.0


def test_what_fits_the_budget_is_measured_in_every_step() -> None:
    assert planned_intervals([instrument("a", 0.001), instrument("b", 0.002)], allowed_s=0.01) == [1, 1]


def test_a_plan_stays_within_what_is_allowed() -> None:
    made = [instrument("a", 0.004), instrument("b", 0.001), instrument("c", 0.01)]
    plan = planned_intervals(made, allowed_s=0.002)
    assert sum(i.cost_s / every for i, every in zip(made, plan, strict=True)) <= 0.002


def test_exact_checks_are_thinned_last() -> None:
    made = [instrument("statistics", 0.001), instrument("targets", 0.001, importance=32)]
    statistics, targets = planned_intervals(made, allowed_s=0.0012)
    assert targets == 1
    assert statistics > 1


def test_exact_checks_are_never_skipped_in_the_first_steps() -> None:
    made = instrument("targets", 1.0, exact=True)
    made.interval = 128
    assert all(made.due(step) for step in range(1, 65))
    assert not made.due(65)


def test_the_allowance_is_spent_before_anything_is_thinned() -> None:
    budget = Budget(0.01)
    made = budget.add(instrument("dear", 0.0))
    thinned_at = None
    for step in range(200):
        spend(made, 0.005)
        if budget.settle(step_s=0.1, probe_s=0.005) and thinned_at is None:
            thinned_at = step
    assert thinned_at is not None
    assert thinned_at >= Budget.ALLOWANCE_S / 0.005
    assert made.interval >= 4


def test_the_overhead_that_is_reported_is_the_one_that_was_spent() -> None:
    budget = Budget(0.01)
    for _ in range(200):
        budget.settle(step_s=0.1, probe_s=0.002)
    assert budget.overhead == pytest.approx(0.002 / 0.098, rel=0.01)


def test_what_the_writer_thread_cannot_read_in_time_is_measured_less_often_and_the_loss_goes_on() -> None:
    budget = Budget(0.01)
    loss, statistics = budget.add(instrument("loss", 0.0, importance=VITAL)), budget.add(instrument("statistics", 0.0))
    for _ in range(64):
        budget.settle(step_s=0.1, probe_s=0.0, unread=CROWDED + 1)
    assert loss.interval == 1
    assert statistics.interval > 1
    assert budget.thinned == {"statistics": statistics.interval}


def test_measuring_grows_dense_again_once_the_writer_thread_keeps_up() -> None:
    budget = Budget(0.01)
    made = budget.add(instrument("statistics", 0.0))
    for _ in range(64):
        budget.settle(step_s=0.1, probe_s=0.0, unread=CROWDED + 1)
    for _ in range(10_000):
        budget.settle(step_s=0.1, probe_s=0.0, unread=0)
    assert made.interval == 1
    assert not budget.thinned


def test_a_writer_thread_that_is_far_behind_is_still_given_the_loss() -> None:
    seen: list[object] = []
    post = Post()
    post.sent = MAX_UNREAD + 1
    vital = instrument("loss", 0.0, importance=VITAL)
    readings = [
        (made, Reading([torch.ones(1)], lambda arrived, _sheet: seen.append(arrived)))
        for made in (vital, instrument("statistics", 0.0))
    ]
    list(post.record(Sheet(1, 0.0, {}, False), readings).resolve())
    assert len(seen) == 1
    assert post.courier.dropped == 1


class FakeEvent:
    """Passes when told to."""

    def __init__(self) -> None:
        self.passed = False

    def record(self) -> None:
        self.passed = False

    def query(self) -> bool:
        return self.passed


def ring_of(slots: int) -> tuple[SlotRing, list[FakeEvent]]:
    events: list[FakeEvent] = []

    def new_event() -> FakeEvent:
        events.append(FakeEvent())
        return events[-1]

    return SlotRing(torch.zeros, new_event, slots), events


def test_a_parcel_brings_back_what_was_shipped() -> None:
    ring, events = ring_of(1)
    sent = [torch.arange(6.0).view(2, 3), torch.tensor([7, 8]), torch.zeros(0, 4)]
    parcel = ring.ship(sent)
    assert parcel is not None
    assert not parcel.ready()
    events[0].passed = True
    assert parcel.ready()
    assert [tensor.tolist() for tensor in parcel.open()] == [tensor.tolist() for tensor in sent]


def test_a_parcel_is_dropped_where_every_slot_is_under_way_and_nobody_waits() -> None:
    ring, _ = ring_of(2)
    kept = [ring.ship([torch.ones(1)]), ring.ship([torch.ones(1)])]
    assert ring.ship([torch.ones(1)]) is None
    kept.pop()
    assert ring.ship([torch.ones(1)]) is not None


def test_a_slot_grows_for_a_larger_parcel() -> None:
    ring, _ = ring_of(1)
    for size in (3, 1000):
        parcel = ring.ship([torch.ones(size)])
        assert parcel is not None
        assert parcel.open()[0].sum() == size
        del parcel


def test_a_slot_starts_free() -> None:
    assert Slot(FakeEvent()).free


@pytest.mark.parametrize("numel", [1, 5, SAMPLE_WIDTH, SAMPLE_WIDTH + 1, 4096, 1_000_003])
def test_a_sample_stays_in_its_tensor_and_within_its_width(numel: int) -> None:
    view = strided_view(torch.arange(float(numel)))
    assert len(view) == sample_length(numel) <= SAMPLE_WIDTH
    assert view[-1] <= numel - 1
    steps = {int(after - before) for before, after in pairwise(view.tolist())}
    assert len(steps) <= 1


def test_a_sample_of_a_slice_stays_in_the_slice() -> None:
    whole = torch.arange(100.0)
    assert strided_view(whole[10:20]).tolist() == list(range(10, 20))
