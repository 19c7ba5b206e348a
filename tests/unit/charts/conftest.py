"""Series for the tests of charts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dettui.domain.series import Series

MakeSeries = Callable[..., Series]


@pytest.fixture
def series() -> MakeSeries:
    """Makes a series of values at steps, counted from 0 where not given."""

    def make(values: object, *, tag: str = "loss/total", steps: object = None, unit: str = "") -> Series:
        array = np.asarray(values, dtype=np.float64)
        at = np.arange(len(array)) if steps is None else np.asarray(steps, dtype=np.int64)
        return Series(tag, at, array, at * 0.1, unit)

    return make
