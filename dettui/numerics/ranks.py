"""Comparisons by rank."""

from __future__ import annotations

import numpy as np

from dettui.domain.series import Floats


def mann_whitney_z(early: Floats, late: Floats) -> float:
    """Standardised U of *late* over *early*, ties counted half: above 0 where *late* tends to be larger.

    ``z = (U - n1 n2 / 2) / sqrt(n1 n2 (n1 + n2 + 1) / 12)`` without tie correction, hence slightly cautious.
    """
    n1, n2 = len(early), len(late)
    larger = np.sign(late[:, None] - early[None, :])
    u = float((larger + 1.0).sum()) / 2.0
    return (u - n1 * n2 / 2.0) / float(np.sqrt(n1 * n2 * (n1 + n2 + 1) / 12.0))
