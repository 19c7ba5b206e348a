"""Where on the axis of steps a run is evaluated."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dettui.engine.grid import GRID


def cell_end(step: int) -> int:
    return int(GRID.cell_ends(np.array([step]))[0])


def test_first_steps_are_evaluated_one_by_one() -> None:
    assert [cell_end(step) for step in (0, 1, 2, 63, 64)] == [0, 1, 2, 63, 64]


def test_grid_grows_coarser_with_the_steps() -> None:
    assert [cell_end(step) for step in (65, 68, 69, 256)] == [68, 68, 72, 256]
    assert [cell_end(step) for step in (257, 272, 273, 2048)] == [272, 272, 288, 2048]
    assert [cell_end(step) for step in (2049, 2080, 2081)] == [2080, 2080, 2112]


@given(st.integers(0, 10**9))
def test_cell_end_is_its_own_cell_and_never_before_its_step(step: int) -> None:
    end = cell_end(step)
    assert end >= step
    assert cell_end(end) == end


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_cells_keep_the_order_of_steps(a: int, b: int) -> None:
    assert cell_end(min(a, b)) <= cell_end(max(a, b))


def test_bands_meet_without_a_gap() -> None:
    ends = GRID.cell_ends(np.arange(1, 5000))
    assert (np.diff(np.unique(ends)) <= 32).all()
