"""Causes in the labels, and in what is annotated at all."""

from __future__ import annotations

from typing import Final

from dettui.detect.ending import LABEL_BEYOND
from dettui.diagnose.cause import STUCK, CauseRecord, Clue, Proof
from dettui.diagnose.causes.boxes import LIE_ASIDE
from dettui.diagnose.causes.learning_rate import HARDLY_MOVED
from dettui.diagnose.conditions import Seen, Unless, at_least, at_most, both, over, under
from dettui_probe import tags

_TARGETS: Final = ("targets/",)

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
            both(Seen("bad_targets", tags.PAIRING_ASIDE_WINS), Unless(LIE_ASIDE)),
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
    explains_away=("empty_targets", "missing_annotations"),
    proofs=(
        Proof(
            at_least("batches_with_one_image", 20),
            "in each of {batches_with_one_image:.0f} batches all boxes come with one image: which image each belongs "
            "to was lost when the batch was put together",
        ),
    ),
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
        Clue(
            "moved",
            -2,
            HARDLY_MOVED,
            "the weights have moved by {way:.1%} of their norm at most, and gradients ask for more: little could be "
            "learnt so far, whatever the labels",
        ),
        Clue("size", -1, Seen("plateau", tags.ROWS), "the network has fewer weights than there are examples"),
        Clue(
            "terms",
            -2,
            Seen("config_smell", tags.GRAPH_APART),
            "one term of the loss is weighed so much more than another that this one need not be learnt",
        ),
        Clue(
            "terms",
            -2,
            Seen("config_smell", tags.GRAPH_RAW_SCORES),
            "the loss rewards scores that grow without end, whatever the inputs",
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
    tags=("pairing/", "loss/", "grad/", "update/", tags.TARGET_EMPTY),
    check="Draw the boxes of ten samples on their images, as they leave the data loader.",
    remedy="Join by key, not by position: annotations = by_image_id[image_id]; sorted() both listings if they must be "
    "zipped.",
    overturned_by="Ten samples drawn with their labels are right.",
)

CAUSES: Final = (
    LABELS_OUT_OF_RANGE,
    BACKGROUND_LABEL_USED,
    LABELS_BOXES_MISMATCH,
    EMPTY_TARGETS,
    MISSING_ANNOTATIONS,
    LABEL_NOISE,
    LABELS_SHUFFLED,
)
