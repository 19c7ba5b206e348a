"""Causes in the boxes, as the model receives them."""

from __future__ import annotations

from typing import Final

from dettui.detect.ending import BOX_WITHOUT_AREA
from dettui.diagnose.cause import STUCK, CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Family, Says, Seen, Unless, at_least, at_most, both, either, over, under
from dettui_probe import tags

_TARGETS: Final = ("targets/",)

_ENOUGH_BOXES: Final = at_least("boxes_seen", 200)
"""Below 200 boxes a format is likely, not proved (detection.md 3.1 row 3)."""

_TOLD: Final = Says("told_format", ("xyxy", "xywh", "cxcywh", "yxyx"))
"""A head that nobody knows may read what it is given: then a format is likely wrong at most, and never surely."""

_OTHER_FORMAT_FITS: Final = both(
    under("share_legal_declared", 0.98),
    at_least("share_legal_other", 0.995),
)
_OF_A_SMALLER_IMAGE: Final = both(
    at_least("share_top_left", 0.9999), at_most("coord_over_side", 0.55), at_least("boxes_seen", 200)
)
_ALL_TOP_LEFT: Final = both(
    at_least("share_top_left", 0.9999),
    Unless(Says("declared_format", ("xywh", "cxcywh"))),
    Unless(at_most("coord_over_side", 0.55)),  # then it is the scale
)
_IN_PIXELS: Final = over("max_coord", 1.5)
_WANTS_SHARES: Final = Says("box_scale", ("unit",))
_IN_THE_RIGHT_SCALE: Final = either(
    both(_IN_PIXELS, Unless(_WANTS_SHARES)), both(_WANTS_SHARES, at_most("max_coord", 1.5))
)
_NORMALISED: Final = both(at_most("max_coord", 1.5), over("min_image_side", 50), at_least("boxes_seen", 5))

_FIT_AS_READ: Final = over("read_fits_at_least", 0.54)
_FINDS_NOTHING: Final = both(
    Unless(_TOLD),
    Seen("not_learning", "eval/"),
    over("loss_drop_share", 0.25),
    Unless(over("mirror_wins_at_least", 0.54)),
)
"""A head that nobody knows, whose loss falls while no evaluation scores."""

LIE_ASIDE: Final = both(Seen("bad_targets", tags.PAIRING_ASIDE_WINS), under("aside_wins_at_most", 0.47))
"""Boxes that scatter are as good where they are as beside that (0.47 to 0.55 where corners are off by four fifths);
only wrong ones are worse."""

_READ_SMALLER: Final = both(
    Unless(_TOLD), at_most("read_reach", 0.55), at_most("read_start", 0.15), at_least("boxes_seen", 200)
)
_MISREAD: Final = at_least("misread_legal", 0.995)
_READ_LARGER: Final = both(
    Unless(_TOLD), Unless(_MISREAD), over("read_reach", 1.3), at_most("read_start", 0.15), at_most("read_legal", 0.7)
)

DEGENERATE_BOXES: Final = CauseRecord(
    id="degenerate_boxes",
    group="annotations",
    meaning="Some boxes have no area (x2 <= x1 or y2 <= y1) or hold a NaN or an infinity.",
    symptoms=("bad_targets", "non_finite", "spike", *STUCK),
    prior=0.08,
    proofs=(
        Proof(Seen("bad_targets", BOX_WITHOUT_AREA), "the run ended with it: the model refused a box without area"),
        Proof(over("share_degenerate", 0), "{share_degenerate:.2%} of {boxes_seen:.0f} boxes have no area"),
        Proof(over("share_nonfinite_boxes", 0), "{share_nonfinite_boxes:.2%} of {boxes_seen:.0f} boxes are not finite"),
    ),
    dominant=either(over("share_degenerate", 0.05), over("share_nonfinite_boxes", 0)),
    tags=("targets/degenerate", "targets/nonfinite", "event/box", "loss/", "grad/"),
    check="Print the offending rows: b[(b[:, 2] <= b[:, 0]) | (b[:, 3] <= b[:, 1]) | ~b.isfinite().all(1)].",
    remedy="Drop them where targets are made: keep = (b[:, 2:] > b[:, :2]).all(1) & b.isfinite().all(1); "
    "index boxes and labels with the same keep.",
    overturned_by="The same rows printed from the dataset all have positive width and height: then something "
    "between it and the model broke them.",
)

