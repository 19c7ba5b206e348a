"""Causes in the boxes and labels, as the model receives them."""

from __future__ import annotations

from typing import Final

from dettui.detect.ending import BOX_WITHOUT_AREA, LABEL_BEYOND
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

_LIE_ASIDE: Final = both(Seen("bad_targets", tags.PAIRING_ASIDE_WINS), under("aside_wins_at_most", 0.47))
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
            _LIE_ASIDE,
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

LABELS_OUT_OF_RANGE: Final = CauseRecord(
    id="labels_out_of_range",
    group="annotations",
    meaning="A class id is below 0, or at or above the number of classes of the head.",
    symptoms=("bad_targets", "non_finite", *STUCK),
    prior=0.05,
    proofs=(
        Proof(Seen("bad_targets", LABEL_BEYOND), "the run ended with it: the head lacks a class"),
        Proof(
            over("labels_illegal", 0),
            "{labels_illegal:.0f} labels lie outside the head's classes (labels run from {label_min:.0f} to "
            "{label_max:.0f})",
        ),
    ),
    clues=(
        Clue(
            "below",
            2,
            over("share_below_zero", 0.05),
            "{share_below_zero:.0%} of the boxes are objects with a class id below 0: it is padding to one loss, the "
            "last class to another",
        ),
    ),
    tags=("targets/label", "event/label", "loss/", "assign/"),
    check="Compare torch.cat([t['labels'] for t in targets]).unique() with the num_classes given to the head.",
    remedy="Map ids to consecutive ones when reading annotations: to_index = {{c: i for i, c in "
    "enumerate(sorted(ids), start=1)}}; and give the head len(ids) + 1 classes.",
    overturned_by="The head has more outputs than {num_classes:.0f}, and the extra ids are meant; or ids below 0 mark "
    "regions that the loss is to ignore.",
)

BACKGROUND_LABEL_USED: Final = CauseRecord(
    id="background_label_used",
    group="annotations",
    meaning="Objects carry the class id that this head keeps for background, usually because all ids are shifted by "
    "one.",
    symptoms=("bad_targets", "class_unseen", *STUCK),
    prior=0.06,
    proofs=(
        Proof(
            both(over("labels_background", 0), at_least("background", 0)),
            "{labels_background:.0f} objects carry class id {background:.0f}, which {family} keeps for background",
        ),
        Proof(
            over("labels_named_background", 0),
            "{labels_named_background:.0f} objects carry class id 0, which the class names of the run keep for "
            "background",
        ),
    ),
    clues=(
        Clue(
            "foreground",
            2,
            both(at_most("roi_foreground", 0), over("rpn_positives", 0)),
            "the RPN finds the objects ({rpn_positives:.1f} anchors each), and none is foreground to the RoI head",
        ),
    ),
    tags=("targets/label", "counts/targets", "assign/roi", "loss/"),
    explains_away=("class_missing",),
    check="Print target['labels'].min() over one epoch: with a head that has a background class it must be at least 1.",
    remedy="Shift the labels where targets are made: target['labels'] = target['labels'] + 1, with num_classes = "
    "1 + number of object classes.",
    overturned_by="The head counts its classes from 0 and keeps no background.",
)

LABELS_BOXES_MISMATCH: Final = CauseRecord(
    id="labels_boxes_mismatch",
    group="annotations",
    meaning="Boxes and labels of one image differ in number, so that labels belong to the wrong boxes.",
    symptoms=("bad_targets", *STUCK),
    prior=0.05,
    proofs=(
        Proof(
            over("length_mismatches", 0),
            "in {length_mismatches:.0f} images the number of labels is not the number of boxes",
        ),
    ),
    tags=("targets/length_mismatch",),
    check="Assert len(target['boxes']) == len(target['labels']) at the end of __getitem__.",
    remedy="Let the augmentation filter both: A.Compose([...], bbox_params=A.BboxParams('pascal_voc', "
    "label_fields=['labels'])).",
    overturned_by="The longer field is no field per box (one label for the whole image).",
)

EMPTY_TARGETS: Final = CauseRecord(
    id="empty_targets",
    group="annotations",
    meaning="No boxes arrive at the model, or far fewer than the annotation files hold.",
    symptoms=("bad_targets", "loss_floor", "collapse", "dead_units", "spike", "overfit", *STUCK),
    prior=0.08,
    dominant=over("share_empty", 0.6),
    explains_away=(
        "dead_relu",
        "adam_second_moment_lag",
        "outlier_batches",
        "batch_too_small",
        "lr_too_high",
        "gradients_not_zeroed",
        "overfitting",
    ),
    proofs=(
        Proof(
            both(at_least("share_empty", 0.999), at_least("images_seen", 32)),
            "none of {images_seen:.0f} images brought a box",
        ),
    ),
    clues=(
        Clue("empty", 2, over("share_empty", 0.8), "{share_empty:.0%} of {images_seen:.0f} images have no box"),
        Clue("empty", 1, over("share_empty", 0.6), "{share_empty:.0%} of {images_seen:.0f} images have no box"),
        Clue("empty", -2, under("share_empty", 0.2), "{share_empty:.0%} of the images have no box"),
    ),
    tags=("targets/empty", "targets/boxes", "surest/", "loss/", "grad/", "layer/", "eval/"),
    check="Count boxes in the annotation file and over one pass of the dataset: sum(len(t['boxes']) for _, t in "
    "dataset).",
    remedy="Find the filter that removes them: ids compared as str and int (int(row['image_id']) mends it), class "
    "names that do not match, or a crop with min_visibility=0 that leaves nothing.",
    overturned_by="The files hold as few boxes as arrive: the images are meant to be empty.",
)

