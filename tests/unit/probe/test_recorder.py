"""The queue keeps the newest, counts what it pushed out, and wakes nobody unasked."""

from __future__ import annotations

import threading

from dettui_probe.recorder import Recorder, Row


def row(step: int) -> Row:
    return Row(step, 0.0, {"loss": 1.0})


def taken(recorder: Recorder) -> list[int]:
    steps = []
    while (item := recorder.take()) is not None:
        assert isinstance(item, Row)
        steps.append(item.step)
    return steps


def test_items_come_out_in_the_order_they_went_in() -> None:
    recorder = Recorder()
    for step in range(100):
        recorder.put(row(step))
    assert taken(recorder) == list(range(100))
    assert recorder.dropped == 0


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    recorder = Recorder(capacity=10)
    for step in range(25):
        recorder.put(row(step))
    assert taken(recorder) == list(range(15, 25))
    assert recorder.dropped == 15


def test_drops_are_counted_exactly_with_many_threads() -> None:
    recorder = Recorder(capacity=100)

    def work() -> None:
        for step in range(5000):
            recorder.put(row(step))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    kept = 0
    while any(thread.is_alive() for thread in threads):
        kept += len(taken(recorder))
    kept += len(taken(recorder))
    assert kept + recorder.dropped == 8 * 5000


def test_a_silenced_recorder_takes_nothing_more_but_gives_what_it_has() -> None:
    recorder = Recorder()
    recorder.put(row(1))
    recorder.silence()
    recorder.put(row(2))
    assert taken(recorder) == [1]


def test_a_ring_ends_the_wait_and_many_rings_end_it_once() -> None:
    recorder = Recorder()
    for _ in range(5):
        recorder.ring()
    recorder.wait(60)
    assert recorder._bell.empty()


def test_a_plain_put_rings_no_bell_and_an_urgent_one_does() -> None:
    recorder = Recorder()
    recorder.put(row(1))
    assert recorder._bell.empty()
    recorder.put_urgent(row(2))
    assert not recorder._bell.empty()
