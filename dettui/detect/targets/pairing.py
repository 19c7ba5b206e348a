"""Do the boxes describe the pixels?  Statistical (detection.md A17).

Each place is compared on two images, the box's own and the next one, so that a place which has nothing to do with
either wins half of the time, whatever the texture.  Boxes that fit win at their own place and not at their mirrors.

That boxes fit elsewhere (at a mirror, with swapped axes, on another image of their batch) is proof against a fair coin.
That they fit nowhere is weaker: it is said only of boxes in a known format, once a discriminant of brightness, colour,
texture and edges was asked about many of them and was no better than chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.floors import FloorPolicy, has_waited
from dettui.detect.scores_of_places import best_score
from dettui.detect.targets.checks import bad_targets, box_format, outside, scale
from dettui.detect.targets.formats import read_format
from dettui.detect.targets.policy import TargetPolicy
from dettui.detect.targets.reading import TargetReading
from dettui.domain.finding import Evidence, Severity
from dettui.domain.series import Floats
from dettui.numerics.proportions import clustered_bounds
from dettui_probe import tags


@dataclass(frozen=True, eq=False)
class Wins:
    """How often a place stood out more on the box's own image than on another."""

    place: str  # in words
    tag: str
    share: float  # one half where the place has nothing to do with the image
    compared: float
    rows: tuple[Floats, Floats]  # wins and comparisons, row by row
    z: float

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Of the share, at *z* standard errors; the boxes of one step may share a fate."""
        return clustered_bounds(*self.rows, self.z)

    @property
    def at_least(self) -> float:
        """Lower bound of the share."""
        return self.bounds[0]

    @property
    def at_most(self) -> float:
        """Upper bound of the share."""
        return self.bounds[1]

    def is_surely_over(self, limit: float) -> bool:
        """Whether the lower bound is; the share, which is above it, is asked first, since bounds are dear."""
        return self.share > limit and self.at_least > limit

    def is_surely_under(self, limit: float) -> bool:
        """Whether the upper bound is; see above."""
        return self.share < limit and self.at_most < limit


def read_wins(context: Context, policy: TargetPolicy, place: str, won_tag: str, compared_tag: str) -> Wins | None:
    """Over the newest rows, None where too few boxes were compared."""
    won, compared = context.window(won_tag, policy.horizon), context.window(compared_tag, policy.horizon)
    total = context.total(compared_tag, policy.horizon)
    if len(won) != len(compared) or total < policy.pairing_boxes:
        return None
    share = context.total(won_tag, policy.horizon) / total
    return Wins(place, won_tag, share, total, (won, compared), policy.pairing_z)


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


def swapped(context: Context, policy: TargetPolicy) -> Wins | None:
    """Where it would lie if its axes were swapped; on square images only."""
    return read_wins(context, policy, "swapped axes", tags.PAIRING_SWAP_FITS, tags.PAIRING_SWAP_BOXES)


def same_batch(context: Context, policy: TargetPolicy) -> Wins | None:
    """On another image of its batch, against an image of another batch: a fair coin for boxes that fit their own."""
    return read_wins(context, policy, "same batch", tags.PAIRING_BATCH_FITS, tags.PAIRING_BATCH_BOXES)


def aside(context: Context, policy: TargetPolicy) -> Wins | None:
    """Against the place a quarter of its size aside, on its own image: nearly always for a box drawn tightly."""
    return read_wins(context, policy, "place aside", tags.PAIRING_ASIDE_WINS, tags.PAIRING_ASIDE_BOXES)


def learnt(context: Context, policy: TargetPolicy) -> Wins | None:
    """By whatever features were learnt to tell a box's own image from another one."""
    wins = read_wins(context, policy, "any feature", tags.PAIRING_LEARNT_WINS, tags.PAIRING_LEARNT_BOXES)
    return wins if wins is not None and wins.compared >= policy.learnt_boxes else None


