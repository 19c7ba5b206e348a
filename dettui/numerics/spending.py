"""Limits that hold however often one looks: error spent over looks, so that watching longer raises no false alarm."""

from __future__ import annotations

from math import log, sqrt


def spent_p(alpha: float, look: int) -> float:
    """What the *look*-th look (from 1) may spend of *alpha*: ``alpha / (i (i + 1))``, which sums to *alpha*
    (diagnosis.md 3.1)."""
    return alpha / (look * (look + 1))


def spent_z(z: float, looks: float) -> float:
    """The limit at the *looks*-th independent look (from 1) that keeps all looks together at the error of one at *z*.

    From the tail ``exp(-z^2 / 2)``: each look spends ``1 / (i (i + 1))`` of it, hence ``sqrt(z^2 + 2 ln(i (i + 1)))``,
    counted so that the first look keeps *z*.
    """
    i = max(looks, 1.0)
    return sqrt(z * z + 2.0 * log(i * (i + 1.0) / 2.0))
