"""Which format the boxes have of a head that nobody knows, and where they lie in it.

The reading that leaves most boxes within their images, of several the one that fits the pixels best
(``pairing/fits_as_*``): that is how the data are meant.  How the head reads them it does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dettui.detect.targets.policy import TargetPolicy
from dettui.detect.targets.reading import FORMATS, MISREADINGS, TargetReading
from dettui.numerics.proportions import clustered_bounds
from dettui_probe import tags

READINGS: Final = ("xyxy", "cxcywh", "xywh")
"""Formats that are told apart, the likelier first."""


@dataclass(frozen=True)
class Format:
    """Boxes in the reading that suits them best."""

    name: str  # one of READINGS
    legal: float  # share of the boxes that lie within their image
    start: float | None  # smallest left or top edge, as a share of the side of the image
    reach: float | None  # largest right or bottom one
    fits: float | None  # share that stand out more on their own image than on the next; one half by chance
    fits_at_least: float | None

    def is_of_smaller_image(self, policy: TargetPolicy) -> bool:
        """Whether all boxes end before the middle, and begin at the edge."""
        if self.start is None or self.reach is None:
            return False
        return self.reach <= policy.within_half and self.start <= policy.at_the_edge

    def is_of_larger_image(self, policy: TargetPolicy) -> bool:
        """Whether boxes begin at the edge and reach far beyond the image, by the dozen."""
        if self.start is None or self.reach is None or self.legal > policy.mostly_within:
            return False
        return self.start <= policy.at_the_edge and self.reach >= policy.far_beyond

    def is_shifted(self, policy: TargetPolicy) -> bool:
        """Whether no box comes near one edge of its image, and boxes reach beyond the other by as much."""
        if self.start is None or self.reach is None or self.legal > policy.mostly_within:
            return False
        return self.start > policy.at_the_edge and self.reach > 1.0 + policy.at_the_edge


@dataclass(frozen=True)
class Misreading:
    """Corners that were made of boxes of another format."""

    name: str  # one of MISREADINGS
    legal: float  # share of the boxes that lie within their image once it is undone
    legal_as_given: float  # the same of the boxes as they come, in the format that leaves most of them there


def read_misreading(reading: TargetReading, policy: TargetPolicy) -> Misreading | None:
    """None where a tenth of the boxes or less leave their image, and where not all come back when one is undone.

    Of boxes of any size and place no other mistake, shift or scale brings all of them back.
    """
    plain = max(reading.legal_shares().values(), default=1.0)
    if plain >= policy.misread_legal:
        return None
    asked = reading.count(tags.TARGET_STRAYING) or 0.0
    if asked < policy.format_proof:
        return None
    undone = {name: (reading.count(tags.TARGET_UNDONE + name) or 0.0) / asked for name in MISREADINGS}
    best = max(undone, key=undone.__getitem__)
    return Misreading(best, undone[best], plain) if undone[best] >= policy.other_legal else None


def read_format(reading: TargetReading, policy: TargetPolicy) -> Format | None:
    """None where the head declares its format, and where too few boxes came."""
    if reading.declared_format or reading.boxes < policy.format_hint:
        return None
    legal = {name: reading.share(FORMATS[name]) or 0.0 for name in READINGS}
    most = max(legal.values())
    if most < policy.told_by_legality:  # of corners, hardly any lack an area
        are_corners = (reading.share(tags.TARGET_DEGENERATE) or 0.0) < policy.mostly_degenerate
        return _format(reading, policy, "xyxy" if are_corners else "cxcywh", legal)
    alike = [name for name in READINGS if legal[name] >= most - policy.as_legal]
    fits = {name: at_least for name in alike if (at_least := _fits(reading, name, policy)[1]) is not None}
    best = max(fits, key=fits.__getitem__, default=alike[0])
    if len(fits) < len(alike) or fits[best] <= policy.mirror_surely:  # none fits: pixels do not tell them apart
        best = alike[0]
    return _format(reading, policy, best, legal)


def _format(reading: TargetReading, policy: TargetPolicy, name: str, legal: Mapping[str, float]) -> Format:
    start, reach = reading.least(tags.TARGET_START + name), reading.greatest(tags.TARGET_REACH + name)
    return Format(name, legal[name], start, reach, *_fits(reading, name, policy))


def _fits(reading: TargetReading, name: str, policy: TargetPolicy) -> tuple[float | None, float | None]:
    """Share of the boxes that fit their image, read as *name*, and its lower bound."""
    won_tag, compared_tag = tags.PAIRING_READ_FITS + name, tags.PAIRING_READ_BOXES + name
    context = reading.context
    won, compared = context.window(won_tag, reading.horizon), context.window(compared_tag, reading.horizon)
    total = float(compared.sum())
    if len(won) != len(compared) or total < policy.pairing_boxes:
        return None, None
    return float(won.sum()) / total, clustered_bounds(won, compared, policy.pairing_z)[0]