def pairing(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Images flipped without their boxes, boxes with swapped axes, of other images, or that scatter."""
    own = own_place(reading.context, policy)
    found = None if own is None else _elsewhere(reading, policy, own) or _scattered(reading, policy, own)
    return None if found is None or _is_misplaced(reading, policy) else found


def _elsewhere(reading: TargetReading, policy: TargetPolicy, own: Wins) -> Symptom | None:
    """Where the boxes lie instead, None where they may be where they belong."""
    is_judged = bool(reading.declared_format) or _finds_little(reading, policy)
    turned = swapped(reading.context, policy) if is_judged else None
    if turned is not None and _fits_instead(turned, own, policy):
        return _swapped(reading, policy, own, turned)
    fitting = tuple(m for m in mirrors(reading.context, policy) if _fits_too(m, own, policy))
    if fitting:
        return _mirrored(reading, policy, own, fitting)
    if not own.is_surely_under(policy.own_place_at_most):
        return None
    elsewhere = same_batch(reading.context, policy)
    if elsewhere is not None and elsewhere.is_surely_over(policy.mirror_surely):
        return _of_the_batch(reading, policy, own, elsewhere)
    return _lost(reading, policy, own)


def _finds_little(reading: TargetReading, policy: TargetPolicy) -> bool:
    """Whether a detector that nobody knows has found little for half of its run, with boxes that lie within their
    images: its own format, whatever that is, then excuses nothing."""
    score = best_score(reading.context)
    if reading.declared_format or score is None or score >= policy.weak_score:
        return False
    format = read_format(reading, policy)
    is_readable = _are_pixels(reading, policy) if format is None or format.reach is None else True
    legal = reading.legal_shares().get("xyxy", 0.0) if format is None else format.legal
    return legal >= policy.declared_legal and is_readable and has_waited(reading.context, FloorPolicy())


def _are_pixels(reading: TargetReading, policy: TargetPolicy) -> bool:
    largest, side = reading.greatest(tags.TARGET_MAX_COORD), reading.least(tags.TARGET_IMAGE_SIDE)
    return largest is not None and side is not None and policy.within_half * side < largest <= side + 1


def _fits_too(place: Wins, own: Wins, policy: TargetPolicy) -> bool:
    """Beyond chance, and not just because scenes are somewhat symmetric."""
    if not place.is_surely_over(policy.mirror_surely):
        return False
    likely = (place.at_least + place.share) / 2  # half of the policy's standard errors below the share
    return likely > 0.5 + policy.mirror_of_own * (own.share - 0.5)


def _fits_instead(place: Wins, own: Wins, policy: TargetPolicy) -> bool:
    return place.share > own.share and _fits_too(place, own, policy)


def _is_misplaced(reading: TargetReading, policy: TargetPolicy) -> bool:
    """Another check explains why boxes do not lie on their objects."""
    beyond = outside(reading, policy)
    if beyond is not None and beyond.severity == "critical":
        return True
    return box_format(reading, policy) is not None or scale(reading, policy) is not None


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


def _swapped(reading: TargetReading, policy: TargetPolicy, own: Wins, turned: Wins) -> Symptom:
    text = (
        f"{turned.share:.0%} of {turned.compared:.0f} boxes fit their image with x and y swapped, where chance is "
        f"50 %; {own.share:.0%} as they are"
    )
    proof = Evidence(turned.tag, reading.window, turned.share, policy.mirror_surely, ">", text)
    title = "Boxes fit their images with x and y swapped"
    return bad_targets("pairing", "warning", title, (proof,), exact=False, facts={"swapped": turned.share})


def _of_the_batch(reading: TargetReading, policy: TargetPolicy, own: Wins, elsewhere: Wins) -> Symptom:
    text = (
        f"{elsewhere.share:.0%} of {elsewhere.compared:.0f} comparisons find boxes on another image of their batch "
        f"rather than on one of another batch, where chance is 50 %; {own.share:.0%} on their own image"
    )
    proof = Evidence(elsewhere.tag, reading.window, elsewhere.share, policy.mirror_surely, ">", text)
    title = "Boxes belong to other images of their batch"
    return bad_targets("pairing", "warning", title, (proof,), exact=False, facts={"batch": elsewhere.share})


def _scattered(reading: TargetReading, policy: TargetPolicy, own: Wins) -> Symptom | None:
    """Boxes that fit their own image better than another one, and not much better where they are than beside that."""
    beside = aside(reading.context, policy)
    if beside is None or not own.is_surely_over(policy.aside_own):
        return None
    limit = min(0.5 + policy.aside_of_own * (own.share - 0.5), policy.aside_at_most)
    if not beside.is_surely_under(limit):
        return None
    text = (
        f"{beside.share:.0%} of {beside.compared:.0f} boxes stand out more where they are than a quarter of their size "
        f"aside, where chance is 50 %; {own.share:.0%} stand out more on their own image than on another"
    )
    proof = Evidence(beside.tag, reading.window, beside.share, limit, "<", text)
    title = "Boxes lie about their objects, not on them"
    return bad_targets("pairing", "warning", title, (proof,), exact=False, facts={"aside": beside.share})


def _lost(reading: TargetReading, policy: TargetPolicy, own: Wins) -> Symptom | None:
    """A warning where no feature tells a box's own image from another one; news until that was asked often enough.

    News, too, where it is not known that boxes are pixels in a known format (shares may be of an image without its
    padding), unless the detector finds little."""
    text = (
        f"{own.share:.0%} of {own.compared:.0f} boxes stand out more on their own image than on the next one; "
        "chance is 50 %"
    )
    proof = Evidence(own.tag, reading.window, own.share, policy.own_place_at_most, "<", text)
    title = "Boxes do not describe their images"
    told = learnt(reading.context, policy)
    if told is None:
        return bad_targets("pairing", "info", title, (proof,), exact=False, facts={"own": own.share})
    if not told.is_surely_under(policy.learnt_at_most):
        return None
    text = (
        f"brightness, colour, texture and edges told the own image from another one for {told.share:.0%} of "
        f"{told.compared:.0f} boxes; chance is 50 %"
    )
    deeper = Evidence(told.tag, reading.window, told.share, policy.learnt_at_most, "<", text)
    facts = {"own": own.share, "learnt": told.share}
    is_readable = bool(reading.declared_format) and reading.expects_pixels
    severity: Severity = "warning" if is_readable or _finds_little(reading, policy) else "info"
    return bad_targets("pairing", severity, title, (deeper, proof), exact=False, facts=facts)