MISSING_ANNOTATIONS: Final = CauseRecord(
    id="missing_annotations",
    group="annotations",
    meaning="Real objects are left unlabelled and train as background.",
    symptoms=("plateau", "plateau_after_lr_drop", "bad_targets"),
    clues=(
        Clue(
            "unexplained",
            2,
            both(over("surest_unexplained", 0.2), at_least("surest_overlap", 0.58)),
            "{surest_unexplained:.0%} of what the detector is surest of meets no box, and where it meets one its boxes "
            "are right ({surest_overlap:.0%} overlap)",
        ),
        Clue(
            "unexplained",
            1,
            both(over("surest_unexplained", 0.2), under("surest_overlap", 0.58)),
            "{surest_unexplained:.0%} of what the detector is surest of meets no box",
        ),
        Clue(
            "unexplained",
            -2,
            under("surest_unexplained", 0.05),
            "all but {surest_unexplained:.0%} of what the detector is surest of meets a box",
        ),
        Clue("survives", 1, Seen("plateau_after_lr_drop"), "the plateau outlived a drop of the learning rate"),
        Clue(
            "norm",
            -1,
            under("images_per_norm", 2),
            "BatchNorm sees {images_per_norm:.0f} image at a time, by which the same object looks different each time",
        ),
        Clue("learnt", -1, under("loss_drop_share", 0.1), "the loss never fell, as it would on mostly right labels"),
        Clue(
            "learnt", -2, Seen("not_learning"), "nothing is learnt so far: then it is surest of nothing in particular"
        ),
    ),
    tags=("surest/",),
    check="Look at 20 confident predictions without a matching box: are they objects?",
    remedy="Label what they show, or mark the regions as ignore (iscrowd=1) so that they do not count as background.",
    overturned_by="A second look at 20 unmatched confident predictions finds no object in them.",
)

LABEL_NOISE: Final = CauseRecord(
    id="label_noise",
    group="annotations",
    meaning="A share of the labels is wrong: of another class, or boxes that lie about their objects.",
    symptoms=("plateau", "plateau_after_lr_drop", "slow_descent", "bad_targets"),
    clues=(
        Clue(
            "boxes",
            1.5,
            under("surest_overlap", 0.58),
            "boxes that the detector is sure of overlap their targets by {surest_overlap:.0%}, as the best answer to "
            "boxes that scatter would",
        ),
        Clue(
            "boxes",
            2,
            both(Seen("bad_targets", tags.PAIRING_ASIDE_WINS), Unless(_LIE_ASIDE)),
            "boxes stand out little more where they are than a quarter of their size aside ({aside_wins:.0%}, chance "
            "is 50%), and do fit their own images ({own_place_wins:.0%})",
        ),
        Clue(
            "boxes",
            -1,
            over("surest_overlap", 0.7),
            "boxes that the detector is sure of overlap their targets by {surest_overlap:.0%}",
        ),
        Clue(
            "gap",
            2,
            Seen("bad_targets", "eval/"),
            "answers are right more often in evaluations than in training, with no dropout or noise to explain it",
        ),
        Clue(
            "gap",
            1.5,
            both(under("eval_loss_over_train", 0.85), Unless(over("dropout", 0.25))),
            "evaluations cost {eval_loss_over_train:.0%} of what training does, without dropout: its labels ask "
            "for more than can be known",
        ),
        Clue("wrong", 1, over("fit_wrong", 0.08), "{fit_wrong:.0%} of the targets contradict a confident answer"),
        Clue("gap", -1, over("eval_loss_over_train", 1.1), "evaluations cost more than training does"),
        Clue("survives", 1, Seen("plateau_after_lr_drop"), "the plateau outlived a drop of the learning rate"),
        Clue("learnt", -1, under("loss_drop_share", 0.1), "the loss never fell, as it would on mostly right labels"),
    ),
    check="Sort the training samples by loss and view the worst 50: count how many carry a wrong class.",
    remedy="Correct the worst 1% by loss and train again; until then CrossEntropyLoss(label_smoothing=0.1) bounds "
    "their pull.",
    overturned_by="Fifty training samples with the highest loss carry the right class, all of them.",
)

