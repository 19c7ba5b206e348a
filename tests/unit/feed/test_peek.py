"""peek reads what wire writes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from dettui.feed.agent.peek import BeatSeen, ByeSeen, RowsSeen, is_batch, is_greeting, newest_row, peek
from dettui_probe import wire

steps = st.integers(-(2**63), 2**63 - 1)
times = st.floats(allow_nan=False)


@given(time=times, step=steps, phase=st.text(max_size=300))
def test_a_beat_is_read_as_it_was_written(time: float, step: int, phase: str) -> None:
    payload = wire.encode(wire.Beat(time, step, phase, 0.01, 3, {"layers": 10}))
    assert peek(payload) == BeatSeen(time, step, phase)


@given(time=times, step=steps, code=st.none() | st.integers(-255, 255), text=st.text(max_size=70_000))
def test_a_goodbye_is_read_as_it_was_written(time: float, step: int, code: int | None, text: str) -> None:
    assert peek(wire.encode(wire.Bye(time, step, "exit", code, text))) == ByeSeen(time, step, "exit", code, text)


def test_the_newest_row_of_a_batch_is_found(rows: Callable[..., wire.Batch]) -> None:
    batch = wire.Batch([*rows(1, 2, 7).blocks, *rows(5).blocks])
    assert is_batch(wire.encode(batch))
    assert newest_row(wire.encode(batch)) == RowsSeen(1007.0, 7)


def test_a_batch_with_many_columns_and_rows_is_read() -> None:
    block = wire.Block(list(range(0, 140_000, 2)), b"\1" * 80_000, b"\0" * 80_000, b"")
    assert newest_row(wire.encode(wire.Batch([block]))) == RowsSeen(0.0, int.from_bytes(b"\1" * 8, "little"))


def test_other_messages_hold_no_sign(hello: Callable[..., wire.Hello]) -> None:
    others = [hello(), wire.Tags(0, ["a"]), wire.Batch([]), wire.Counts(1, 1.0, "targets", [1], [1])]
    assert [peek(wire.encode(message)) for message in others] == [None] * 4
    assert [is_greeting(wire.encode(message)) for message in others] == [True, True, False, False]
    assert newest_row(wire.encode(others[2])) is None


@given(st.binary(max_size=200))
def test_anything_at_all_is_looked_at_without_complaint(data: bytes) -> None:
    for head in (b"", b"\x97\xa2hb", b"\x96\xa3bye", b"\x92\xa1b"):
        peek(head + data)
        newest_row(head + data)


def test_an_array_that_claims_to_be_huge_is_not_made() -> None:
    assert newest_row(b"\x92\xa1b\xdd\xff\xff\xff\xff") is None
