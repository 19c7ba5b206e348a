"""Error spent over looks."""

from __future__ import annotations

import numpy as np

from dettui.numerics.spending import spent_p, spent_z


def test_all_looks_together_spend_no_more_than_alpha() -> None:
    assert sum(spent_p(0.01, look) for look in range(1, 10_000)) <= 0.01


def test_the_first_look_keeps_its_limit_and_later_ones_ask_for_more() -> None:
    limits = [spent_z(5.0, looks) for looks in (1, 2, 10, 1000)]
    assert limits[0] == 5.0
    assert limits == sorted(limits)
    assert limits[-1] < 7.5


def test_watching_longer_raises_no_false_alarm() -> None:
    """2,000 walks through independent looks: spent limits alarm less in 400 of them than one limit does in 40."""
    z = np.random.default_rng(0).standard_normal((2000, 400))
    limits = np.array([spent_z(2.5, look) for look in range(1, 401)])
    spent = float(np.mean((z > limits).any(axis=1)))
    fixed = float(np.mean((z[:, :40] > 2.5).any(axis=1)))
    assert spent < fixed / 3
