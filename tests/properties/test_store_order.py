"""Whatever company a tag comes in, the store gives back exactly what came, in order."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dettui.store.run_store import RunStore
from dettui_probe import wire

TAGS = tuple("abcdef")
Row = tuple[int, dict[int, float]]

rows_of_a_run = st.lists(
    st.dictionaries(st.integers(0, len(TAGS) - 1), st.floats(allow_nan=False, width=32), min_size=1),
    min_size=1,
    max_size=60,
).map(lambda rows: list(enumerate(rows)))


def message(rows: list[Row]) -> wire.Batch:
    """Rows grouped by their columns, as the probe groups them."""
    groups: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[1]), []).append(row)
    return wire.Batch([grouped(columns, members) for columns, members in groups.items()])


def grouped(columns: tuple[int, ...], rows: list[Row]) -> wire.Block:
    steps = np.array([step for step, _ in rows], "<i8")
    values = np.array([[row[column] for column in columns] for _, row in rows], "<f8")
    return wire.Block(list(columns), steps.tobytes(), steps.astype("<f8").tobytes(), values.tobytes())


def expected(rows: list[Row], column: int) -> list[tuple[int, float]]:
    return [(step, row[column]) for step, row in rows if column in row]


def held(store: RunStore, tag: str) -> list[tuple[int, float]]:
    series = store.series(tag)
    return [] if series is None else list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(rows=rows_of_a_run, cuts=st.lists(st.integers(0, 60), max_size=6))
def test_every_tag_is_given_back_in_order(rows: list[Row], cuts: list[int]) -> None:
    store = RunStore()
    store.apply(wire.Tags(0, list(TAGS)))
    edges = sorted({0, *cuts, len(rows)})
    for first, last in itertools.pairwise(edges):
        store.apply(message(rows[first:last]))
    for column, tag in enumerate(TAGS):
        assert held(store, tag) == expected(rows, column)
    assert store.points == sum(len(row) for _, row in rows)


@settings(max_examples=100, deadline=None)
@given(rows=rows_of_a_run, cuts=st.lists(st.integers(-1, 60), max_size=5))
def test_splitting_a_message_at_any_steps_changes_nothing(rows: list[Row], cuts: list[int]) -> None:
    store = RunStore()
    store.apply(wire.Tags(0, list(TAGS)))
    edges: list[int | None] = [None, *sorted(set(cuts)), None]
    for after, upto in itertools.pairwise(edges):
        store.apply_rows(message(rows), after=after, upto=upto)
    for column, tag in enumerate(TAGS):
        assert held(store, tag) == expected(rows, column)