BOXES_WRONG_FORMAT: Final = CauseRecord(
    id="boxes_wrong_format",
    group="annotations",
    meaning="Boxes are given in another coordinate format than the model reads, for example xywh as xyxy.",
    symptoms=("bad_targets", "config_smell", *STUCK, "spike", "divergence"),
    prior=0.08,
    proofs=(
        Proof(
            both(_TOLD, _ENOUGH_BOXES, _IN_THE_RIGHT_SCALE, _OTHER_FORMAT_FITS),
            "only {share_legal_declared:.1%} of {boxes_seen:.0f} boxes are legal as {declared_format}, and at least "
            "99.5% are as {likely_format}",
        ),
        Proof(
            both(
                _TOLD,
                at_least("boxes_seen", 20),
                at_least("share_degenerate", 0.35),
                _IN_THE_RIGHT_SCALE,
                _OTHER_FORMAT_FITS,
            ),
            "{share_degenerate:.0%} of {boxes_seen:.0f} boxes have no area as {declared_format}, and at least 99.5% "
            "are legal as {likely_format}",
        ),
        Proof(
            both(_TOLD, _ENOUGH_BOXES, _IN_PIXELS, _ALL_TOP_LEFT),
            "read as xyxy, the centres of all {boxes_seen:.0f} boxes lie in the top left quarter of their images",
        ),
    ),
    clues=(
        Clue(
            "format",
            2,
            over("swap_wins_at_least", 0.54),
            "boxes fit their images with x and y swapped ({swap_wins:.0%}, chance is 50%), and not as they are "
            "({own_place_wins:.0%})",
        ),
        Clue(
            "format",
            2,
            _MISREAD,
            "boxes leave their images, and {misread_legal:.1%} lie within once it is undone that they were {misread}",
        ),
        Clue(
            "format",
            2,
            both(_IN_THE_RIGHT_SCALE, at_least("boxes_seen", 20), either(_OTHER_FORMAT_FITS, _ALL_TOP_LEFT)),
            "{boxes_seen:.0f} boxes so far read better as {likely_format} than as {declared_format}",
        ),
        Clue(
            "format",
            2,
            both(_FINDS_NOTHING, _FIT_AS_READ, under("usual_boxes", 1)),
            "boxes fit their images as {likely_format} ({read_fits:.0%}, chance is 50%), which few heads read, and no "
            "evaluation finds anything, while the loss falls: the head learns another place than is meant",
        ),
        Clue(
            "format",
            2,
            LIE_ASIDE,
            "boxes stand out less where they are than a quarter of their size aside ({aside_wins:.0%}, chance is 50%): "
            "they lie beside their objects, or around far more than these",
        ),
        Clue(
            "format",
            2,
            both(Unless(_TOLD), over("falls_without_end", 100), under("share_legal_xyxy", 0.5)),
            "the loss falls without end, as one by overlap does for boxes of negative size: read as corners "
            "{share_legal_xyxy:.0%} of {boxes_seen:.0f} boxes have an area, as {likely_format} {read_legal:.0%}",
        ),
        Clue(
            "format",
            -2,
            both(_TOLD, at_least("share_legal_declared", 0.999)),
            "{share_legal_declared:.1%} of the boxes are legal as {declared_format}",
        ),
    ),
    tags=(*_TARGETS, "pairing/swapped", "pairing/aside", "loss/"),
    explains_away=(
        "degenerate_boxes",
        "boxes_outside_image",
        "augmentation_drops_boxes",
        "labels_shuffled",
        "loss_sign_flipped",
        "lr_too_high",
    ),
    check="Draw one target on its image. A box in the wrong format starts at the right corner and ends in the wrong "
    "place.",
    remedy="Convert where targets are made: target['boxes'] = {conversion}.",
    overturned_by="Ten boxes drawn as {declared_format} lie on their objects.",
)

