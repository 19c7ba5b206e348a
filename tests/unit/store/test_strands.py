"""Starts of one run: their rows stay apart, and none is lost."""

from __future__ import annotations

import numpy as np

from dettui.store.columns import Rows
from dettui.store.table import Block, Table


def rows(first: int, last: int, value: float) -> Block:
    steps = np.arange(first, last + 1)
    return Block(("loss",), Rows(steps, steps * 1.0, np.full((len(steps), 1), value)))


def started_thrice(table: Table) -> Table:
    """A run that came to step 100, began again at 60 and at 80."""
    for start, (first, last) in enumerate(((1, 100), (60, 130), (80, 90))):
        if start:
            table.begin_strand()
        table.append([rows(first, last, float(start))])
    return table


def test_the_points_of_each_start_are_a_strand_of_its_own_with_rising_steps() -> None:
    series = started_thrice(Table(10**6)).series("loss")
    assert series is not None
    assert [(int(s.steps[0]), int(s.steps[-1]), len(s)) for s in series.strands] == [
        (1, 100, 100),
        (60, 130, 71),
        (80, 90, 11),
    ]
    assert all((np.diff(strand.steps) > 0).all() for strand in series.strands)
    assert sum(len(strand) for strand in series.strands) == len(series)


def test_a_start_without_rows_is_no_strand() -> None:
    table = started_thrice(Table(10**6))
    table.begin_strand()
    table.begin_strand()
    series = table.series("loss")
    assert series is not None
    assert len(series.strands) == 3
    table.append([rows(1, 5, 9.0)])
    again = table.series("loss")
    assert again is not None
    assert [len(strand) for strand in again.strands] == [100, 71, 11, 5]


def test_strands_stay_apart_where_old_rows_are_thinned() -> None:
    series = started_thrice(Table(150)).series("loss")
    assert series is not None
    assert len(series) < 182
    assert [sorted(set(strand.values.tolist())) for strand in series.strands] == [[0.0], [1.0], [2.0]]
    assert series.strands[-1].steps[-1] == 90


def test_a_run_that_was_started_once_has_one_strand() -> None:
    table = Table(10**6)
    table.append([rows(1, 10, 1.0)])
    series = table.series("loss")
    assert series is not None
    assert series.strands == (series,)
