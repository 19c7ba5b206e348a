"""Limits of the target checks, each with its row in the catalogue of detection.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TargetPolicy:
    """Shares are over the boxes (or images) of the newest *horizon* rows."""

    horizon: int = 2000  # rows
    common_fault: float = 0.01  # share of degenerate boxes from which on they are no stray rows [A1]
    format_hint: int = 20  # boxes for a statistical verdict on the format [0.7: .25^20 = 1e-12]
    format_proof: int = 200  # boxes for an exact one [3.1 row 3]
    declared_legal: float = 0.98  # [A2]
    other_legal: float = 0.995  # [A2]
    misread_legal: float = 0.9  # share of legal boxes in every format, below which corners may have been made wrongly
    mostly_degenerate: float = 0.35  # share that no stray rows reach, and another format's boxes do [0.7]
    normalised_max: float = 1.5  # largest coordinate of normalised boxes [A3]
    pixels_min: float = 50.0  # shortest image side for which that is no accident [A3]
    normalised_boxes: int = 5  # [A3]
    outside_info: float = 0.01  # [A5]
    outside_warning: float = 0.05  # boxes that bleed after a mosaic stay below [3.1 row 4]
    outside_critical: float = 0.20  # [3.1 row 4]
    empty_hint: int = 32  # images without one box [3.1 row 6]
    empty_proof: int = 200
    one_image: float = 0.98  # of the batches, in which all boxes come with a single image: 0.42 at most by chance
    one_image_batches: int = 20
    one_image_of: int = 4  # images or more
    empty_share: float = 0.6  # [A13; rare objects are legitimate, so news only]
    mostly_empty: float = 0.85  # beyond what rare objects leave without a box in most collections (ships at sea: 0.78)
    mostly_empty_images: int = 400
    found_all_the_same: float = 0.5  # average precision of a detector to which such images do no harm
    tiny_share: float = 0.10  # slivers [G4]
    mostly_tiny: float = 0.5  # share that no detector is trained on, seen in the first batch
    duplicate_share: float = 0.05  # mosaic and copy-paste repeat some [A9]
    below_zero: float = 0.05  # share of boxes with a class id below 0; crowds and ignored regions stay below mostly
    pairing_boxes: int = 100  # fewer decide nothing at this z [A17: 300]
    pairing_z: float = 4.0  # standard errors over batches: looked at every few steps for a whole run
    mirror_surely: float = 0.54  # mirrors win half by chance, three in four under flips at even odds
    mirror_of_own: float = 0.4  # excess over one half as a share of the boxes' own: symmetric scenes stay below
    own_place_at_most: float = 0.58  # boxes that surely win less at their own place tell nothing of their images
    learnt_boxes: int = 300  # comparisons by what was learnt, before that they tell nothing is a warning
    learnt_at_most: float = 0.6  # right for 90 % and more of the boxes of every healthy law (pairing_power.py)
    surest_rows: int = 24  # of which the newest half is read
    surest_places: float = 15.0
    surest_explained: float = 10.0  # places that meet an object
    surest_z: float = 2.5
    settled_step: int = 120
    as_legal: float = 0.02  # of all boxes: what stray ones make of difference between two formats
    told_by_legality: float = 0.5  # share of legal boxes, below which that tells no format from another
    at_the_edge: float = 0.15  # of the side of an image: some of many boxes come so near to its edge
    far_beyond: float = 1.3  # of the side: what boxes of a larger image reach; those that bleed stay below mostly
    mostly_within: float = 0.7  # share of legal boxes, above which those that reach out are strays
    aside_own: float = 0.6  # boxes that surely win so often show where their object is
    aside_of_own: float = 0.55  # excess over one half, as a share of their own: of tight boxes 0.9 (pairing_power)
    aside_at_most: float = 0.72  # of boxes half as large again 0.73 and more; of corners off by two fifths at most 0.65
    within_half: float = 0.55  # of the side of an image: what boxes of one of half the size reach
    settled_lr: float = 0.3  # share of its peak to which the LR has fallen
    settled_epochs: float = 4.0  # where nothing tells how long the training is
    weak_score: float = 0.1  # best mAP or the like of a detector that answers by chance for a good part
    weak_loss: float = 0.7  # share of the first loss above which a detector without a score has learnt little
    unexplained: float = 0.2  # share of the surest answers; at most 0.02 in the healthy detectors of the fault bench
    unexplained_surely: float = 0.08
    nearly_all: float = 0.9  # then it answers nothing that can be held against an object
    loose: float = 0.55  # mean IoU; 0.57 and more in healthy detectors, 0.7 once their learning rate has fallen


DEFAULT_POLICY = TargetPolicy()
