"""Which programs may be used to tune, and which only to measure.  Fixed before tuning, never to be moved.

By program, because a fault is recognised far more easily in a program that was tuned on: published systems lose a
fifth of their accuracy from one to the other.  Each side has a detector, a network with BatchNorm and one without, one
with LayerNorm, SGD and Adam, and the schedules are spread over both.

This is the second split.  The first one had five of the ten older programs on each side.  Its test side was measured
twice, and whoever has seen a table chooses the next change by it, so that a third look would have measured a little of
what was tuned.  A side cannot be unseen.  All ten programs were therefore opened for tuning, and before anything was
changed by what they show, five programs were written that no rule has seen and whose authors had not looked at the
rules.  They differ from the ten in what they are and not only in their numbers: a recurrent network, separable
convolutions with SiLU, a mixer, dense regression, a detector without anchors and with BatchNorm.

What a measurement on the test side finds may be told to nobody in more detail than its tables until the thresholds are
frozen.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Side: TypeAlias = Literal["tune", "test"]

TUNE: Final = (
    "mlp", "cnn_bn", "chars", "segmentation", "two_stage", "regressor", "cnn", "resnet", "vit", "one_stage",
)  # fmt: skip
TEST: Final = ("gru", "mobile", "mixer", "depth", "fcos")
SIDES: Final[dict[Side, tuple[str, ...]]] = {"tune": TUNE, "test": TEST}


def side_of(program: str) -> Side:
    """The side on which *program* is."""
    return "tune" if program in TUNE else "test"
