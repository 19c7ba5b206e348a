"""What fitted and does so no longer: boxes their images, answers their own targets.

Neither comes down by itself.  Boxes describe the pixels or they do not, whatever is learnt; and what is learnt of the
inputs grows, or is learnt by heart, which fits as well.  Where such a share falls at one step, and stays there, the
data changed at it, or the network lost what it knew: seen whatever the loss is made of, and where it begins so high
that a rise from its best level is lost in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui.numerics.changepoint import share_fall
from dettui.numerics.proportions import clustered_bounds
from dettui_probe import tags


@dataclass(frozen=True)
class FallPolicy:
    """Of a share that falls at one cut."""

    trials: float  # at least, on either side
    bound_z: float  # standard errors of either side, over steps
    z: float  # of the fall; the cut is chosen among all
    apart: float = 0.05  # of the bounds of both sides


BOXES = FallPolicy(100, bound_z=4.0, z=6.0)
"""3.8 at most in 213 healthy runs of detectors on the fault bench; 9.6 and more where images or boxes broke."""

ANSWERS = FallPolicy(60, bound_z=2.5, z=4.5)
"""2.8 at most in 376 healthy runs there."""


@dataclass(frozen=True)
class Fallen:
    """Both sides of the step at which a share fell."""

    window: tuple[int, int]  # the second side
    before: float
    after: float
    z: float

    @property
    def step(self) -> int:
        """The first of it."""
        return self.window[0]


def read_fall(context: Context, won_tag: str, compared_tag: str, policy: FallPolicy) -> Fallen | None:
    """None where too little came, and where nothing fell beyond doubt."""
    won, compared = context.series(won_tag), context.series(compared_tag)
    if won is None or compared is None or len(won) != len(compared) or context.is_resumed:
        return None
    hits: Floats = won.values.astype("float64")
    trials: Floats = compared.values.astype("float64")
    found = share_fall(hits, trials, policy.trials)
    if found is None or found.z < policy.z:
        return None
    sides = [(hits[part], trials[part]) for part in (slice(found.index), slice(found.index, None))]
    at_least, at_most = (clustered_bounds(*side, policy.bound_z)[end] for side, end in zip(sides, (0, 1), strict=True))
    if at_least - at_most < policy.apart:
        return None
    before, after = (float(side[0].sum() / side[1].sum()) for side in sides)
    return Fallen((int(won.steps[found.index]), int(won.steps[-1])), before, after, found.z)


@dataclass(frozen=True)
class BoxesCameOff:
    """Boxes stood out on their own images, and from one step on many of them do not."""

    policy: FallPolicy = BOXES
    name: str = "boxes_came_off"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.PAIRING_BOXES)
        if missing:
            return Abstention(self.name, missing)
        fallen = read_fall(context, tags.PAIRING_BEATS_OTHER, tags.PAIRING_BOXES, self.policy)
        if fallen is None:
            return ()
        text = (
            f"before step {fallen.step} {fallen.before:.0%} of the boxes stand out more on their own image than on "
            f"another one, since then {fallen.after:.0%}; chance is 50 %"
        )
        proof = Evidence(tags.PAIRING_BEATS_OTHER, fallen.window, fallen.z, self.policy.z, ">", text)
        title = f"Boxes and images no longer fit since step {fallen.step}"
        return (told_by([proof], "distribution_shift", "warning", title, key="pairing"),)


@dataclass(frozen=True)
class Unlearnt:
    """Answers fitted their own targets, and from one step on they do so less."""

    policy: FallPolicy = ANSWERS
    name: str = "unlearnt"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.FIT_PAIRS)
        if missing:
            return Abstention(self.name, missing)
        fallen = read_fall(context, tags.FIT_PAIRS_OWN, tags.FIT_PAIRS, self.policy)
        if fallen is None:
            return ()
        text = (
            f"before step {fallen.step} {fallen.before:.0%} of the answers fit their own targets better than those of "
            f"another input, since then {fallen.after:.0%}; chance is 50 %"
        )
        proof = Evidence(tags.FIT_PAIRS_OWN, fallen.window, fallen.z, self.policy.z, ">", text)
        title = f"What was learnt is lost since step {fallen.step}"
        return (told_by([proof], "divergence", "warning", title, key="pairs"),)
