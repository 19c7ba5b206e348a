"""What the targets of some batches say: shapes, boxes, format, labels (rows A1-A6, A12, A13, G2, G8, M1, M2)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Final, NamedTuple

from dettui_probe import tags, wire
from dettui_probe.capture.boxes import Placed, TargetChecks, place
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.targets import LABEL_KEYS, Batch, snapshot
from dettui_probe.capture.torchlib import Tensor
from dettui_probe.contract import Contract
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.batches import Delivery
from dettui_probe.prechecks.report import Check, Severity, abstained, failed, passed


class _Reading(NamedTuple):
    words: str
    legal: str  # the tag that counts boxes legal when read so


_READINGS: Final = {
    "xyxy": _Reading("x1, y1, x2, y2", tags.TARGET_LEGAL_XYXY),
    "xywh": _Reading("x, y, width, height", tags.TARGET_LEGAL_XYWH),
    "cxcywh": _Reading("centre x, centre y, width, height", tags.TARGET_LEGAL_CXCYWH),
    "yxyx": _Reading("y1, x1, y2, x2", tags.TARGET_LEGAL_YXYX),
}


class Facts(NamedTuple):
    """The values of all batches, added up."""

    values: Mapping[str, float]
    examples: Mapping[str, str]  # kind of offence -> its first case, with image and file
    images: int
    boxes: int
    shortest_side: float
    reach: float  # median over boxes of x2 / width
    contract: Contract

    def count(self, tag: str) -> int:
        """How many of *tag*; 0 where it was not counted."""
        return int(self.values.get(tag, 0))

    def share(self, tag: str) -> float:
        """*tag* as a share of the boxes."""
        return self.values.get(tag, 0) / self.boxes if self.boxes else 0.0

    @property
    def readable(self) -> bool:
        """Whether it is known how the head reads its boxes."""
        return self.contract.box_format is not None and self.contract.box_scale is not None


def check_targets(delivery: Delivery, contract: Contract) -> Iterator[Check]:
    """All checks of the targets in *delivery*."""
    if delivery.refusals:
        text = f"{len(delivery.refusals)} time(s), first: {delivery.refusals[0]}"
        yield failed("loader", "certain", "", text, "training would stop at this example: repair or skip it")
    elif delivery.batches:
        yield passed("loader", f"{len(delivery.batches)} batches, {delivery.images} images")
    if not delivery.batches:
        yield abstained("targets", delivery.missing)
        return
    yield structure(delivery.batches, contract)
    whole = [batch for batch in delivery.batches if all("boxes" in target for target in batch.targets)]
    if not whole:
        yield abstained("boxes", "no batch whose targets all have boxes")
        return
    facts = gather(whole, contract)
    yield empty(facts)
    if facts.boxes:
        yield degenerate(facts)
        yield box_format(facts)
        yield outside(facts)
        yield label_range(facts)


def gather(batches: Sequence[Batch], contract: Contract) -> Facts:
    """The values that the probe would stream for *batches*, and what they do not tell."""
    checks, sheet = TargetChecks(), Sheet(0, 0.0, {}, False)
    reaches: list[float] = []
    for batch in batches:
        taken = snapshot(batch)
        tensors = [tensor.cpu() for tensor in taken.tensors]
        checks.check(sheet, taken, tensors, contract)
        reaches += [] if taken.boxes is None else _reaches(place(taken, tensors[0], contract))
    examples: dict[str, str] = {}
    for message in sheet.messages:
        if isinstance(message, wire.Event):
            file = f" ({message.data['file']})" if "file" in message.data else ""
            examples.setdefault(str(message.data.get("what")), message.text.partition(": ")[2] + file)
    return Facts(
        sheet.values,
        examples,
        int(sheet.values[tags.BATCH_SIZE]),
        int(sheet.values[tags.TARGET_BOXES]),
        sheet.values[tags.TARGET_IMAGE_SIDE],
        statistics.median(reaches) if reaches else 0.0,
        contract,
    )


def structure(batches: Sequence[Batch], contract: Contract) -> Check:
    """Keys, shapes, types and lengths, image by image."""
    torchvision = contract.family.startswith("torchvision.")
    for number, batch in enumerate(batches):
        if len(batch.images) != len(batch.targets):
            text = f"batch {number}: {len(batch.images)} images but {len(batch.targets)} targets"
            return _broken_structure("labels_boxes_mismatch", text, "return one target for each image")
        for image, target in enumerate(batch.targets):
            fault = _fault_of(target, torchvision)
            if fault is not None:
                return _broken_structure(fault.cause, f"batch {number}, image {image}: {fault.text}", fault.remedy)
        if torchvision and not all(image.is_floating_point() for image in batch.images):
            text = f"batch {number}: images of type {batch.images[0].dtype}"
            return _broken_structure("", text, "convert images to floats in 0..1")
    images = sum(len(batch.images) for batch in batches)
    return passed("target_structure", f"keys, shapes, types and lengths agree in {images} images")


class _Fault(NamedTuple):
    cause: str
    text: str
    remedy: str


def _fault_of(target: Mapping[object, object], torchvision: bool) -> _Fault | None:
    """A known head has asked for its keys and types; another may have targets of its own."""
    fault = _refused_by_torchvision(target) if torchvision else None
    if fault is not None:
        return fault
    fields = _PER_BOX if torchvision else ("boxes", *LABEL_KEYS)
    lengths = {str(key): length for key in fields if (length := _length(target.get(key))) is not None}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{count} {key}" for key, count in lengths.items())
        remedy = "filter every per-box field together with its box (albumentations: BboxParams(label_fields=[...]))"
        return _Fault("labels_boxes_mismatch", text, remedy)
    return None


_PER_BOX: Final = ("boxes", *LABEL_KEYS, "area", "iscrowd", "masks", "keypoints")


def _refused_by_torchvision(target: Mapping[object, object]) -> _Fault | None:
    keys = sorted(map(str, target))
    if "boxes" not in target:
        return _Fault("", f"no boxes among {keys}", 'return "boxes" in every target')
    boxes, labels = target["boxes"], target.get("labels")
    if isinstance(boxes, Tensor) and (boxes.dim() != 2 or boxes.shape[1] != 4):
        remedy = "reshape boxes to (n, 4), an empty set too: boxes.reshape(-1, 4)"
        return _Fault("", f"boxes of shape {list(boxes.shape)}", remedy)
    if labels is None:
        return _Fault("", f"no labels among {keys}", 'return "labels" in every target')
    if isinstance(labels, Tensor) and labels.is_floating_point() and labels.numel():
        return _Fault("", f"labels of type {labels.dtype}", "cast the labels to int64")
    return None


def _length(value: object) -> int | None:
    """Entries of a per-box field; None for anything that has none."""
    if isinstance(value, Tensor):
        return value.shape[0] if value.dim() else None
    return len(value) if isinstance(value, Sized) else None


def _broken_structure(cause: str, text: str, remedy: str) -> Check:
    return failed("target_structure", "certain", cause, text, remedy)


def empty(facts: Facts) -> Check:
    """Is there anything to learn?"""
    name, share = "objects", facts.count(tags.TARGET_EMPTY) / facts.images
    remedy = "check the class filter, the image ids, and what the crops leave"
    text = f"{facts.boxes} boxes in {facts.images} images, {share:.0%} of the images empty"
    if facts.boxes == 0 and facts.images >= policy.EMPTY_CERTAIN_IMAGES:
        return failed(name, "certain", "empty_targets", text, remedy)
    if share > policy.EMPTY_WARN_SHARE and facts.images >= policy.EMPTY_CERTAIN_IMAGES:
        return failed(name, "warn", "empty_targets", text, remedy)
    if facts.boxes == 0:
        return abstained(name, f"no box yet, but only {facts.images} images")
    return passed(name, text)


def degenerate(facts: Facts) -> Check:
    """Boxes with a NaN, an infinity, or no area."""
    nonfinite, flat = facts.count(tags.TARGET_NONFINITE), facts.count(tags.TARGET_DEGENERATE)
    if nonfinite:
        example = facts.examples.get("nonfinite", "")
        text = f"{nonfinite} of {facts.boxes} boxes hold a NaN or an infinity: {example}"
        return failed("degenerate_boxes", "certain", "degenerate_boxes", text, "repair or drop these annotations")
    if flat and not facts.readable:
        return abstained("degenerate_boxes", "the head is unknown: so is the format of its boxes")
    if flat:
        text = f"{flat} of {facts.boxes} boxes have x2 <= x1 or y2 <= y1: {facts.examples.get('degenerate', '')}"
        remedy = "repair or drop these annotations (or see box_format, where it failed)"
        return failed("degenerate_boxes", "certain", "degenerate_boxes", text, remedy)
    return passed("degenerate_boxes", f"{facts.boxes} boxes are finite and have an area")


def box_format(facts: Facts) -> Check:
    """Are the boxes in the format that the head reads?"""
    name = "box_format"
    if not facts.readable:
        return abstained(name, "the head is unknown: so is the format that it wants")
    if _is_normalised(facts):
        top = facts.values[tags.TARGET_MAX_COORD]
        text = f"no coordinate of {facts.boxes} boxes is above {top:.2f}, in images of {facts.shortest_side:.0f} px"
        return failed(name, "certain", "boxes_wrong_scale", text, "multiply boxes by the image's width and height")
    if facts.boxes < policy.FORMAT_MIN_BOXES:
        return abstained(name, f"{facts.boxes} boxes; {policy.FORMAT_MIN_BOXES} are needed")
    return _another_format(facts) or _as_declared(facts)


def _is_normalised(facts: Facts) -> bool:
    """Shares of the image where pixels are wanted."""
    top = facts.values.get(tags.TARGET_MAX_COORD, 0.0)
    enough = facts.boxes >= policy.NORMALISED_MIN_BOXES and facts.shortest_side > policy.NORMALISED_MIN_SIDE_PX
    return facts.contract.box_scale == "pixels" and enough and top <= policy.NORMALISED_MAX_COORD


def _as_declared(facts: Facts) -> Check:
    declared = _READINGS[facts.contract.box_format or "xyxy"]
    text = f"{facts.share(declared.legal):.1%} of {facts.boxes} boxes are legal as {declared.words}"
    return passed("box_format", text)


def _another_format(facts: Facts) -> Check | None:
    """A failed check where another reading of the boxes fits better than the one that the head takes."""
    declared = _READINGS[facts.contract.box_format or "xyxy"]
    legal = facts.share(declared.legal)
    fits = {reading: facts.share(reading.legal) for reading in _READINGS.values() if reading != declared}
    best = max(fits, key=lambda reading: fits[reading])
    if legal < policy.LEGAL_AS_DECLARED and fits[best] >= policy.LEGAL_AS_ANOTHER:
        text = f"{legal:.1%} of {facts.boxes} boxes are legal as {declared.words}, but {fits[best]:.1%} as {best.words}"
    elif declared.words == "x1, y1, x2, y2" and _crowd_the_top_left(facts):
        best = _READINGS["xywh"]
        text = f"read as corners, the centre of every one of {facts.boxes} boxes lies in the top left quadrant"
    else:
        return None
    many = facts.boxes >= policy.FORMAT_CERTAIN_BOXES and facts.images >= policy.FORMAT_CERTAIN_IMAGES
    severity: Severity = "certain" if many else "warn"
    remedy = f"convert the boxes from {best.words} to {declared.words}"
    return failed("box_format", severity, "boxes_wrong_format", text, remedy)


def _crowd_the_top_left(facts: Facts) -> bool:
    """Every centre in one quadrant: x, y, width, height taken for corners (row A2; chance: .25^n)."""
    legal_as_xywh = facts.share(tags.TARGET_LEGAL_XYWH) >= policy.LEGAL_AS_ANOTHER
    return legal_as_xywh and facts.count(tags.TARGET_TOP_LEFT) == facts.boxes


def outside(facts: Facts) -> Check:
    """Boxes beyond the image as the model receives it."""
    name, share = "boxes_inside", facts.share(tags.TARGET_OUTSIDE)
    if not facts.readable:
        return abstained(name, "the head is unknown: so is the scale of its boxes")
    text = f"{share:.1%} of {facts.boxes} boxes reach more than a pixel beyond their image"
    if share <= policy.OUTSIDE_WARN:
        return passed(name, text)
    text += f": {facts.examples.get('outside', '')}"
    if share > policy.OUTSIDE_CERTAIN:
        text += f"; the typical right edge is at {facts.reach:.2f} x the width"
        remedy = "scale the boxes with the image: they belong to another size of it"
        return failed(name, "certain", "boxes_wrong_scale", text, remedy)
    return failed(
        name, "warn", "boxes_outside_image", text, "clip boxes to the image, and drop those left without area"
    )


def label_range(facts: Facts) -> Check:
    """Class ids against what the head can tell apart."""
    name, contract = "labels", facts.contract
    if tags.TARGET_LABEL_MIN not in facts.values:
        return abstained(name, "no labels")
    seen = f"{facts.count(tags.TARGET_LABEL_MIN)}..{facts.count(tags.TARGET_LABEL_MAX)}"
    if not contract.known or contract.num_classes is None:
        return abstained(name, f"ids {seen} seen; the head is unknown, and with it the ids that it allows")
    illegal, background = facts.count(tags.TARGET_LABEL_ILLEGAL), facts.count(tags.TARGET_BACKGROUND)
    if illegal:
        text = f"{illegal} labels outside 0..{contract.num_classes - 1} of the {contract.family} head ({seen} seen): "
        text += facts.examples.get("label_illegal", "")
        remedy = "map class ids to what the head has, or build the head with more classes"
        return failed(name, "certain", "labels_out_of_range", text, remedy)
    if background:
        text = f"{background} objects carry label {contract.background}, which {contract.family} keeps for background"
        return failed(
            name, "certain", "background_label_used", text, "count classes from 1 (and num_classes = classes + 1)"
        )
    return passed(name, f"ids {seen}, head {contract.family} with {contract.num_classes}")


def _reaches(placed: Placed) -> list[float]:
    """The right edge of each box, as a share of its image's width."""
    reaches: list[float] = (placed.xyxy[:, 2] / placed.width).nan_to_num().tolist()
    return reaches