BOXES_WRONG_SCALE: Final = CauseRecord(
    id="boxes_wrong_scale",
    group="annotations",
    meaning="Boxes are in other units than the model expects: normalised instead of pixels, or pixels of the image "
    "before it was resized.",
    symptoms=("bad_targets", *STUCK),
    prior=0.06,
    proofs=(
        Proof(
            both(_NORMALISED, either(Family("torchvision"), Says("box_scale", ("pixels",)))),
            "the largest coordinate is {max_coord:.3g} while images measure {min_image_side:.0f} px: the boxes are "
            "normalised and {family} reads pixels",
        ),
        Proof(
            both(_IN_PIXELS, _WANTS_SHARES, at_least("boxes_seen", 5)),
            "coordinates reach {max_coord:.4g}: the boxes are in pixels and {family} reads shares of the image",
        ),
    ),
    clues=(
        Clue(
            "scale",
            2,
            both(_IN_PIXELS, _OF_A_SMALLER_IMAGE),
            "no coordinate of {boxes_seen:.0f} boxes is beyond {coord_over_side:.0%} of the side of its image",
        ),
        Clue(
            "scale",
            2,
            _READ_SMALLER,
            "read as {likely_format}, no box of {boxes_seen:.0f} reaches beyond {read_reach:.2g} of the side of its "
            "image",
        ),
        Clue(
            "scale",
            2,
            _READ_LARGER,
            "read as {likely_format}, boxes begin at the edge of their images and reach {read_reach:.2g} times as far, "
            "and {read_legal:.0%} lie within",
        ),
        Clue(
            "scale",
            1.75,
            both(at_most("max_coord", 1.5), _FINDS_NOTHING, _FIT_AS_READ, Says("likely_format", ("xyxy",))),
            "the largest coordinate is {max_coord:.3g} while images measure {min_image_side:.0f} px, and no evaluation "
            "finds anything",
        ),
        Clue(
            "scale",
            2,
            both(
                at_most("max_coord", 1.5),
                Unless(_TOLD),
                Seen("not_learning", tags.FIT_PAIRS_OWN),
                _FIT_AS_READ,
                Says("likely_format", ("xyxy",)),
            ),
            "the largest coordinate is {max_coord:.3g} while images measure {min_image_side:.0f} px, few heads read "
            "corners so, and nothing is learnt of the objects",
        ),
        Clue(
            "scale",
            2,
            both(_NORMALISED, _TOLD, Unless(_WANTS_SHARES)),
            "the largest coordinate is {max_coord:.3g} while images measure {min_image_side:.0f} px",
        ),
        Clue(
            "scale",
            2,
            over("share_outside", 0.5),
            "{share_outside:.0%} of the boxes reach beyond their image, as boxes of a larger image would",
        ),
        Clue("size", 2, over("share_tiny", 0.5), "{share_tiny:.0%} of the boxes have a side of 2 px or less"),
        Clue(
            "scale",
            -2,
            both(under("share_outside", 0.001), at_most("share_tiny", 0.5), _IN_THE_RIGHT_SCALE),
            "all boxes lie inside their images",
        ),
    ),
    tags=(*_TARGETS, "assign/", "loss/"),
    explains_away=("boxes_outside_image", "anchors_mismatch", "labels_shuffled"),
    check="Compare target['boxes'].max() with image.shape[-2:] for one sample as it leaves the dataset.",
    remedy="Scale the boxes with the image: boxes *= boxes.new_tensor([w, h, w, h]) for normalised boxes, or "
    "[new_w / old_w, new_h / old_h] * 2 after a resize.",
    overturned_by="target['boxes'].max() lies near the size of the image that the model receives.",
)

BOXES_OUTSIDE_IMAGE: Final = CauseRecord(
    id="boxes_outside_image",
    group="annotations",
    meaning="Boxes reach beyond the image as the model receives it.",
    symptoms=("bad_targets", *STUCK),
    prior=0.05,
    proofs=(
        Proof(over("share_outside", 0.01), "{share_outside:.1%} of {boxes_seen:.0f} boxes reach beyond their image"),
    ),
    dominant=over("share_outside", 0.2),
    tags=(*_TARGETS, "assign/", "loss/"),
    explains_away=("anchors_mismatch", "labels_shuffled"),
    check="List image ids with boxes[:, 2] > width + 1 or boxes[:, 3] > height + 1 and open one of them.",
    remedy="If the box is right and merely bleeds: torchvision.ops.clip_boxes_to_image(boxes, (h, w)). If many are "
    "out, look for a resize or crop that left the boxes behind.",
    overturned_by="The boxes that reach out belong to mosaics or crops that are clipped later on purpose.",
)

BOXES_DUPLICATED: Final = CauseRecord(
    id="boxes_duplicated",
    group="annotations",
    meaning="The same object is annotated twice, or with two classes.",
    symptoms=("bad_targets",),
    clues=(
        Clue("duplicates", 2, over("share_duplicates", 0.05), "{share_duplicates:.1%} of the boxes repeat another"),
        Clue("duplicates", 1, over("share_duplicates", 0.005), "{share_duplicates:.1%} of the boxes repeat another"),
    ),
    tags=("targets/duplicates",),
    check="Count rows against torch.unique(boxes, dim=0) for the images with the most boxes.",
    remedy="Merge duplicates when the annotation file is read: df.drop_duplicates(['image_id', 'bbox', "
    "'category_id']).",
    overturned_by="The repeated rows are different objects of one place, as in a stack.",
)

CAUSES: Final = (
    DEGENERATE_BOXES,
    BOXES_WRONG_FORMAT,
    BOXES_WRONG_SCALE,
    BOXES_OUTSIDE_IMAGE,
    BOXES_DUPLICATED,
)
