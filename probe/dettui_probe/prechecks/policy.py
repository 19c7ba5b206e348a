"""The limits of every pre-flight check.  Row names are those of the failure catalogue (A1, G3, ...).

What is called certain has no tunable statistics beyond a sample size that makes chance negligible.
"""

from __future__ import annotations

from typing import Final

# How much of the loader is looked at.
MAX_BATCHES: Final = 32
MAX_IMAGES: Final = 128
LOADER_BUDGET_S: Final = 15.0

# Blank images, as while a run goes on.
BLANK_WARN: Final = 0.02
BLANK_CERTAIN: Final = 0.20

# A2, A3: a legal xyxy box is also legal as xywh with probability 1/4, so n boxes all in the top left quadrant happen
# by chance with .25^n.  That holds for boxes that are independent: hence images too.
FORMAT_MIN_BOXES: Final = 20
FORMAT_CERTAIN_BOXES: Final = 200
FORMAT_CERTAIN_IMAGES: Final = 20
LEGAL_AS_DECLARED: Final = 0.98
LEGAL_AS_ANOTHER: Final = 0.995
NORMALISED_MAX_COORD: Final = 1.5
NORMALISED_MIN_SIDE_PX: Final = 50.0
NORMALISED_MIN_BOXES: Final = 5

# A5: bleeding boxes are usual after mosaic and scale augmentations, hence 5 % rather than the catalogue's 1 %.
OUTSIDE_WARN: Final = 0.05
OUTSIDE_CERTAIN: Final = 0.20

# A13
EMPTY_CERTAIN_IMAGES: Final = 32  # no box in so many images
EMPTY_WARN_SHARE: Final = 0.60

# B1, B2
VARIANCE_OF_MEDIAN: Final = 1e4
BATCH_NORM_MIN_IMAGES: Final = 4

# G1, G2: measured on 574 decided trials of ten correct pipelines: 1 wrong; the mildest broken pipeline: 44 % wrong.
MARKER_TRIALS: Final = 192
MARKER_ENOUGH_DECIDED: Final = 40
MARKER_MIN_DECIDED: Final = 20
MARKER_WRONG_SHARE: Final = 0.05
MARKER_BUDGET_S: Final = 20.0

# A17.  Mirrors, swapped axes and other images are fair coins on healthy data: 4.5 standard errors (3 in a million) and
# an excess of .04 besides.  Healthy boxes are told from other images by a learnt discriminant 9 times in 10 and more
# (tests/bench/pairing_power.py); "no better than chance" is said below .65.
PAIRING_MIN_BOXES: Final = 60
PAIRING_MIN_CLUSTERS: Final = 8
PAIRING_ERRORS: Final = 4.5
PAIRING_SURELY: Final = 0.54
PAIRING_OF_OWN: Final = 0.4
PAIRING_LEARNT_AT_MOST: Final = 0.65
PAIRING_NEIGHBOURS: Final = 64
PAIRING_SHIFTS: Final = 4

# G3-G5, G7
KEPT_MIN: Final = 0.70
EMPTIED_MAX: Final = 0.20
SLIVER_VISIBLE: Final = 0.20
SLIVER_MAX_SHARE: Final = 0.10
BLOAT_MAX: Final = 1.5
NOISE_MAX: Final = 1.0  # standard deviations of the image itself
NATURAL_DEVIATION: Final = 0.25  # of a photograph, as a share of its range
AUGMENTATION_MIN_BOXES: Final = 30

# E1
ORACLE_MIN_AP: Final = 0.99
ORACLE_MAX_OBJECTS: Final = 100  # COCO's maxDets: an image with more cannot reach an AP of 1
ORACLE_IMAGES: Final = 32

# R1-R4.  The catalogue's figure for R3 is .98; torchvision's detectors let every object keep its best anchor, so that
# a share of misses below it is usual with small objects: it is noted, and warned of only where most objects miss.
ASSIGNMENT_BATCHES: Final = 2
ASSIGNMENT_MIN_OBJECTS: Final = 8
UNMATCHED_SHARE: Final = 0.20
SELF_MATCH_ONLY: Final = 1.05
ANCHOR_RECALL_NOTE: Final = 0.98
ANCHOR_RECALL_WARN: Final = 0.50
TINY_AT_NETWORK_PX: Final = 8.0
TINY_SHARE: Final = 0.30

# Overfitting one batch.
OVERFIT_STEPS: Final = 60
OVERFIT_FALL: Final = 0.50
OVERFIT_BUDGET_S: Final = 120.0
