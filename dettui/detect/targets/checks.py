"""One function a check: reading and policy in, a symptom or None out."""

from __future__ import annotations

from collections.abc import Mapping

from dettui.detect.base import Symptom
from dettui.detect.classes import named_background
from dettui.detect.floors import FloorPolicy, has_waited
from dettui.detect.scores_of_places import best_precision
from dettui.detect.targets.formats import read_format, read_misreading
from dettui.detect.targets.policy import TargetPolicy
from dettui.detect.targets.reading import FORMATS, MISREADINGS, TargetReading
from dettui.domain.finding import Evidence, Severity
from dettui_probe import tags


def bad_targets(
    key: str,
    severity: Severity,
    title: str,
    evidence: tuple[Evidence, ...],
    *,
    exact: bool = True,
    facts: Mapping[str, float] | None = None,
) -> Symptom:
    """A symptom of this family; *key* names the check."""
    return Symptom(
        kind="bad_targets",
        severity=severity,
        first_step=min(e.window[0] for e in evidence),
        last_step=max(e.window[1] for e in evidence),
        title=title,
        evidence=evidence,
        facts=facts or {},
        exact=exact,
        key=key,
    )


def degenerate(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Boxes without width or height [A1].  Left to the format check where another format explains them all."""
    tag = without_area(reading, policy)
    count = reading.count(tag) if tag else None
    if not count:
        return None
    share = count / max(reading.boxes, 1.0)
    severity: Severity = "critical" if share > policy.common_fault else "warning"
    window = (reading.first_step(tag), reading.window[1])
    text = f"{count:.0f} of {reading.boxes:.0f} boxes have no width or no height"
    text += reading.example(tags.TARGET_DEGENERATE)
    proof = Evidence(tag, window, count, 0.0, ">", text)
    return bad_targets(
        "degenerate", severity, f"{share:.1%} of the boxes are degenerate", (proof,), facts={"share": share}
    )


def without_area(reading: TargetReading, policy: TargetPolicy) -> str:
    """The series that counts boxes without area, "" where none does: of a head that nobody knows, which of their
    numbers is a width depends on the format that suits its boxes."""
    format = read_format(reading, policy)
    if format is not None and format.name != "xyxy" and reading.count(tags.TARGET_NO_EXTENT) is not None:
        return tags.TARGET_NO_EXTENT
    misread = fits_no_format(reading) or (not reading.declared_format and _fits_another_format(reading, policy))
    return "" if misread else tags.TARGET_DEGENERATE


def fits_no_format(reading: TargetReading) -> bool:
    """Whether the boxes of a head that nobody knows are legal in no format for the better part: then which of their
    numbers is a width is not known either."""
    shares = reading.legal_shares()
    if reading.declared_format or not shares:
        return False
    return max(shares.values()) < 0.5 < (reading.share(tags.TARGET_DEGENERATE) or 0.0)


def _fits_another_format(reading: TargetReading, policy: TargetPolicy) -> bool:
    shares = reading.legal_shares()
    return any(share >= policy.other_legal for name, share in shares.items() if name != "xyxy")


def is_another_format(reading: TargetReading, policy: TargetPolicy) -> bool:
    """Whether boxes of a format that nobody told are surely not xyxy, as which they are read."""
    legal = reading.legal_shares().get("xyxy")
    unlike = legal is not None and legal < policy.declared_legal
    return unlike and not reading.declared_format and _fits_another_format(reading, policy)


def non_finite(reading: TargetReading, _: TargetPolicy) -> Symptom | None:
    """NaN or infinity in a box [A12]."""
    return _any(reading, "nonfinite", tags.TARGET_NONFINITE, "boxes hold NaN or infinity")


def illegal_labels(reading: TargetReading, _: TargetPolicy) -> Symptom | None:
    """Class ids that the head does not have [M2]."""
    found = _any(reading, "illegal_label", tags.TARGET_LABEL_ILLEGAL, "labels are outside the classes of the head")
    if found is None:
        return None
    low, high = reading.least(tags.TARGET_LABEL_MIN), reading.greatest(tags.TARGET_LABEL_MAX)
    if low is None or high is None:
        return found
    model = reading.context.model
    limit = None if model is None or model.num_classes is None else float(model.num_classes)
    text = f"labels run from {low:.0f} to {high:.0f}" + ("" if limit is None else f"; the head has {limit:.0f} classes")
    tag, measured = (tags.TARGET_LABEL_MIN, low) if low < 0 else (tags.TARGET_LABEL_MAX, high)
    extra = Evidence(tag, reading.window, measured, 0.0 if low < 0 else limit, "<" if low < 0 else ">", text)
    return bad_targets(found.key, found.severity, found.title, (*found.evidence, extra), facts=found.facts)


def labels_below_zero(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Objects whose class id is the one of padding, for a head that nobody knows [M2]."""
    count, share = reading.count(tags.TARGET_BELOW_ZERO), reading.share(tags.TARGET_BELOW_ZERO)
    if not count or share is None or share <= policy.below_zero or reading.boxes < policy.format_proof:
        return None
    window = (reading.first_step(tags.TARGET_BELOW_ZERO), reading.window[1])
    text = f"{count:.0f} of {reading.boxes:.0f} boxes are objects with a class id below 0"
    text += reading.example(tags.TARGET_BELOW_ZERO)
    proof = Evidence(tags.TARGET_BELOW_ZERO, window, share, policy.below_zero, ">", text)
    title = f"{share:.0%} of the objects have a class id below 0"
    return bad_targets("below_zero", "warning", title, (proof,), exact=False, facts={"share": share})


def background_labels(reading: TargetReading, _: TargetPolicy) -> Symptom | None:
    """Objects labelled as background, where the head is known to keep an id for it, or the class names do [M1]."""
    model = reading.context.model
    if model is None or model.background is None:
        return _named_background(reading)
    text = f"objects carry label {model.background}, which this head keeps for background"
    return _any(reading, "background", tags.TARGET_BACKGROUND, text)


def _named_background(reading: TargetReading) -> Symptom | None:
    """The names of the classes begin with background, and objects carry its id all the same."""
    counts = reading.context.counts("targets")
    objects = 0 if counts is None else named_background(counts)
    if counts is None or not objects:
        return None
    window = counts.first_step, counts.last_step
    text = f"{objects} of {counts.seen.sum()} objects carry class id 0, which the class names call {counts.names[0]}"
    proof = Evidence(tags.TARGET_LABEL_MIN, window, float(objects), 0.0, ">", text)
    title = f"{objects} objects are labelled {counts.names[0]}"
    return bad_targets("background", "warning", title, (proof,), facts={"count": float(objects)})


def length_mismatch(reading: TargetReading, _: TargetPolicy) -> Symptom | None:
    """Per-box fields of different lengths [G2]."""
    return _any(reading, "length_mismatch", tags.TARGET_MISMATCH, "images have more labels than boxes, or fewer")


def _any(reading: TargetReading, key: str, tag: str, what: str) -> Symptom | None:
    """Critical where *tag* counted one or more."""
    count = reading.count(tag)
    if not count:
        return None
    window = (reading.first_step(tag), reading.window[1])
    share = count / max(reading.boxes, 1.0)
    text = f"{count:.0f} {what}, first at step {window[0]}{reading.example(tag)}"
    proof = Evidence(tag, window, count, 0.0, ">", text)
    return bad_targets(key, "critical", f"{count:.0f} {what}", (proof,), facts={"count": count, "share": share})


def scale(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Normalised boxes for a head that takes pixels [A3], or the reverse [A4]; boxes of a smaller image."""
    if read_misreading(reading, policy) is not None:
        return None
    if reading.expects_shares:
        return _pixels_for_shares(reading, policy)
    if not reading.declared_format:
        return _of_another_image(reading, policy)
    return _shares_for_pixels(reading, policy) or _of_a_smaller_image(reading, policy)


def _of_another_image(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Boxes of a head that nobody knows which begin at the edge of their images and end before the middle, or far
    beyond."""
    format = read_format(reading, policy)
    if format is None or format.reach is None or reading.boxes < policy.format_proof:
        return None
    is_smaller = format.is_of_smaller_image(policy)
    if not is_smaller and not format.is_of_larger_image(policy):
        return None
    limit, relation = (policy.within_half, "<") if is_smaller else (policy.far_beyond, ">")
    text = (
        f"read as {format.name}, {reading.boxes:.0f} boxes lie between {format.start:.2g} and {format.reach:.2g} of "
        f"the sides of their images; {format.legal:.0%} of them within"
    )
    proof = Evidence(tags.TARGET_REACH + format.name, reading.window, format.reach, limit, relation, text)
    title = "No box reaches beyond the middle of its image" if is_smaller else "Boxes reach far beyond their images"
    size = "smaller" if is_smaller else "larger"
    facts = {"ratio": format.reach}
    return bad_targets("scale", "warning", f"{title}: boxes of a {size} one", (proof,), exact=False, facts=facts)


def _pixels_for_shares(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    largest = reading.greatest(tags.TARGET_MAX_COORD)
    if largest is None or largest <= policy.normalised_max or reading.boxes < policy.normalised_boxes:
        return None
    text = f"coordinates reach {largest:.4g}; this head reads shares of the image, from 0 to 1"
    proof = Evidence(tags.TARGET_MAX_COORD, reading.window, largest, policy.normalised_max, ">", text)
    title = "Boxes are in pixels, the head takes shares of the image"
    return bad_targets("scale", "critical", title, (proof,), facts={"largest": largest})


def _shares_for_pixels(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    largest, side = reading.greatest(tags.TARGET_MAX_COORD), reading.least(tags.TARGET_IMAGE_SIDE)
    if not reading.expects_pixels or largest is None or side is None or reading.boxes < policy.normalised_boxes:
        return None
    if side <= policy.pixels_min or largest > policy.normalised_max:
        return None
    text = f"no coordinate is above {largest:.3g}, on images of {side:.0f} pixels: the boxes are normalised"
    proof = Evidence(tags.TARGET_MAX_COORD, reading.window, largest, policy.normalised_max, "<", text)
    title = "Boxes are normalised, the head takes pixels"
    return bad_targets("scale", "critical", title, (proof,), facts={"ratio": largest / side})


def _of_a_smaller_image(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Every box in the top left quarter, as in another format, and no coordinate beyond the middle: boxes of another
    format would have their corners anywhere."""
    largest, side = reading.greatest(tags.TARGET_MAX_COORD), reading.least(tags.TARGET_IMAGE_SIDE)
    if not reading.expects_pixels or largest is None or not side or reading.boxes < policy.format_proof:
        return None
    if largest > policy.within_half * side or (reading.share(tags.TARGET_TOP_LEFT) or 0.0) < 1.0:
        return None
    text = f"no coordinate of {reading.boxes:.0f} boxes is beyond {largest:.4g}, on images of {side:.0f} pixels"
    proof = Evidence(tags.TARGET_MAX_COORD, reading.window, largest / side, policy.within_half, "<", text)
    title = "No box reaches beyond the middle of its image: boxes of a smaller one"
    return bad_targets("scale", "warning", title, (proof,), exact=False, facts={"ratio": largest / side})


def box_format(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Boxes that are in another format than the head reads [A2, A6], or were when corners were made of them.  Silent
    where the scale explains it."""
    return _misread(reading, policy) or _of_another_format(reading, policy)


def _misread(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    found = read_misreading(reading, policy)
    if found is None:
        return None
    text = (
        f"{found.legal_as_given:.1%} of {reading.boxes:.0f} boxes lie within their images as they come, in whatever "
        f"format, and {found.legal:.1%} once it is undone that they were {MISREADINGS[found.name]}"
    )
    proof = Evidence(tags.TARGET_UNDONE + found.name, reading.window, found.legal, policy.other_legal, ">=", text)
    title = f"Boxes are {MISREADINGS[found.name]}"
    return bad_targets("format", "warning", title, (proof,), exact=False, facts={"undone": found.legal})


def _of_another_format(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    format = reading.declared_format
    if not format or reading.boxes < policy.format_hint or scale(reading, policy) is not None:
        return None
    shares = reading.legal_shares()
    declared = shares.pop(format, None)
    if declared is None:
        return None
    evidence = _illegal_as_declared(reading, policy, declared, shares)
    if not evidence and format == "xyxy":
        evidence = _all_top_left(reading)
    if not evidence:
        return None
    proved = reading.boxes >= policy.format_proof or _is_mostly_degenerate(reading, policy, declared, shares)
    better = max(shares, key=lambda name: shares[name], default="xywh")
    title = f"Boxes look like {better}, the head reads them as {format}"
    facts = {f"legal_{name}": share for name, share in shares.items()} | {f"legal_{format}": declared}
    severity: Severity = "critical" if proved else "warning"
    return bad_targets("format", severity, title, evidence, exact=proved, facts=facts)


def _is_mostly_degenerate(
    reading: TargetReading, policy: TargetPolicy, declared: float, others: Mapping[str, float]
) -> bool:
    """Boxes without area by the dozen, and every one of them sound in another format."""
    share = reading.share(tags.TARGET_DEGENERATE) or 0.0
    return share >= policy.mostly_degenerate and bool(_illegal_as_declared(reading, policy, declared, others))


def _illegal_as_declared(
    reading: TargetReading, policy: TargetPolicy, declared: float, others: Mapping[str, float]
) -> tuple[Evidence, ...]:
    best = max(others, key=lambda name: others[name], default=None)
    if best is None or declared >= policy.declared_legal or others[best] < policy.other_legal:
        return ()
    return (
        Evidence(FORMATS[reading.declared_format], reading.window, declared, policy.declared_legal, "<",
                 f"{declared:.1%} of {reading.boxes:.0f} boxes are legal as {reading.declared_format}, "
                 f"{others[best]:.1%} as {best}"),
    )  # fmt: skip


def _all_top_left(reading: TargetReading) -> tuple[Evidence, ...]:
    share = reading.share(tags.TARGET_TOP_LEFT)
    if share is None or share < 1.0:
        return ()
    return (
        Evidence(tags.TARGET_TOP_LEFT, reading.window, share, 1.0, "==",
                 f"all {reading.boxes:.0f} centres, read as xyxy, lie in the top left quarter; "
                 "honest boxes do so one time in four"),
    )  # fmt: skip


def outside(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Boxes beyond their image [A5].  Left to the checks of format and scale where these explain them."""
    share = share_outside(reading, policy)
    if share is None or share <= policy.outside_info or reading.boxes < policy.format_hint:
        return None
    if scale(reading, policy) is not None and not reading.expects_pixels:
        return None
    severity: Severity = "info"
    if share > policy.outside_warning:
        severity = "critical" if share > policy.outside_critical else "warning"
    text = f"{share:.1%} of {reading.boxes:.0f} boxes reach more than a pixel beyond their image"
    text += reading.example(tags.TARGET_OUTSIDE)
    proof = Evidence(tags.TARGET_OUTSIDE, reading.window, share, policy.outside_info, ">", text)
    return bad_targets(
        "outside", severity, f"{share:.0%} of the boxes reach beyond their image", (proof,), facts={"share": share}
    )


def share_outside(reading: TargetReading, policy: TargetPolicy) -> float | None:
    """Of the boxes, those that reach beyond their image in the format that suits them; None where none does well
    enough to tell, or they are there for having been misread."""
    if read_misreading(reading, policy) is not None:
        return None
    format = read_format(reading, policy)
    if format is None or format.start is None:
        return None if is_another_format(reading, policy) else reading.share(tags.TARGET_OUTSIDE)
    if reading.boxes < policy.format_proof or (format.legal < 0.5 and not format.is_shifted(policy)):
        return None
    flat = reading.share(without_area(reading, policy) or tags.TARGET_NO_EXTENT) or 0.0
    return max(1.0 - format.legal - flat, 0.0)


def one_image(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """The boxes of every batch come with one of its images: which image each belongs to was lost when they were put
    together."""
    batches = batches_with_one_image(reading, policy)
    if batches is None:
        return None
    text = f"in each of {batches:.0f} batches all boxes come with one image, and the others have none"
    proof = Evidence(tags.TARGET_EMPTY, reading.window, batches, policy.one_image_batches, ">=", text)
    return bad_targets("one_image", "critical", "All boxes of a batch come with one of its images", (proof,))


def batches_with_one_image(reading: TargetReading, policy: TargetPolicy) -> float | None:
    """How many of the newest batches are such; None where not nearly all of them are, or they are few."""
    sizes, without = (reading.context.window(tag, reading.horizon) for tag in (tags.BATCH_SIZE, tags.TARGET_EMPTY))
    if len(sizes) != len(without) or len(sizes) < policy.one_image_batches:
        return None
    single = (sizes >= policy.one_image_of) & (without == sizes - 1)
    return float(single.sum()) if float(single.mean()) >= policy.one_image else None


def empty(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """No boxes at all, or few images with any [A13]."""
    images, without = reading.count(tags.BATCH_SIZE), reading.count(tags.TARGET_EMPTY)
    if not images or without is None or images < policy.empty_hint:
        return None
    share = without / images
    text = f"{without:.0f} of {images:.0f} images have no box"
    proof = Evidence(tags.TARGET_EMPTY, reading.window, share, policy.empty_share, ">", text)
    if reading.boxes == 0:
        proved = images >= policy.empty_proof
        title = f"Not one box in {images:.0f} images"
        return bad_targets(
            "empty", "critical" if proved else "warning", title, (proof,), exact=proved, facts={"share": share}
        )
    if share <= policy.empty_share:
        return None
    poor = _poor_score(reading, share, policy)
    severity: Severity = "info" if poor is None else "warning"
    if poor is not None:
        text += f", and evaluations find little: {poor:.2g} at best"
        proof = Evidence(tags.TARGET_EMPTY, reading.window, share, policy.mostly_empty, ">", text)
    return bad_targets(
        "empty", severity, f"{share:.0%} of the images have no box", (proof,), exact=False, facts={"share": share}
    )


def _poor_score(reading: TargetReading, share: float, policy: TargetPolicy) -> float | None:
    """The best score, where it is poor after half of a run in which hardly an image has a box: evaluations ask for
    more than is labelled."""
    context, images = reading.context, reading.count(tags.BATCH_SIZE) or 0.0
    if share <= policy.mostly_empty or images < policy.mostly_empty_images or not has_waited(context, FloorPolicy()):
        return None
    score = best_precision(context)
    return score if score is not None and score < policy.found_all_the_same else None


def tiny(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """Slivers [A7, G4].  Left out where boxes of an unknown format have sizes that nobody knows."""
    share = reading.share(tags.TARGET_TINY)
    if share is None or share <= policy.tiny_share or reading.boxes < policy.format_hint:
        return None
    plain = share > policy.mostly_tiny
    if not plain and reading.boxes < policy.format_proof:
        return None
    if scale(reading, policy) is not None or is_another_format(reading, policy):
        return None
    text = f"{share:.1%} of {reading.boxes:.0f} boxes have a side of 2 pixels or less"
    proof = Evidence(tags.TARGET_TINY, reading.window, share, policy.tiny_share, ">", text)
    return bad_targets(
        "tiny", "warning", f"{share:.0%} of the boxes are slivers", (proof,), exact=plain, facts={"share": share}
    )


def duplicates(reading: TargetReading, policy: TargetPolicy) -> Symptom | None:
    """The same box twice on one image [A9]."""
    share = reading.share(tags.TARGET_DUPLICATES)
    if share is None or share <= policy.duplicate_share or reading.boxes < policy.format_proof:
        return None
    text = f"{share:.1%} of {reading.boxes:.0f} boxes repeat another one of their image"
    proof = Evidence(tags.TARGET_DUPLICATES, reading.window, share, policy.duplicate_share, ">", text)
    return bad_targets(
        "duplicates", "warning", f"{share:.0%} of the boxes are repeated", (proof,), exact=False, facts={"share": share}
    )
