"""Do the boxes describe the pixels?  Statistical (detection.md A17).

Each place is compared on two images, the box's own and the next one, so that a place which has nothing to do with
either wins half of the time, whatever the texture.  Boxes that fit win at their own place and not at their mirrors.
"""

from __future__ import annotations

from dataclasses import dataclass

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.targets.checks import bad_targets
from dettui.detect.targets.policy import TargetPolicy
from dettui.detect.targets.reading import TargetReading
from dettui.domain.finding import Evidence
from dettui.numerics.proportions import clustered_bounds
from dettui_probe import tags


@dataclass(frozen=True)
class Wins:
    """How often a place stood out more on the box's own image than on another."""

    place: str  # in words
    tag: str
    share: float  # one half where the place has nothing to do with the image
    at_least: float
    at_most: float
    compared: float


def read_wins(context: Context, policy: TargetPolicy, place: str, won_tag: str, compared_tag: str) -> Wins | None:
    """Over the newest rows, None where too few boxes were compared.  The boxes of one step may share a fate."""
    won, compared = context.window(won_tag, policy.horizon), context.window(compared_tag, policy.horizon)
    total = float(compared.sum())
    if len(won) != len(compared) or total < policy.pairing_boxes:
        return None
    low, high = clustered_bounds(won, compared, policy.pairing_z)
    return Wins(place, won_tag, float(won.sum()) / total, low, high, total)


def own_place(context: Context, policy: TargetPolicy) -> Wins | None:
    """At the place of the box itself."""
    return read_wins(context, policy, "own place", tags.PAIRING_BEATS_OTHER, tags.PAIRING_BOXES)


def mirrors(context: Context, policy: TargetPolicy) -> tuple[Wins, ...]:
    """At its mirrors, those that were compared often enough."""
    found = (
        read_wins(context, policy, "horizontal", tags.PAIRING_HFLIP_FITS, tags.PAIRING_HFLIP_BOXES),
        read_wins(context, policy, "vertical", tags.PAIRING_VFLIP_FITS, tags.PAIRING_VFLIP_BOXES),
    )
    return tuple(wins for wins in found if wins is not None)


def pairing(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Images flipped without their boxes, or boxes of other images."""
    own = own_place(reading.context, policy)
    if own is None:
        return None
    fitting = tuple(m for m in mirrors(reading.context, policy) if _fits_too(m, own, policy))
    if fitting:
        return _mirrored(reading, policy, own, fitting)
    return _lost(reading, policy, own) if own.at_most < policy.own_place_at_most else None


def _fits_too(mirror: Wins, own: Wins, policy: TargetPolicy) -> bool:
    """Beyond chance, and not just because scenes are somewhat symmetric."""
    likely = (mirror.at_least + mirror.share) / 2  # half of the policy's standard errors below the share
    return mirror.at_least > policy.mirror_surely and likely > 0.5 + policy.mirror_of_own * (own.share - 0.5)


def _mirrored(reading: TargetReading, policy: TargetPolicy, own: Wins, fitting: tuple[Wins, ...]) -> Symptom:
    axes = " and ".join(mirror.place for mirror in fitting)
    proofs = tuple(
        Evidence(mirror.tag, reading.window, mirror.share, policy.mirror_surely, ">",
                 f"{mirror.share:.0%} of {mirror.compared:.0f} boxes fit their image at their {mirror.place} mirror, "
                 f"where chance is 50 %; {own.share:.0%} at their own place")
        for mirror in fitting
    )  # fmt: skip
    title = f"Boxes do not follow the {axes} flips of their images"
    return bad_targets("pairing", "warning", title, proofs, exact=False, facts={"mirror": fitting[0].share})


def _lost(reading: TargetReading, policy: TargetPolicy, own: Wins) -> Symptom:
    """News only: images too plain to tell look the same."""
    text = (
        f"{own.share:.0%} of {own.compared:.0f} boxes stand out more on their own image than on the next one; "
        "chance is 50 %"
    )
    proof = Evidence(own.tag, reading.window, own.share, policy.own_place_at_most, "<", text)
    title = "Boxes do not describe their images"
    return bad_targets("pairing", "info", title, (proof,), exact=False, facts={"own": own.share})
