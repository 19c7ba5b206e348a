"""Every threshold of the audit, with its source.

Ids such as A5 are rows of the catalogue of faults, "check 3" of the table of checks before training; datumaro is its
DetectionValidator 1.13.12, ultralytics its ``verify_image_label`` 8.4.190.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AuditPolicy:
    """When a measurement becomes a finding, and when that becomes a warning.  Shares are of the boxes looked at."""

    # --- geometry
    outside_px: float = 1.0  # A5: rounding may put a side one pixel out
    outside_share_of_side: float = 0.01  # ultralytics accepts coordinates from -.01 to 1.01
    outside_warning: float = 0.01  # A5
    outside_certain: float = 0.20  # check 4: beyond this it is no rounding
    scale_share: float = 0.5  # A5: more than half outside is another scale
    normalised_max: float = 1.5  # A3, A4: the largest coordinate that may still be a share of the side
    least_image_px: float = 50.0  # A3: in smaller images a box of one pixel may be meant
    least_normalised: int = 5  # A3
    short_side_px: float = 1.0  # datumaro NegativeLength: width or height below 1
    tiny_px: float = 2.0  # A7, and ultralytics drops such boxes when it augments
    tiny_warning: float = 0.01  # A7
    sliver_ratio: float = 20.0  # A7
    sliver_lost_ratio: float = 100.0  # ultralytics drops longer ones when it augments (box_candidates)
    sliver_warning: float = 0.01  # A7, but of the longer ones: lines of text and poles are 20 times as long as wide
    full_image_area: float = 0.95  # A10
    full_image_share: float = 0.30  # A10
    off_by_one_warning: float = 0.01  # A8, held to the share of A5

    # --- format inference: legal under the declared layout, legal under another
    layout_declared_below: float = 0.98  # A2
    layout_other_from: float = 0.995  # A2
    layout_certain_below: float = 0.90  # ours: a few boxes that stick out must not decide
    layout_slack: float = 0.10  # ours, of the side: who draws past the edge does not thereby write another format
    layout_ends_at_side: float = 0.98  # ours: so near to the side of the image is at it
    layout_least_boxes: int = 20  # check 3
    layout_certain_boxes: int = 200  # check 3
    layout_certain_images: int = 20  # check 3

    # --- duplicates
    same_box_iou: float = 0.95  # A9, and cleanlab's figure for conflicting labels
    duplicate_warning: float = 0.005  # A9
    duplicate_least: int = 5  # ours: in a small set chance alone reaches the share
    copied_unique_share: float = 0.2  # A11
    copied_warning_share: float = (
        0.02  # ours: fixed cameras repeat boxes, an index that stands still repeats nearly all
    )
    copied_least_boxes: int = 200  # A11
    copied_least_images: int = 20

    # --- classes
    few_boxes: int = 1  # datumaro FewSamplesInLabel
    imbalance_ratio: float = 50.0  # A15, datumaro ImbalancedLabels
    imbalance_least_boxes: int = 1000  # A15
    empty_images_warning: float = 0.60  # A13
    delivered_share: float = 0.95  # A14

    # --- distributions
    top_bins_share: float = 0.8  # datumaro ImbalancedDistInLabel: the fullest tenth of the bins holds this much
    top_bins: float = 0.1
    distribution_bins: int = 20
    distribution_least: int = 100  # ours: fewer say nothing about a distribution
    far_from_mean: float = 5.0  # datumaro FarFromLabelMean, in standard deviations

    # --- files
    least_side_px: int = 10  # ultralytics refuses smaller images
    size_tolerance_px: int = 0
    formats: frozenset[str] = frozenset(
        {"BMP", "DNG", "HEIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP", "PFM"}
    )  # ultralytics reads these, by the names that Pillow gives them

    # --- two sets
    hash_bits_apart: int = 6  # of 256 bits: what recompression and a resize change
    hash_least_contrast: int = 24  # bits set, and bits clear: textureless images look alike
    leakage_warning: float = 0.005  # A19


DEFAULT = AuditPolicy()
