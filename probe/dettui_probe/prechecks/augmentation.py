"""What an augmentation costs: dropped, cut and bloated boxes, and noise (rows G3-G5, G7)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Final, NamedTuple

from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.conventions import Convention
from dettui_probe.prechecks.in_place import Stand
from dettui_probe.prechecks.marker import Outcome
from dettui_probe.prechecks.recorded import (
    Heard,
    Slots,
    carries_labels,
    invoke,
    returned_at,
    seen_in,
    value_at,
    with_scene,
)
from dettui_probe.prechecks.report import Check, abstained, failed, passed
from dettui_probe.prechecks.scenes import Scene, as_boxes, as_grey, make_scene, read_as, size_of

FLAT_PICTURES: Final = 16
NORMAL_DEVIATION: Final = 1.4826  # of a median absolute deviation, for normal noise
CAUSE: Final = "augmentation_drops_boxes"


class Losses(NamedTuple):
    """Boxes and images before and after the transform."""

    given: int
    returned: int
    images: int
    empty_before: int
    empty_after: int


def check_losses(stand: Stand) -> Iterator[Check]:
    """Raw against delivered, over the calls that were heard."""
    losses = _count(stand)
    if losses.given < policy.AUGMENTATION_MIN_BOXES:
        yield abstained("boxes_kept", f"{losses.given} boxes; {policy.AUGMENTATION_MIN_BOXES} are needed")
        return
    yield _kept(losses)
    yield _slivers(stand)


def check_strength(outcome: Outcome, convention: Convention) -> Iterator[Check]:
    """Bloat of boxes, and noise on flat pictures."""
    yield _bloat(outcome)
    yield _noise(convention)


def _count(stand: Stand) -> Losses:
    path = stand.slots.boxes or ()
    pairs = [(len(value_at(heard.call, path)), len(returned_at(heard, path))) for heard in stand.calls]
    return Losses(
        sum(given for given, _ in pairs),
        sum(returned for _, returned in pairs),
        len(pairs),
        sum(given == 0 for given, _ in pairs),
        sum(returned == 0 for _, returned in pairs),
    )


def _kept(losses: Losses) -> Check:
    kept = losses.returned / losses.given
    emptied = (losses.empty_after - losses.empty_before) / losses.images
    text = f"{kept:.0%} of {losses.given} boxes are left, and {emptied:.0%} more of {losses.images} images are empty"
    remedy = "crop with regard to boxes (BBoxSafeRandomCrop, AtLeastOneBBoxRandomCrop, RandomIoUCrop), or crop less"
    if kept < policy.KEPT_MIN or emptied > policy.EMPTIED_MAX:
        return failed("boxes_kept", "warn", CAUSE, text, remedy)
    return passed("boxes_kept", text)


def _slivers(stand: Stand) -> Check:
    name = "slivers"
    if not carries_labels(stand.calls[0].call, stand.slots):
        return abstained(name, "labels are not handed to the transform: boxes cannot be told apart after it")
    shares = [share for heard in stand.calls for share in _visible_shares(stand, heard)]
    if len(shares) < policy.AUGMENTATION_MIN_BOXES:
        return abstained(name, f"{len(shares)} boxes to compare; {policy.AUGMENTATION_MIN_BOXES} are needed")
    few = sum(share < policy.SLIVER_VISIBLE for share in shares) / len(shares)
    text = f"{few:.0%} of {len(shares)} returned boxes keep less than {policy.SLIVER_VISIBLE:.0%} of their area"
    if few > policy.SLIVER_MAX_SHARE:
        return failed(name, "warn", CAUSE, text, "set BboxParams(min_visibility=0.2), or crop less")
    return passed(name, text)


def _visible_shares(stand: Stand, heard: Heard) -> list[float]:
    """Of each box that the transform returns to a call like *heard*, the share of its area that is left.

    How far the transform scales the picture is read off the box that grew most: with two boxes or more, one of them
    is usually whole.  Where none is, shares come out too large, and no sliver is claimed.
    """
    answer = attempt(_areas, stand, heard)
    if isinstance(answer, Failure) or len(answer) < 2:
        return []
    largest = max(answer)
    return [ratio / largest for ratio in answer] if largest > 0 else []


def _areas(stand: Stand, heard: Heard) -> list[float]:
    """Area after over area before, of each box that comes back."""
    slots: Slots = stand.slots
    call = heard.call
    height, width = size_of(value_at(call, slots.image))
    boxes = read_as(as_boxes(value_at(call, slots.boxes or ())), slots.form, height, width)
    scene = Scene(height, width, boxes)
    changed = with_scene(call, slots, scene.plain(0), boxes, scene.labels)
    seen = seen_in(Heard(changed, invoke(stand.listener.transform, changed)), slots)
    before, after = _area(boxes), _area(seen.boxes)
    places = [int(float(str(label))) - 1 for label in seen.labels[: len(after)]]
    return [float(after[i] / before[place].clamp(min=1e-6)) for i, place in enumerate(places)]


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)


def _bloat(outcome: Outcome) -> Check:
    name = "box_bloat"
    fills = [trial.fill for trial in outcome.trials if trial.fill is not None and not trial.mislabelled]
    if len(fills) < policy.MARKER_MIN_DECIDED:
        return abstained(name, f"{len(fills)} whole markers; {policy.MARKER_MIN_DECIDED} are needed")
    bloat = 1 / max(statistics.median(fills), 1e-6)
    text = f"the median box is {bloat:.2f} times as large as what it holds"
    if bloat > policy.BLOAT_MAX:
        remedy = "rotate less: the box around a rotated box is larger than the object"
        return failed(name, "warn", "augmentation_too_strong", text, remedy)
    return passed(name, text)


def _noise(convention: Convention) -> Check:
    """Noise on flat grey, as a share of the range from black to white."""
    name = "noise"
    shares = attempt(_noise_shares, convention)
    if isinstance(shares, Failure) or not shares:
        return abstained(name, "no flat picture came back")
    strong = statistics.quantiles(shares, n=4)[-1] if len(shares) > 1 else shares[0]
    text = f"a quarter of the pictures get noise of {strong:.0%} of the range or more"
    if strong > policy.NOISE_MAX * policy.NATURAL_DEVIATION:
        remedy = "lower it (albumentations 2: GaussNoise(std_range=(0.02, 0.05)); var_limit is ignored there)"
        return failed(name, "warn", "augmentation_too_strong", text, remedy)
    return passed(name, text)


def _noise_shares(convention: Convention) -> list[float]:
    dice = torch.Generator().manual_seed(1)
    shares = []
    for _ in range(FLAT_PICTURES):
        scene = make_scene(dice, convention.height, convention.width)
        answers = [attempt(convention.render, scene.plain(b), scene.boxes, scene.labels) for b in (0, 128, 255)]
        if any(isinstance(answer, Failure) for answer in answers):
            continue
        black, flat, white = (as_grey(answer.grey) for answer in answers if not isinstance(answer, Failure))
        span = float((white.median() - black.median()).abs())
        if span > 0:
            shares.append(_grain(flat) / span)
    return shares


def _grain(picture: Tensor) -> float:
    """Standard deviation of noise from pixel to pixel, from the median difference of neighbours: edges of padding,
    holes and slow gradients do not count."""
    differences = (picture[:, 1:] - picture[:, :-1]).abs()
    return NORMAL_DEVIATION * float(differences.median()) / 2**0.5
