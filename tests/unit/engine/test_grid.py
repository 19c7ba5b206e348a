"""Where on the axis of steps a run is evaluated."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dettui.engine.grid import GRID, Strides

BOTH = pytest.mark.parametrize("cells", [GRID.exact, GRID.statistics], ids=["exact", "statistics"])


def test_exact_checks_look_at_the_first_steps_one_by_one() -> None:
    assert [GRID.exact.cell_end(step) for step in (0, 1, 2, 15, 16)] == [0, 1, 2, 15, 16]


def test_grid_grows_coarser_with_the_steps() -> None:
    assert [GRID.exact.cell_end(step) for step in (17, 20, 21, 64)] == [20, 20, 24, 64]
    assert [GRID.exact.cell_end(step) for step in (65, 80, 81, 1024)] == [80, 80, 96, 1024]
    assert [GRID.exact.cell_end(step) for step in (1025, 1056, 1057)] == [1056, 1056, 1088]


@given(st.integers(0, 10**9))
def test_a_cell_of_the_statistics_ends_where_an_exact_one_does(step: int) -> None:
    end = GRID.statistics.cell_end(step)
    assert GRID.exact.cell_end(end) == end
    assert GRID.exact.cell_end(step) <= end


@BOTH
@given(step=st.integers(0, 10**9))
def test_cell_end_is_its_own_cell_and_never_before_its_step(cells: Strides, step: int) -> None:
    end = cells.cell_end(step)
    assert end >= step
    assert cells.cell_end(end) == end


@BOTH
@given(a=st.integers(0, 10**6), b=st.integers(0, 10**6))
def test_cells_keep_the_order_of_steps(cells: Strides, a: int, b: int) -> None:
    assert cells.cell_end(min(a, b)) <= cells.cell_end(max(a, b))


@BOTH
def test_bands_meet_without_a_gap(cells: Strides) -> None:
    ends = sorted({cells.cell_end(step) for step in range(1, 5000)})
    assert all(later - end <= cells.after for end, later in pairwise(ends))
