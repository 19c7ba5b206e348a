"""The whole of the boxes: are they in the layout that the format promises?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from dettui.audit.checks.geometry import in_other_unit
from dettui.audit.dataset import BoxLayout, Dataset, Flags
from dettui.audit.finding import AuditFinding, AuditSeverity, on_boxes
from dettui.audit.policy import AuditPolicy
from dettui.audit.reading.columns import xyxy_of_cxcywh, xyxy_of_xywh
from dettui.domain.series import Floats

CORNERS: Final[Mapping[BoxLayout, Callable[[Floats], Floats]]] = {
    "xyxy": lambda raw: raw,
    "xywh": xyxy_of_xywh,
    "cxcywh": xyxy_of_cxcywh,
    "yxyx": lambda raw: raw[:, [1, 0, 3, 2]],
}
"""Four numbers as corners, for each layout."""

WORDS: Final[Mapping[BoxLayout, str]] = {
    "xyxy": "two corners (x1, y1, x2, y2)",
    "xywh": "corner and size (x, y, w, h)",
    "cxcywh": "centre and size (cx, cy, w, h)",
    "yxyx": "two corners, y first (y1, x1, y2, x2)",
}


def wrong_layout(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Too many boxes are impossible as declared, and nearly all are possible as something else (A2, A6).

    For corners there is a second sign: corner and size read as two corners puts every centre into the upper left
    quarter of the image, which honest boxes do with a probability of 0.25 each.
    """
    judged = data.boxes.finite & np.isfinite(data.box_sizes).all(axis=1) & ~in_other_unit(data, policy)
    if judged.sum() < policy.layout_least_boxes:
        return
    raw, sizes = as_declared(data)[judged], data.box_sizes[judged]
    shares = {layout: float(legal(raw, sizes, layout, policy.outside_share_of_side).mean()) for layout in CORNERS}
    shares[data.layout] = float(legal(raw, sizes, data.layout, policy.layout_slack).mean())
    guessed = suspect(data.layout, shares, policy)
    if guessed is None and data.layout == "xyxy" and _are_sizes_for_corners(raw, sizes, policy):
        guessed = "xywh"
    if guessed is None or (guessed == "yxyx" and _is_square(sizes)):
        return
    impossible = np.zeros(len(data.boxes), np.bool_)
    impossible[np.flatnonzero(judged)] = ~legal(raw, sizes, data.layout, policy.layout_slack)
    yield on_boxes(
        data, "boxes_in_wrong_layout", _severity(data, judged, shares, policy),
        f"Boxes are {WORDS[guessed]} where {WORDS[data.layout]} belongs", impossible,
        remedy=f"convert them: {shares[data.layout]:.1%} are possible as declared, {shares[guessed]:.1%} as {guessed}",
        cause="boxes_wrong_format", total=int(judged.sum()),
    )  # fmt: skip


def suspect(declared: BoxLayout, shares: Mapping[BoxLayout, float], policy: AuditPolicy) -> BoxLayout | None:
    """The layout that fits where the declared one does not; None where it does, or where none fits."""
    if shares[declared] >= policy.layout_declared_below:
        return None
    best = max((layout for layout in shares if layout != declared), key=lambda layout: shares[layout])
    return best if shares[best] >= policy.layout_other_from else None


def as_declared(data: Dataset) -> Floats:
    """(n, 4) the numbers as the file gives them, in the units of the image's size."""
    corners = data.boxes.xyxy
    size = corners[:, 2:] - corners[:, :2]
    if data.layout == "xywh":
        return np.concatenate([corners[:, :2], size], axis=1)
    if data.layout == "cxcywh":
        return np.concatenate([corners[:, :2] + size / 2, size], axis=1)
    return corners


def legal(raw: Floats, sizes: Floats, layout: BoxLayout, slack: float) -> Flags:
    """(n,) whether four numbers are a box inside its image under *layout*; *slack* of the side is forgiven."""
    corners = CORNERS[layout](raw)
    over = slack * sizes
    inside = [corners[:, 2:] > corners[:, :2], corners[:, :2] >= -over, corners[:, 2:] <= sizes + over]
    result: Flags = np.logical_and.reduce(np.concatenate(inside, axis=1), axis=1)
    return result


def _are_sizes_for_corners(raw: Floats, sizes: Floats, policy: AuditPolicy) -> bool:
    """Every centre in the upper left quarter, and a second sign, since a fixed camera may see objects only there.

    That is a box that is inside out; or, since sizes of large objects pass as corners, many boxes whose sums of the two
    numbers end exactly at the sides of the image, as those of boxes that touch its lower right do.
    """
    sums = (raw[:, :2] + raw[:, 2:]) / sizes
    if (sums > 1 + policy.outside_share_of_side).any():
        return False
    inside_out = (raw[:, 2:] <= raw[:, :2]).any()
    ends_at_sides = (sums.max(axis=0) >= policy.layout_ends_at_side).all()
    return bool(inside_out or (ends_at_sides and len(raw) >= policy.layout_certain_boxes))


def _is_square(sizes: Floats) -> bool:
    return bool((sizes[:, 0] == sizes[:, 1]).all())


def _severity(data: Dataset, judged: Flags, shares: Mapping[BoxLayout, float], policy: AuditPolicy) -> AuditSeverity:
    images = len(np.unique(data.boxes.images[judged]))
    enough = judged.sum() >= policy.layout_certain_boxes and images >= policy.layout_certain_images
    return "certain" if enough and shares[data.layout] < policy.layout_certain_below else "warning"
