"""Rows become columns without loss, in order, in messages of a bounded size."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dettui_probe import framing, wire
from dettui_probe.encode import BATCH_BYTES, Encoder, as_number, plain
from dettui_probe.fence import Fence, Ledger
from dettui_probe.recorder import Row

HELLO = wire.Hello((1, 0), "r", "b", 0, 1, "r", "h", "", 1, 1, 0.0, [], "", "", "0")
tags = st.sampled_from(["loss/total", "lr/pg0", "grad/norm", "été", "a" * 200])
floats = st.floats(width=64)
rows = st.builds(
    Row, st.integers(-(2**53) + 1, 2**53 - 1), st.floats(0, 2e9), st.dictionaries(tags, floats, max_size=5)
)


def encoder() -> Encoder:
    return Encoder(HELLO, Fence("values", Ledger(lambda *_: None), 20))


def encoded(items: Sequence[Row | wire.Event], writer: Encoder | None = None) -> list[wire.AnyMessage]:
    writer = writer or encoder()
    for item in items:
        if isinstance(item, Row):
            writer.add_row(item)
        else:
            writer.add_message(item)
    return decoded(writer)


def decoded(writer: Encoder) -> list[wire.AnyMessage]:
    messages = [wire.decode(packet.payload) for packet in writer.packets()]
    assert None not in messages
    return [message for message in messages if message is not None]


def rows_of(messages: Sequence[wire.AnyMessage]) -> list[tuple[int, float, dict[str, float]]]:
    names: dict[int, str] = {}
    found = []
    for message in messages:
        if isinstance(message, wire.Tags):
            assert message.first == len(names), "columns are declared in order, each once"
            names.update(enumerate(message.names, start=message.first))
        elif isinstance(message, wire.Batch):
            for block in message.blocks:
                width = len(block.columns)
                steps = struct.unpack(f"<{len(block.steps) // 8}q", block.steps)
                times = struct.unpack(f"<{len(steps)}d", block.times)
                values = struct.unpack(f"<{len(steps) * width}d", block.values)
                for index, (step, time) in enumerate(zip(steps, times, strict=True)):
                    row = values[index * width : (index + 1) * width]
                    found.append((step, time, {names[c]: v for c, v in zip(block.columns, row, strict=True)}))
    return found


def key(row: tuple[int, float, dict[str, float]]) -> str:
    return repr((row[0], row[1], sorted(row[2].items())))


@given(st.lists(rows, max_size=60))
@settings(deadline=None)
def test_every_row_comes_back_exactly_and_rows_of_the_same_tags_in_order(given_rows: list[Row]) -> None:
    back = rows_of(encoded(given_rows))
    expected = [(row.step, row.time, dict(row.values)) for row in given_rows if row.values]
    assert sorted(map(key, back)) == sorted(map(key, expected))
    for group in {tuple(row.values) for row in given_rows}:
        assert [key(row) for row in back if tuple(row[2]) == group] == [
            key(row) for row in expected if tuple(row[2]) == group
        ]


def test_nan_and_infinity_come_through() -> None:
    ((_, _, values),) = rows_of(encoded([Row(1, 0.0, {"a": math.nan, "b": math.inf, "c": -math.inf})]))
    assert math.isnan(values["a"])
    assert (values["b"], values["c"]) == (math.inf, -math.inf)


def test_messages_stay_within_the_size_that_bounds_the_live_queue() -> None:
    writer = encoder()
    for step in range(5000):
        writer.add_row(Row(step, 0.0, {f"v{i}": 1.0 for i in range(10)}))
    assert max(len(packet.payload) for packet in writer.packets()) <= BATCH_BYTES + 256


def test_a_row_of_a_hundred_thousand_values_is_cut_by_columns() -> None:
    writer = encoder()
    writer.add_row(Row(1, 0.0, {f"layer/{i}": float(i) for i in range(60_000)}))
    packets = writer.packets()
    assert max(len(packet.payload) for packet in packets) <= 2 * BATCH_BYTES
    back = rows_of([message for packet in packets if (message := wire.decode(packet.payload))])
    assert {tag: value for _, _, values in back for tag, value in values.items()} == {
        f"layer/{i}": float(i) for i in range(60_000)
    }


def test_rows_before_an_event_stay_before_it() -> None:
    event = wire.Event(1, 0.0, "note", "x")
    messages = encoded([Row(1, 0.0, {"a": 1.0}), event, Row(2, 0.0, {"a": 2.0})])
    assert [type(message).__name__ for message in messages] == ["Tags", "Batch", "Event", "Batch"]


def test_tags_endlessly_new_end_at_a_limit_and_the_known_ones_go_on() -> None:
    writer = encoder()
    for start in range(0, 80_000, 500):
        writer.add_row(Row(start, 0.0, {"loss": 1.0, **{f"loss/{start + i}": 1.0 for i in range(500)}}))
    back = rows_of(decoded(writer))
    assert len({tag for _, _, values in back for tag in values}) == 65_536
    assert [step for step, _, values in back if "loss" in values] == list(range(0, 80_000, 500))
    assert writer.refused


def test_the_preamble_declares_every_column_sent_so_far() -> None:
    writer = encoder()
    writer.add_row(Row(1, 0.0, {"a": 1.0, "b": 2.0}))
    writer.packets()
    hello, tags_message = [wire.decode(packet.payload) for packet in writer.preamble()]
    assert hello == HELLO
    assert tags_message == wire.Tags(0, ["a", "b"])
    assert all(packet.introduces for packet in writer.preamble())


@pytest.mark.parametrize("step", ["one", None, math.nan, math.inf, 1 << 60])
def test_a_row_without_a_usable_step_is_refused(step: object) -> None:
    writer = encoder()
    writer.add_row(Row(step, 0.0, {"a": 1.0}))  # type: ignore[arg-type]
    assert writer.packets() == []
    assert writer.refused == {"step": 1}


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), (True, 1.0), (0.5, 0.5), ("1", None), (None, None), ([1.0], None), (10**400, None), (1j, None)],
)
def test_only_numbers_are_numbers(value: object, number: float | None) -> None:
    assert as_number(value) == number


def test_an_event_with_data_of_any_kind_is_recorded_as_far_as_it_goes() -> None:
    data = {"ok": 1, "list": [1, 2.5, "x"], "object": object, "deep": {"a": {1: 2}}, "big": 2**70, "set": {1}}
    (event,) = encoded([wire.Event(1, 0.0, "note", "x", data)])
    assert isinstance(event, wire.Event)
    assert event.data["ok"] == 1
    assert event.data["list"] == [1, 2.5, "x"]
    assert set(event.data) == set(data)


def test_an_event_beyond_a_frame_is_refused_and_counted() -> None:
    writer = encoder()
    writer.add_message(wire.Event(1, 0.0, "note", "x", {"blob": "x" * (framing.MAX_PAYLOAD + 1)}))
    assert writer.packets() == []
    assert writer.refused == {"Event": 1}


def test_config_keeps_scalars_and_turns_the_rest_to_text() -> None:
    kept = plain({"lr": 0.1, "n": None, "sizes": (1, 2), 3: True, "model": object, "big": 2**70})
    assert kept["lr"] == 0.1
    assert kept["n"] is None
    assert kept["sizes"] == [1, 2]
    assert kept["3"] is True
    assert kept["model"] == "<class 'object'>"
