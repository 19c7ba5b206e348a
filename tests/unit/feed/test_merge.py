"""Merge: two paths, one order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dettui.feed.agent.merge import MAX_WAITING, PATIENCE_S, Merge
from dettui_probe.framing import Frame


def frame(seq: int) -> Frame:
    return Frame(seq, b"")


def feed(merge: Merge, seqs: list[int], now: float = 0.0) -> list[int]:
    return [released.seq for seq in seqs for released in merge.offer(frame(seq), now)]


@given(st.integers(1, 30).flatmap(lambda count: st.permutations([*range(count), *range(count)])))
def test_two_copies_in_any_order_come_out_once_and_in_order(seqs: list[int]) -> None:
    assert feed(Merge(0), seqs) == list(range(len(seqs) // 2))


def test_a_frame_that_is_ahead_waits_for_the_other_path() -> None:
    merge = Merge(0)
    assert feed(merge, [0, 2, 3]) == [0]
    assert merge.is_waiting
    assert feed(merge, [1]) == [1, 2, 3]
    assert not merge.is_waiting


def test_a_gap_is_given_up_after_a_while_and_not_before() -> None:
    merge = Merge(0)
    feed(merge, [0, 5, 6, 9], now=10.0)
    assert merge.overdue(10.0 + PATIENCE_S) == []
    assert merge.overdue(10.1 + PATIENCE_S) == [frame(5), frame(6)]
    assert merge.overdue(10.2 + PATIENCE_S) == []
    assert merge.overdue(10.2 + 2 * PATIENCE_S) == [frame(9)]


def test_what_comes_after_its_gap_was_given_up_is_dropped() -> None:
    merge = Merge(0)
    feed(merge, [0, 2], now=0.0)
    merge.overdue(1.0)
    assert feed(merge, [1, 3], now=1.0) == [3]


def test_no_more_than_a_bounded_number_waits() -> None:
    merge = Merge(0)
    released = feed(merge, [0, *range(2, MAX_WAITING + 3)])
    assert released[:2] == [0, 2]
    assert not merge.is_waiting


def test_a_strand_without_a_beginning_starts_with_what_comes_first() -> None:
    assert feed(Merge(None), [41, 42]) == [41, 42]
