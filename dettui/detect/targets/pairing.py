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
    if own is None or wilson_bounds(own, compared, policy.pairing_z)[1] >= policy.pairing_chance:
        return None
    share = own / compared
    text = f"{share:.0%} of {compared:.0f} boxes stand out more on their own image than on the next one; chance is 50 %"
    proof = Evidence(tags.PAIRING_BEATS_OTHER, reading.window, share, policy.pairing_chance, "<", text)
    return bad_targets(
        "pairing", "warning", "Boxes do not describe their images", (proof,), exact=False, facts={"own": share}
    )


def _mirrored(reading: TargetReading, policy: TargetPolicy, compared: float) -> Symptom | None:
    """Boxes do no better than their mirror along one axis, and clearly better than along the other."""
    shares = {tag: reading.count(tag) for tag, _ in _MIRRORS}
    for tag, axis in _MIRRORS:
        mine = shares[tag]
        other = next(share for name, share in shares.items() if name != tag)
        if mine is None or other is None:
            continue
        if wilson_bounds(mine, compared, policy.pairing_z)[1] >= policy.flip_chance:
            continue
        if wilson_bounds(other, compared, policy.pairing_z)[0] <= policy.flip_contrast:
            continue
        share = mine / compared
        text = f"{share:.0%} of {compared:.0f} boxes stand out more than their {axis} mirror; chance is 50 %"
        contrast = f"against {other / compared:.0%} along the other axis"
        proof = Evidence(tag, reading.window, share, policy.flip_chance, "<", f"{text}, {contrast}")
        title = f"Boxes do not follow the {axis} flips of their images"
        return bad_targets("pairing", "warning", title, (proof,), exact=False, facts={"mirror": share})
    return None
