"""Export prints every point once, in order, and loses no NaN."""

from __future__ import annotations

import json
import math
import struct

from dettui.cli.export import Point, json_line, points_of
from dettui.feed.base import Arrival
from dettui.feed.scripted import ScriptedFeed
from dettui_probe import wire


def block(columns: list[int], rows: list[tuple[int, float, list[float]]]) -> wire.Block:
    return wire.Block(
        columns,
        b"".join(struct.pack("<q", step) for step, _, _ in rows),
        b"".join(struct.pack("<d", at) for _, at, _ in rows),
        b"".join(struct.pack("<d", value) for _, _, values in rows for value in values),
    )


def exported(*messages: wire.AnyMessage) -> list[Point]:
    return list(points_of(ScriptedFeed([Arrival("r", "b", 0, messages)])))


def test_points_come_row_by_row_under_their_names() -> None:
    rows = block([4, 5], [(1, 10.0, [0.5, 2.0]), (2, 11.0, [0.25, 3.0])])
    assert exported(wire.Tags(4, ["loss/total", "lr/pg0"]), wire.Batch([rows])) == [
        Point(1, 10.0, "loss/total", 0.5),
        Point(1, 10.0, "lr/pg0", 2.0),
        Point(2, 11.0, "loss/total", 0.25),
        Point(2, 11.0, "lr/pg0", 3.0),
    ]


def test_a_column_whose_name_was_lost_keeps_its_values() -> None:
    assert [point.tag for point in exported(wire.Batch([block([7], [(1, 0.0, [1.0])])]))] == ["unnamed/7"]


def test_a_block_whose_sizes_contradict_each_other_is_passed_over() -> None:
    whole = block([0], [(1, 0.0, [1.0]), (2, 0.0, [2.0])])
    assert exported(wire.Batch([wire.Block(whole.columns, whole.steps, whole.times, whole.values[:-3])])) == []
    assert exported(wire.Batch([wire.Block(whole.columns, whole.steps[:-3], whole.times, whole.values)])) == []


def test_what_is_not_finite_is_a_string_in_json() -> None:
    for value in (math.nan, math.inf, -math.inf):
        assert json.loads(json_line(Point(1, 0.0, "loss/total", value)))["value"] == str(value)
    assert json.loads(json_line(Point(1, 0.0, "loss/total", 0.5)))["value"] == 0.5
