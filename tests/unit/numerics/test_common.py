"""Steps that series share, told fast where they are the same and right where they are not."""

from __future__ import annotations

import numpy as np

from dettui.numerics.common import common_places, common_steps, is_increasing


def test_series_that_came_together_share_all_their_steps() -> None:
    steps = np.arange(10, 70, 3)
    assert common_steps(steps, steps.copy(), steps).tolist() == steps.tolist()
    assert [places.tolist() for places in common_places(steps, steps.copy())] == [list(range(len(steps)))] * 2


def test_series_that_came_apart_share_those_that_both_hold() -> None:
    first, second = np.array([1, 2, 3, 5, 8]), np.array([2, 3, 4, 8])
    assert common_steps(first, second, np.array([3, 8, 9])).tolist() == [3, 8]
    assert [places.tolist() for places in common_places(first, second)] == [[1, 2, 4], [0, 1, 3]]


def test_a_step_that_came_twice_counts_once() -> None:
    twice = np.array([1, 2, 2, 3])
    assert not is_increasing(twice)
    assert common_steps(twice, twice).tolist() == [1, 2, 3]
