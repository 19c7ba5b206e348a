"""How much is asked of a link: what it carries in a quarter of a second, and of a fast one all there is."""

from __future__ import annotations

import random

import pytest

from dettui.feed.agent.protocol import MAX_BUDGET
from dettui.feed.ssh.backoff import LONGEST_S, Backoff
from dettui.feed.ssh.pace import Pace, PacePolicy


class Line:
    """A link of *rate* bytes a second and a round trip of *trip_s*, to a host whose clock is *ahead_s* ahead."""

    def __init__(self, rate: float, trip_s: float, ahead_s: float = 0.0, jitter_s: float = 0.0) -> None:
        self.rate, self.trip_s, self.ahead_s, self.jitter_s = rate, trip_s, ahead_s, jitter_s
        self.now = 1.7e9
        self._random = random.Random(0)

    def ask(self, pace: Pace, waiting: int, parked_s: float = 0.0) -> int:
        """One question and its answer, where *waiting* bytes are there; the bytes of the answer."""
        question = pace.question()
        size = min(waiting, max(question.budget, 200))
        asked, received = self.now, self.now + self.trip_s / 2 + self.ahead_s
        sent = received + parked_s
        late_s = self._random.random() * self.jitter_s
        took_s = self.trip_s + parked_s + size / self.rate + late_s
        self.now += took_s
        pace.note(asked, took_s, received, sent, size)
        return size


def after(line: Line, answers: int, waiting: int = 10 << 20) -> Pace:
    pace = Pace()
    for _ in range(answers):
        line.ask(pace, waiting)
    return pace


def test_a_slow_link_is_asked_for_a_quarter_of_a_second() -> None:
    pace = after(Line(20_000, 0.3), 10)
    pace.caught_up()
    assert pace.bytes_per_s == pytest.approx(20_000, rel=0.1)
    assert pace.question().budget == pytest.approx(5_000, rel=0.15)
    assert pace.question().patience == pytest.approx(10_000, rel=0.15)


def test_nothing_is_thinned_before_the_link_is_known() -> None:
    line, pace = Line(20_000, 0.3), Pace()
    for _ in range(3):  # the way alone, then two full answers
        assert pace.question().patience == 0
        line.ask(pace, 10 << 20)
    assert pace.question().patience > 0


def test_one_answer_that_was_held_up_makes_no_slow_link() -> None:
    line, pace = Line(50e6, 0.01), Pace()
    for held_up in (0.0, 0.0, 0.4, 0.0):
        line.trip_s = 0.01 + held_up
        line.ask(pace, 10 << 20)
        assert pace.question().patience == 0


def test_a_history_is_waited_for_longer_than_news() -> None:
    pace = after(Line(20_000, 0.3), 10)
    assert pace.question().patience == pytest.approx(40_000, rel=0.2)
    pace.caught_up()
    assert pace.question().patience == pytest.approx(10_000, rel=0.2)


def test_a_fast_link_is_soon_asked_for_all_it_may_carry_and_waited_for() -> None:
    pace = after(Line(50e6, 0.01), 8)
    assert pace.question().budget == MAX_BUDGET
    assert pace.question().patience == 0 or pace.question().patience > 100e6


def test_a_far_and_fast_link_is_taken_for_a_fast_one() -> None:
    pace = after(Line(10e6, 0.3), 12)
    assert pace.question().budget == MAX_BUDGET
    assert pace.question().patience > 50e6


def test_jitter_on_a_link_with_little_to_carry_makes_it_no_slow_one() -> None:
    line, pace = Line(10e6, 0.02, jitter_s=0.1), Pace()
    for _ in range(200):
        line.ask(pace, waiting=500)
    assert pace.question().patience == 0


def test_a_link_that_becomes_slow_is_noticed_and_one_that_recovers_too() -> None:
    line, pace = Line(2e6, 0.05), Pace()
    for _ in range(10):
        line.ask(pace, 10 << 20)
    line.rate = 20_000
    for _ in range(6):
        line.ask(pace, 10 << 20)
    assert pace.question().budget < 10_000
    line.rate = 2e6
    for _ in range(12):
        line.ask(pace, 10 << 20)
    assert pace.question().budget > 100_000


@pytest.mark.parametrize("ahead_s", [-10.0, 0.0, 10.0, 3_600.0])
def test_the_clock_of_the_host_is_known_to_half_a_round_trip(ahead_s: float) -> None:
    line, pace = Line(1e6, 0.3, ahead_s, jitter_s=0.05), Pace()
    for _ in range(20):
        line.ask(pace, waiting=300, parked_s=0.7)
    assert pace.clock_offset_s == pytest.approx(ahead_s, abs=0.15)
    assert pace.round_trip_s == pytest.approx(0.3, abs=0.03)


def test_waits_double_up_to_half_a_minute_and_begin_again_after_a_success() -> None:
    backoff = Backoff(seed=1)
    waits = [backoff.failed() for _ in range(8)]
    assert all(0.8 * 2**n <= wait <= 1.2 * 2**n for n, wait in enumerate(waits[:5]))
    assert all(wait <= 1.2 * LONGEST_S for wait in waits)
    assert len({round(wait / min(2.0**n, LONGEST_S), 3) for n, wait in enumerate(waits)}) > 1
    backoff.succeeded()
    assert backoff.failed() <= 1.2


def test_a_link_that_loses_segments_is_asked_for_less_until_it_has_lost_none_for_a_while() -> None:
    line = Line(20_000, 0.3)
    pace = after(line, 10)
    pace.caught_up()
    late(line, pace, 0.35)
    assert pace.question().budget == pytest.approx(0.12 * 20_000, rel=0.1)
    assert pace.bytes_per_s == pytest.approx(20_000, rel=0.1)
    for _ in range(PacePolicy().loss_memory + 1):
        line.ask(pace, 10 << 20)
    assert pace.question().budget == pytest.approx(0.25 * 20_000, rel=0.15)


def test_a_link_that_has_become_slower_is_learned_from_its_second_answer() -> None:
    line = Line(20_000, 0.3)
    pace = after(line, 10)
    line.rate = 4_000
    for _ in range(4):
        line.ask(pace, 10 << 20)
    assert pace.bytes_per_s == pytest.approx(4_000, rel=0.2)


def late(line: Line, pace: Pace, by_s: float) -> None:
    """One answer that comes *by_s* later than it should."""
    line.trip_s += by_s
    line.ask(pace, 10 << 20)
    line.trip_s -= by_s