LABELS_SHUFFLED: Final = CauseRecord(
    id="labels_shuffled",
    group="annotations",
    meaning="Boxes or labels belong to other images than the ones they come with.",
    symptoms=("bad_targets", "bad_augmentation", "overfit", *STUCK),
    clues=(
        Clue(
            "chance",
            2,
            both(at_least("eval_loss_over_guess", 0.97), Seen("overfit")),
            "no evaluation was ever better than guessing ({eval_loss_over_guess:.2f} of its loss), while the training "
            "set is being learnt by heart",
        ),
        Clue(
            "chance",
            1,
            both(over("output_spread", 0.01), over("log10_update_ratio", -4), Seen("not_learning")),
            "inputs reach the output and steps are of usual size, and still nothing can be learnt of the labels",
        ),
        Clue("chance", -2, under("eval_loss_over_guess", 0.9), "evaluations are better than guessing"),
        Clue("size", -1, Seen("plateau", tags.ROWS), "the network has fewer weights than there are examples"),
        Clue(
            "terms",
            -2,
            Seen("config_smell", tags.GRAPH_APART),
            "one term of the loss is weighed so much more than another that this one need not be learnt",
        ),
        Clue(
            "rate",
            -2,
            both(Seen("config_smell", tags.LR), Unless(over("lr_over_recipe", 1))),
            "the learning rate fell away before much could be learnt",
        ),
        Clue(
            "first",
            -2,
            under("first_epoch_over_guess", 0.85),
            "inputs are told apart at first sight: within the first epoch the loss fell to "
            "{first_epoch_over_guess:.2f} of a guesser's",
        ),
        Clue(
            "first",
            1,
            over("first_epoch_over_guess", 0.97),
            "in the first epoch nothing was learnt that holds for an input not seen before "
            "({first_epoch_over_guess:.2f} of a guesser's loss)",
        ),
        Clue(
            "first",
            2,
            both(
                under("own_targets_at_most", 0.65),
                over("own_targets_share", 0.4),
                under("own_targets_at_least", 0.52),
                over("output_spread", 0.01),
                over("log10_update_ratio", -4),
            ),
            "answers vary with the inputs, and fit the targets of others as well as their own "
            "({own_targets_share:.0%} of the pairs, chance is 50%)",
        ),
        Clue(
            "first",
            -2,
            over("own_targets_at_first_sight", 0.6),
            "answers to inputs not seen before fit their own targets better than those of others",
        ),
        Clue("memorised", -1, over("loss_drop_share", 0.95), "the training set was learnt in no time: it is small"),
        Clue(
            "inputs",
            -2,
            both(under("eval_std_ratio", 0.5), under("eval_means_apart", 0.5)),
            "inputs vary so much more in training than in evaluation (ratio {eval_std_ratio:.2f}) that little of them "
            "is left to learn from",
        ),
        Clue(
            "pairing",
            2,
            under("own_place_wins_at_most", 0.58),
            "{pairing_boxes:.0f} boxes fit their own image no better than the next one ({own_place_wins:.0%}, chance "
            "is 50%)",
        ),
        Clue(
            "pairing",
            2,
            both(under("own_place_wins_at_most", 0.58), over("batch_wins_at_least", 0.54)),
            "boxes fit other images of their batch ({batch_wins:.0%}, chance is 50%) and not their own "
            "({own_place_wins:.0%})",
        ),
        Clue(
            "pairing",
            -2,
            over("learnt_wins", 0.66),
            "a box's own image is told from another one by brightness, colour, texture or edges ({learnt_wins:.0%})",
        ),
        Clue(
            "swapped",
            -2,
            over("swap_wins_at_least", 0.54),
            "boxes do fit their own images, with x and y swapped ({swap_wins:.0%})",
        ),
        Clue(
            "pairing",
            -2,
            over("own_place_wins", 0.66),
            "boxes fit their own image better than the next one ({own_place_wins:.0%})",
        ),
    ),
    tags=("pairing/", "loss/", "grad/", "update/"),
    check="Draw the boxes of ten samples on their images, as they leave the data loader.",
    remedy="Join by key, not by position: annotations = by_image_id[image_id]; sorted() both listings if they must be "
    "zipped.",
    overturned_by="Ten samples drawn with their labels are right.",
)

CAUSES: Final = (
    DEGENERATE_BOXES,
    BOXES_WRONG_FORMAT,
    BOXES_WRONG_SCALE,
    BOXES_OUTSIDE_IMAGE,
    BOXES_DUPLICATED,
    LABELS_OUT_OF_RANGE,
    BACKGROUND_LABEL_USED,
    LABELS_BOXES_MISMATCH,
    EMPTY_TARGETS,
    MISSING_ANNOTATIONS,
    LABEL_NOISE,
    LABELS_SHUFFLED,
)
