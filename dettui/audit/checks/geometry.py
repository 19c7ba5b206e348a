"""Single boxes: are they numbers, do they have an area, do they lie in their image?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dettui.audit.dataset import Dataset, Flags
from dettui.audit.finding import AuditFinding, AuditSeverity, Describe, box_text, on_boxes
from dettui.audit.policy import AuditPolicy
from dettui.domain.series import Floats


def non_finite(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """NaN or infinity in a box (datumaro InvalidValue, A12)."""
    if not data.boxes.finite.all():
        yield on_boxes(
            data, "non_finite_box", "certain", "Boxes hold NaN, infinity or absurd numbers", ~data.boxes.finite,
            remedy="drop these rows, or repair the tool that wrote them: one of them makes the loss NaN",
            cause="degenerate_boxes",
        )  # fmt: skip


def degenerate(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Zero or negative width or height (A1).  ultralytics accepts zero, torchvision stops at its first such batch."""
    flat = data.boxes.finite & ~data.boxes.sound
    if flat.any():
        yield on_boxes(
            data, "degenerate_box", "certain", "Boxes have no area: zero or negative width or height", flat,
            remedy="drop these rows; if they are many, the boxes are in another format than declared",
            cause="degenerate_boxes",
        )  # fmt: skip


def below_a_pixel(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """A side of less than one pixel (datumaro NegativeLength)."""
    flagged = _pixel_boxes(data, policy) & (short_side(data) < policy.short_side_px)
    if flagged.any():
        yield on_boxes(
            data, "box_below_one_pixel", "warning", "Boxes are thinner than one pixel", flagged,
            remedy="drop them: nothing can be learnt from them", cause="degenerate_boxes", describe=_sides(data),
        )  # fmt: skip


def tiny(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """A side of one to two pixels (A7; ultralytics drops them when it augments)."""
    judged, side = _pixel_boxes(data, policy), short_side(data)
    flagged = judged & (side < policy.tiny_px) & (side >= policy.short_side_px)
    if flagged.any():
        severity = _by_share(flagged, judged, policy.tiny_warning)
        yield on_boxes(
            data, "tiny_box", severity, f"Boxes are less than {policy.tiny_px:g} pixels wide or high", flagged,
            remedy="drop them, or train at a higher resolution", total=int(judged.sum()), describe=_sides(data),
        )  # fmt: skip


def sliver(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Twenty times as long as wide (A7); a warning only for what is lost in training."""
    judged = data.boxes.sound & data.box_in_pixels
    flagged = judged & (aspect(data) > policy.sliver_ratio)
    if flagged.any():
        severity = _by_share(flagged & (aspect(data) > policy.sliver_lost_ratio), judged, policy.sliver_warning)
        yield on_boxes(
            data, "sliver_box", severity, f"Boxes are more than {policy.sliver_ratio:g} times as long as wide", flagged,
            remedy="look at them: cut-off remains of objects should go; anchors do not fit what is meant",
            total=int(judged.sum()), describe=_sides(data),
        )  # fmt: skip


def outside(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Beyond the bounds of the image (A5): datumaro never looks, ultralytics drops the whole image."""
    judged = data.boxes.sound & np.isfinite(data.box_sizes).all(axis=1)
    flagged = judged & (overhang(data, policy) > 0)
    if not flagged.any() or (judged & in_other_unit(data, policy)).sum() >= policy.least_normalised:
        return
    share = flagged.sum() / judged.sum()
    severity: AuditSeverity = _by_share(flagged, judged, policy.outside_warning)
    if share > policy.outside_certain or data.format == "yolo":
        severity = "certain"
    yield on_boxes(
        data, "box_outside_image", severity, "Boxes reach beyond their image", flagged,
        remedy=_outside_remedy(data, share, policy),
        cause="boxes_outside_image", total=int(judged.sum()),
    )  # fmt: skip


def _outside_remedy(data: Dataset, share: float, policy: AuditPolicy) -> str:
    if share > policy.scale_share:
        far = np.nanmedian(data.boxes.xyxy[:, 2] / data.box_sizes[:, 0])
        return f"the boxes belong to images of another size (their right sides reach {far:.2g} widths): scale them"
    dropped = "; ultralytics skips every image with such a row" if data.format == "yolo" else ""
    return f"clip the boxes to the image, and drop those that vanish{dropped}"


def off_by_one(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Counted from 1 and read as from 0, or the reverse (A8)."""
    if not data.box_in_pixels.any():
        return
    xyxy, sizes = data.boxes.xyxy, data.box_sizes
    judged = data.boxes.sound & data.box_in_pixels
    flagged = judged & ((xyxy[:, :2] == -1).any(axis=1) | (xyxy[:, 2:] == sizes + 1).any(axis=1))
    if flagged.any():
        severity = _by_share(flagged, judged, policy.off_by_one_warning)
        yield on_boxes(
            data, "box_off_by_one", severity, "Boxes stick out by exactly one pixel", flagged,
            remedy="Pascal VOC counts pixels from 1: subtract 1 from its corners once, not twice and not never",
            cause="boxes_outside_image", total=int(judged.sum()),
        )  # fmt: skip


def full_image(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Boxes over the whole image in a large share, with repeated coordinates (A10)."""
    judged = data.boxes.sound & np.isfinite(data.box_sizes).all(axis=1) & ~in_other_unit(data, policy)
    areas = data.boxes.widths * data.boxes.heights / data.box_sizes.prod(axis=1)
    flagged = judged & (areas > policy.full_image_area)
    if not flagged.any():
        return
    kinds = len(np.unique(np.round(data.boxes.xyxy[flagged] / np.tile(data.box_sizes[flagged], 2), 3), axis=0))
    many = flagged.sum() > policy.full_image_share * judged.sum() and kinds < max(2, 0.5 * flagged.sum())
    yield on_boxes(
        data, "full_image_box", "warning" if many else "info", "Boxes cover their whole image", flagged,
        remedy="look at them: data for classification that were dressed as detection teach no place",
        total=int(judged.sum()),
    )  # fmt: skip


def other_unit(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Shares of the image among pixels, or pixels among shares (A3, A4)."""
    flagged = in_other_unit(data, policy)
    if flagged.sum() < policy.least_normalised:
        return
    declared, found = ("shares of the image", "pixels") if data.format == "yolo" else ("pixels", "shares of the image")
    rest = "" if flagged.sum() >= data.boxes.finite.sum() else ", others are not"
    yield on_boxes(
        data, "boxes_in_other_unit", "certain", f"Boxes are in {found} where {declared} belong{rest}", flagged,
        remedy=f"convert them to {declared}: {_conversion(data)}", cause="boxes_wrong_scale",
        total=int(data.boxes.finite.sum()),
    )  # fmt: skip


def _conversion(data: Dataset) -> str:
    return "divide by the width and height of the image" if data.format == "yolo" else "multiply by width and height"


def in_other_unit(data: Dataset, policy: AuditPolicy) -> Flags:
    """(n,) boxes whose numbers make sense only in the unit that the format does not use."""
    sizes = np.nan_to_num(data.box_sizes, nan=np.inf)
    largest = np.abs(data.boxes.xyxy).max(axis=1, initial=0.0, where=data.boxes.finite[:, None])
    if data.format == "yolo":
        shares = np.abs(data.boxes.xyxy) / np.tile(data.box_sizes, 2)
        result: Flags = data.boxes.finite & (shares.max(axis=1, initial=0.0) > policy.normalised_max)
        return result
    is_large = sizes.min(axis=1, initial=np.inf) > policy.least_image_px
    flagged: Flags = data.boxes.finite & data.box_in_pixels & (largest <= policy.normalised_max) & is_large
    return flagged


def overhang(data: Dataset, policy: AuditPolicy) -> Floats:
    """(n,) by how much a box reaches beyond its image, less what is allowed; 0 for none, NaN sizes count as endless."""
    sizes = np.where(np.isfinite(data.box_sizes), data.box_sizes, np.inf)
    allowed = np.maximum(
        np.where(data.box_in_pixels, policy.outside_px, 0.0)[:, None],
        np.where(np.isfinite(sizes), sizes, 0.0) * policy.outside_share_of_side,
    )
    beyond = np.maximum(-data.boxes.xyxy[:, :2], data.boxes.xyxy[:, 2:] - sizes) - allowed
    worst: Floats = np.maximum(np.nan_to_num(beyond, nan=0.0, posinf=0.0, neginf=0.0).max(axis=1, initial=0.0), 0.0)
    return worst


def short_side(data: Dataset) -> Floats:
    """(n,) the smaller of width and height."""
    return np.minimum(data.boxes.widths, data.boxes.heights)


def aspect(data: Dataset) -> Floats:
    """(n,) the longer side over the shorter; 1 for boxes without an area."""
    long = np.maximum(data.boxes.widths, data.boxes.heights)
    return np.divide(long, short_side(data), out=np.ones_like(long), where=data.boxes.sound)


def _pixel_boxes(data: Dataset, policy: AuditPolicy) -> Flags:
    """(n,) sound boxes of known pixels, unless the whole file is in another unit."""
    largest = np.abs(data.boxes.xyxy).max(axis=1, initial=0.0)
    judged: Flags = data.boxes.sound & data.box_in_pixels & (largest > policy.normalised_max)
    return judged


def _by_share(flagged: Flags, judged: Flags, limit: float) -> AuditSeverity:
    return "warning" if flagged.sum() > limit * judged.sum() else "info"


def _sides(data: Dataset) -> Describe:
    return lambda index: f"{data.boxes.widths[index]:.3g} x {data.boxes.heights[index]:.3g} px: {box_text(data, index)}"
