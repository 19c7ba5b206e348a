"""Which programs may be used to tune, and which only to measure.  Fixed before tuning, never to be moved.

By program, because a fault is recognised far more easily in a program that was tuned on: published systems lose a
fifth of their accuracy from one to the other.  Each side has a detector, a network with BatchNorm and one without, a
transformer, SGD and Adam, and the schedules are spread over both.

The two-stage detector is on the side of tuning because all demos, on which the first rules were tuned, are Faster
R-CNN; so is the plain MLP, which resembles the networks of ``tests/bench/silence.py``.  What a measurement on the test
side finds may be told to nobody in more detail than its tables until the thresholds are frozen.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Side: TypeAlias = Literal["tune", "test"]

TUNE: Final = ("mlp", "cnn_bn", "chars", "segmentation", "two_stage")
TEST: Final = ("regressor", "cnn", "resnet", "vit", "one_stage")
SIDES: Final[dict[Side, tuple[str, ...]]] = {"tune": TUNE, "test": TEST}


def side_of(program: str) -> Side:
    """The side on which *program* is."""
    return "tune" if program in TUNE else "test"
