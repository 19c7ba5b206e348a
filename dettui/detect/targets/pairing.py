"""Do the boxes describe the pixels?  Statistical (detection.md A17): textureless data has no power, so chance alone
is a warning only where some other comparison shows that the data could tell."""

from __future__ import annotations

from dettui.detect.base import Symptom
from dettui.detect.targets.checks import bad_targets
from dettui.detect.targets.policy import TargetPolicy
from dettui.detect.targets.reading import TargetReading
from dettui.domain.finding import Evidence
from dettui.numerics.proportions import wilson_bounds
from dettui_probe import tags

_MIRRORS = ((tags.PAIRING_BEATS_HFLIP, "horizontal"), (tags.PAIRING_BEATS_VFLIP, "vertical"))


def pairing(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Boxes of other images, or images flipped without their boxes."""
    compared = reading.count(tags.PAIRING_BOXES)
    if compared is None or compared < policy.pairing_boxes:
        return None
    return _lost(reading, policy, compared) or _mirrored(reading, policy, compared)


def _lost(reading: TargetReading, policy: TargetPolicy, compared: float) -> Symptom | None:
    """Boxes stand out no more on their own image than on the next one."""
    own = reading.count(tags.PAIRING_BEATS_OTHER)
    if own is None or not _is_chance(wilson_bounds(own, compared, policy.pairing_z), policy, policy.pairing_at_most):
        return None
    share = own / compared
    text = f"{share:.0%} of {compared:.0f} boxes stand out more on their own image than on the next one; chance is 50 %"
    proof = Evidence(tags.PAIRING_BEATS_OTHER, reading.window, share, policy.pairing_at_most, "<", text)
    return bad_targets(
        "pairing", "warning", "Boxes do not describe their images", (proof,), exact=False, facts={"own": share}
    )


def _mirrored(reading: TargetReading, policy: TargetPolicy, compared: float) -> Symptom | None:
    """Boxes do no better than their mirror along an axis, and clearly better elsewhere: the data could tell."""
    wins = {tag: reading.count(tag) for tag in (tags.PAIRING_BEATS_OTHER, *(tag for tag, _ in _MIRRORS))}
    bounds = {tag: wilson_bounds(count, compared, policy.pairing_z) for tag, count in wins.items() if count is not None}
    if not bounds:
        return None
    contrast = max(bounds, key=lambda tag: bounds[tag][0])
    clearly = bounds[contrast][0]
    lost = [
        (tag, axis)
        for tag, axis in _MIRRORS
        if tag in bounds and _is_chance(bounds[tag], policy, policy.mirror_at_most) and bounds[tag][1] < clearly
    ]
    if not lost:
        return None
    limit = bounds[lost[0][0]][1]
    proofs = tuple(_proof(reading, policy, tag, axis, compared) for tag, axis in lost)
    axes = " and ".join(axis for _, axis in lost)
    return bad_targets(
        "pairing",
        "warning",
        f"Boxes do not follow the {axes} flips of their images",
        (*proofs, _contrast(reading, contrast, limit, compared)),
        exact=False,
        facts={"mirror": (reading.count(lost[0][0]) or 0.0) / compared},
    )


def _is_chance(bounds: tuple[float, float], policy: TargetPolicy, at_most: float) -> bool:
    """True where the share may be one half, and is surely not much more."""
    return bounds[0] <= policy.pairing_half and bounds[1] < at_most


def _proof(reading: TargetReading, policy: TargetPolicy, tag: str, axis: str, compared: float) -> Evidence:
    share = (reading.count(tag) or 0.0) / compared
    text = f"{share:.0%} of {compared:.0f} boxes stand out more than their {axis} mirror; chance is 50 %"
    return Evidence(tag, reading.window, share, policy.mirror_at_most, "<", text)


def _contrast(reading: TargetReading, tag: str, limit: float, compared: float) -> Evidence:
    share = (reading.count(tag) or 0.0) / compared
    text = f"in another place {share:.0%} do: the images have enough texture to tell"
    return Evidence(tag, reading.window, share, limit, ">", text)
