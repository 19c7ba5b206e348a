"""An extract of a long backlog: small, true to the rows that it leaves out, and silent about no event."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dettui.feed.agent.extract import Extract
from dettui_probe import wire
from dettui_probe.framing import Frame, Scanner

BUDGET = 4_000
EVENT = wire.Event(5, 1.0, "checkpoint", "written")


def batch(columns: Sequence[int], first: int, rows: Sequence[Sequence[float]]) -> wire.Batch:
    steps = range(first, first + len(rows))
    flat = [value for row in rows for value in row]
    block = wire.Block(
        list(columns),
        struct.pack(f"<{len(rows)}q", *steps),
        struct.pack(f"<{len(rows)}d", *(0.1 * step for step in steps)),
        struct.pack(f"<{len(flat)}d", *flat),
    )
    return wire.Batch([block])


def curve(values: Iterable[float], per_batch: int = 10, column: int = 0) -> list[wire.AnyMessage]:
    """One column at steps 0, 1, ..., in batches."""
    rows = [[value] for value in values]
    return [batch([column], at, rows[at : at + per_batch]) for at in range(0, len(rows), per_batch)]


def frames_of(messages: Iterable[wire.AnyMessage]) -> list[Frame]:
    return [Frame(seq, wire.encode(message)) for seq, message in enumerate(messages)]


def extract(messages: Iterable[wire.AnyMessage], budget: int = BUDGET) -> Extract:
    made = Extract(-1, budget)
    for frame in frames_of(messages):
        made.add(frame)
    return made


def told(made: Extract) -> tuple[list[wire.AnyMessage], int, int]:
    """The messages of an extract, its bytes, and how many rows it left out."""
    data, left_out = made.packed()
    frames = [item for item in Scanner().feed(data) if isinstance(item, Frame)]
    assert [frame.seq for frame in frames] == sorted({frame.seq for frame in frames})
    messages = [wire.decode(frame.payload) for frame in frames]
    assert None not in messages
    return [message for message in messages if message is not None], len(data), left_out


def points(messages: Iterable[wire.AnyMessage], column: int = 0) -> dict[int, float]:
    """Step -> value of one column."""
    found: dict[int, float] = {}
    for message in messages:
        for block in message.blocks if isinstance(message, wire.Batch) else ():
            if column in block.columns:
                values = np.frombuffer(block.values).reshape(-1, len(block.columns))
                steps = np.frombuffer(block.steps, np.int64).tolist()
                found.update(zip(steps, values[:, block.columns.index(column)].tolist(), strict=True))
    return found


NOISE = np.random.default_rng(0).normal(1.0, 0.1, 5_000).tolist()


def test_a_long_curve_becomes_a_short_one_with_its_newest_point() -> None:
    messages, size, left_out = told(extract(curve(NOISE)))
    kept = points(messages)
    assert size < 1.3 * BUDGET
    assert left_out == len(NOISE) - len(kept)
    assert len(kept) > 50
    assert max(kept) == len(NOISE) - 1
    assert all(kept[step] == NOISE[step] for step in kept)


def test_noise_looks_as_wide_as_it_is() -> None:
    kept = list(points(told(extract(curve(NOISE)))[0]).values())
    assert np.std(kept) == pytest.approx(np.std(NOISE), rel=0.25)


def test_a_spike_of_one_step_stays() -> None:
    values = [*NOISE]
    values[1_233] = 10.0
    assert points(told(extract(curve(values)))[0])[1_233] == 10.0


def test_a_count_that_is_zero_but_once_stays() -> None:
    values = [0.0] * 5_000
    values[777] = 1.0
    assert points(told(extract(curve(values)))[0])[777] == 1.0


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_the_first_value_that_is_not_finite_stays(odd: float) -> None:
    values = [*NOISE]
    values[2_001] = odd
    values[2_002] = 0.5
    assert str(points(told(extract(curve(values)))[0])[2_001]) == str(odd)


def test_columns_that_come_seldom_stay_complete() -> None:
    messages = curve(NOISE)
    for place in range(20):
        messages.insert(25 * place, batch([7], 250 * place, [[0.01 * place]]))
    assert len(points(told(extract(messages))[0], column=7)) == 20


def test_events_are_never_thinned_and_keep_their_place_among_the_rows() -> None:
    messages = curve(NOISE)
    messages.insert(250, EVENT)
    found, _, _ = told(extract(messages))
    place = found.index(EVENT)
    assert max(points(found[:place])) < 2_500 <= min(points(found[place:]))


def test_hello_and_names_come_before_everything() -> None:
    names = wire.Tags(0, ["loss/total"])
    assert told(extract([names, *curve(NOISE)]))[0][0] == names


def test_of_beats_the_newest_stays() -> None:
    beats = [wire.Beat(float(second), second, "data", 0.01, 0) for second in range(100)]
    assert [m for m in told(extract([*beats, *curve(NOISE)]))[0] if isinstance(m, wire.Beat)] == [beats[-1]]


def test_class_counts_are_added_up() -> None:
    counts = [wire.Counts(step, float(step), "targets", [1, step % 3 + 2], [10, 300]) for step in range(30)]
    (total,) = [m for m in told(extract([*counts, *curve(NOISE)]))[0] if isinstance(m, wire.Counts)]
    assert dict(zip(total.classes, total.counts, strict=True)) == {1: 300, 2: 3000, 3: 3000, 4: 3000}
    assert (total.kind, total.step, total.time) == ("targets", 29, 29.0)


def test_pictures_too_large_for_the_link_are_left_out() -> None:
    picture = wire.Picture(0, 96, 96, bytes(3 * 96 * 96), [], [], 0, 96, 96, 0.0, 1.0, False)
    found, size, _ = told(extract([wire.Pictures(1, 1.0, [picture]), *curve(NOISE)]))
    assert not [m for m in found if isinstance(m, wire.Pictures)]
    assert size < 1.3 * BUDGET


def test_messages_that_must_not_be_thinned_fill_it_and_the_rest_waits() -> None:
    made = extract([wire.Event(step, 1.0, "note", "x" * 100) for step in range(100)])
    assert made.is_full


def test_frames_that_are_missing_are_counted() -> None:
    made = Extract(9, BUDGET)
    for seq in (10, 13):
        made.add(Frame(seq, wire.encode(EVENT)))
    assert (made.upto, made.lost) == (13, 2)


def test_a_short_backlog_is_whole() -> None:
    messages, _, left_out = told(extract(curve(NOISE[:50])))
    assert (len(points(messages)), left_out) == (50, 0)


def test_blocks_whose_sizes_contradict_each_other_are_passed_over() -> None:
    broken = wire.Batch([wire.Block([0, 1], bytes(8), bytes(8), bytes(8)), wire.Block([], b"", b"", b"")])
    assert told(extract([broken]))[0] == []


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(1, 500))
def test_any_payloads_are_thinned_without_complaint(payloads: list[bytes], budget: int) -> None:
    made = Extract(-1, budget)
    for seq, payload in enumerate(payloads):
        made.add(Frame(seq, payload))
    made.packed()


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=300),
    st.integers(1, 30),
    st.integers(50, 2_000),
)
def test_what_is_kept_is_what_was_logged(values: list[float], per_batch: int, budget: int) -> None:
    messages, _, left_out = told(extract(curve(values, per_batch), budget))
    kept = points(messages)
    assert len(values) - 1 in kept
    assert left_out == len(values) - len(kept)
    assert all(kept[step] == values[step] or math.isnan(values[step]) for step in kept)


@pytest.mark.parametrize("budget", [1, 100, 1_200])
def test_of_rows_wider_than_the_budget_the_newest_goes_and_the_one_that_stands_out(budget: int) -> None:
    rows = [[1.0 if step != 7 else 1e6] * 100 for step in range(40)]
    messages, size, left_out = told(
        extract([batch(range(100), 0, rows[:20]), batch(range(100), 20, rows[20:])], budget)
    )
    assert list(points(messages)) == [7, 39]
    assert (size < 2_000, left_out) == (True, 38)
