"""Several feeds as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from dettui.feed.base import Arrival, Feed
from dettui.feed.joined import JoinedFeed
from dettui.feed.scripted import ScriptedFeed
from dettui_probe import wire


def hello(run: str) -> wire.Hello:
    return wire.Hello((1, 1), run, "b" * 16, 0, 1, run, "h", "k", 1, 1, 1.0, [], "/", "python", "0")


def everything(*feeds: Feed) -> list[Arrival]:
    joined = JoinedFeed(feeds)
    found: list[Arrival] = []
    while not joined.exhausted():
        found += joined.poll(0.05)
    joined.close()
    return found


class Stuck:
    """A feed that never brings anything, and hangs until *is_free*."""

    def __init__(self) -> None:
        self.is_closed = False
        self.is_free = threading.Event()

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        self.is_free.wait()
        return ()

    def exhausted(self) -> bool:
        return False

    def close(self) -> None:
        self.is_closed = True


def test_everything_of_every_feed_comes_in_its_order() -> None:
    feeds = [ScriptedFeed([Arrival(f"r{n}", "b", 0, notice=str(i)) for i in range(100)]) for n in range(3)]
    found = everything(*feeds)
    for n in range(3):
        assert [arrival.notice for arrival in found if arrival.run == f"r{n}"] == [str(i) for i in range(100)]


def test_a_feed_that_is_stuck_holds_up_no_other_and_is_closed() -> None:
    stuck = Stuck()
    joined = JoinedFeed([stuck, ScriptedFeed([Arrival("r", "b", 0)])])
    found: list[Arrival] = []
    while not found:
        found += joined.poll(0.05)
    assert not joined.exhausted()
    stuck.is_free.set()
    joined.close()
    assert stuck.is_closed


def test_a_feed_that_is_not_read_asks_for_no_more() -> None:
    taken = threading.Semaphore(0)

    class Counting(ScriptedFeed):
        def poll(self, wait_s: float) -> Sequence[Arrival]:
            taken.release()
            return super().poll(wait_s)

    joined = JoinedFeed([Counting([Arrival("r", "b", 0, notice=str(i)) for i in range(1_000)])])
    joined.poll(1.0)
    time.sleep(0.3)
    assert taken._value < 20
    joined.close()


def test_two_runs_of_one_name_on_two_hosts_stay_apart() -> None:
    one = ScriptedFeed([Arrival("same", "boot-1", 0, (hello("same"),), host="gpu01")])
    other = ScriptedFeed([Arrival("same", "boot-2", 0, (hello("same"),), host="gpu02")])
    found = everything(one, other)
    assert len({arrival.run for arrival in found}) == 2
    for arrival in found:
        assert [message.run for message in arrival.messages if isinstance(message, wire.Hello)] == [arrival.run]


def test_ranks_of_one_run_on_two_hosts_stay_together() -> None:
    one = ScriptedFeed([Arrival("job", "boot-1", 0, host="gpu01"), Arrival("job", "boot-2", 1, host="gpu01")])
    other = ScriptedFeed([Arrival("job", "boot-3", 2, host="gpu02"), Arrival("job", "boot-4", 3, host="gpu02")])
    assert {arrival.run for arrival in everything(one, other)} == {"job"}


def test_what_comes_over_two_ways_is_taken_once() -> None:
    feeds = [ScriptedFeed([Arrival("r", "b", 0, notice=str(i)) for i in range(10)]) for _ in range(2)]
    assert len(everything(*feeds)) == 10


def test_closing_before_anything_was_read_closes_every_feed() -> None:
    stuck = Stuck()
    stuck.is_free.set()
    JoinedFeed([stuck]).close()
    assert stuck.is_closed
