"""Causes in the evaluation, and the verdicts."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import STUCK, UNSTEADY, CauseRecord, Clue
from dettui.diagnose.causes.batch import NORM_LAGS
from dettui.diagnose.causes.data import PARTS_ASKED_FOR
from dettui.diagnose.causes.inputs import FILTERED
from dettui.diagnose.causes.scores import FINDS_ITS_OBJECTS, IS_LOST, LOST
from dettui.diagnose.conditions import Seen, at_least, at_most, between, both, either, over, under
from dettui_probe import tags

EVALUATOR_BROKEN: Final = CauseRecord(
    id="evaluator_broken",
    group="evaluation",
    meaning="The evaluator does not score ground truth near 1 when it is fed back as predictions.",
    symptoms=("bad_evaluation",),
    check="Feed every target back with score 1.0 through your own conversion code: AP must be at least 0.99.",
    remedy="Mend what the oracle shows: annotation ids from 1 and unique, category ids as in training, boxes as xywh "
    "in "
    "the original image size.",
    overturned_by="Ground truth scores 1 once crowd and ignore regions are left out.",
)

_RENAMED: Final = both(Seen("bad_evaluation", tags.EVAL_RENAMED), over("classes_renamed", 0))

OVERFITTING: Final = CauseRecord(
    id="overfitting",
    group="evaluation",
    meaning="The evaluation worsens while the training loss still falls.",
    symptoms=("overfit",),
    prior=0.08,
    clues=(
        Clue(
            "classes",
            -2,
            either(over("imbalance_ratio", 50), over("classes_unseen", 0), PARTS_ASKED_FOR),
            "training hardly holds some of the classes that evaluations ask for",
        ),
        Clue(
            "gap",
            2,
            Seen("overfit"),
            "the evaluation went from its best {eval_best:.4g} to {eval_last:.4g} while the training loss fell",
        ),
        Clue(
            "names",
            -2,
            _RENAMED,
            "evaluations call {classes_renamed:.0f} classes by other names than training: what is learnt holds there",
        ),
        Clue(
            "fresh",
            -2,
            over("eval_over_fresh", 1.5),
            "evaluations drew away before any training input came a second time: nothing was learnt by heart yet",
        ),
        Clue(
            "filter",
            -1,
            FILTERED,
            "inputs of training are {roughness_ratio:.2g} times as rough as those of evaluations, which ask for what "
            "training does not show",
        ),
        Clue(
            "chance",
            -2,
            both(at_least("eval_loss_over_guess", 0.97), under("loss_drop_share", 0.9)),
            "no evaluation ever beat guessing: there was no fit to lose",
        ),
    ),
    check="Evaluate the checkpoint of the best step and the newest one on the same images.",
    remedy="Keep the checkpoint of the best evaluation; then add augmentation or weight_decay=1e-4 and stop early.",
    overturned_by="A second evaluation set, drawn anew, shows no loss of quality.",
)

CLASS_NAMES_MISMATCH: Final = CauseRecord(
    id="class_names_mismatch",
    group="evaluation",
    meaning="Class ids of training and evaluation mean different things.",
    symptoms=("bad_evaluation", "overfit"),
    clues=(
        Clue(
            "names",
            2,
            _RENAMED,
            "inputs of {classes_renamed:.0f} of {classes_evaluated:.0f} classes are answered as another class in "
            "evaluations, and inputs of that one are not: a network mixes classes up, and does not exchange them",
        ),
        Clue(
            "names",
            2,
            Seen("bad_evaluation", tags.EVAL_FOREIGN),
            "detections carry category ids that the ground truth of the evaluation does not have, and leave out ids "
            "that it has",
        ),
        Clue(
            "first",
            2,
            both(
                under("first_epoch_over_guess", 0.85),
                either(at_least("eval_loss_over_guess", 0.95), over("eval_loss_over_train_first", 1.5)),
                under("eval_means_apart", 0.3),
                at_most("classes_unseen", 0),
                under("imbalance_ratio", 10),
            ),
            "classes are learnt at first sight ({first_epoch_over_guess:.2f} of a guesser's loss in the first epoch), "
            "and evaluations of like inputs do not agree",
        ),
        FINDS_ITS_OBJECTS,
        LOST,
        Clue(
            "like inputs",
            1,
            both(
                either(Seen("bad_evaluation", "surest/"), IS_LOST),
                under("eval_means_apart", 0.3),
                between("eval_std_ratio", 0.7, 1.4),
            ),
            "inputs of evaluations look like those of training",
        ),
        NORM_LAGS,
        Clue(
            "first",
            2,
            both(over("eval_over_fresh", 1.5), under("eval_means_apart", 0.3)),
            "evaluations drew {eval_over_fresh:.1f} times as far away from training while every training input was "
            "new, and their inputs look alike",
        ),
        Clue(
            "chance",
            1,
            both(at_least("eval_loss_over_guess", 0.97), Seen("overfit"), under("eval_means_apart", 0.3)),
            "evaluations are no better than guessing although their inputs look like those of training",
        ),
    ),
    check="Score with all classes mapped to one: a class-agnostic AP far above the class-aware one confirms it.",
    remedy="Build one table and pass it to both: assert {{c['id']: c['name'] for c in coco.cats.values()}} == "
    "train_names.",
    overturned_by="Both tables, printed side by side, agree id for id.",
)

CONVERGED: Final = CauseRecord(
    id="converged",
    group="verdict",
    meaning="The loss is flat because the training is done.",
    symptoms=("plateau", "plateau_after_lr_drop", "slow_descent"),
    prior=0.1,
    ruled_out=either(
        Seen("collapse"),
        Seen("dead_units"),
        Seen("update_too_large"),
        Seen("divergence"),
        under("eval_standing", 0.25),
        both(under("update_overshoot", -0.55), over("grad_agreement", 0.45)),
        Seen("plateau", tags.ROWS),  # the network is too small
        Seen("slow_descent", tags.UPDATE_OVERSHOOT),  # every step is too short
    ),
    clues=(
        Clue("learnt", 1, over("loss_drop_share", 0.7), "the loss fell by {loss_drop_share:.0%} before it flattened"),
        Clue(
            "schedule",
            1,
            both(under("lr_over_peak", 0.1), at_least("schedule_share_done", 0.8)),
            "the schedule has run out ({schedule_share_done:.0%} done, lr at {lr_over_peak:.1%} of its peak)",
        ),
        Clue(
            "gradient", 1, under("grad_norm_ratio", 0.3), "the gradient is down to {grad_norm_ratio:.0%} of its start"
        ),
        Clue("learnt", -2, under("loss_drop_share", 0.3), "the loss fell by only {loss_drop_share:.0%}"),
        Clue("schedule", -1, under("schedule_share_done", 0.5), "only {schedule_share_done:.0%} of the run is done"),
    ),
    check="Evaluate twice, 500 steps apart: if the score stands still too, it is done.",
    remedy="Keep the checkpoint of the best evaluation (best {eval_best:.4g}) and stop; a better score needs more "
    "data or a larger model.",
    overturned_by="Training on at a higher learning rate, or for twice as long, gives a better evaluation.",
)

UNKNOWN: Final = CauseRecord(
    id="unknown",
    group="verdict",
    meaning="The evidence does not separate the possible causes.",
    symptoms=(*STUCK, *UNSTEADY),
    prior=0.1,
    check="Overfit one batch: 100 steps on the same 4 images must bring the loss near 0. If they do not, the fault "
    "is "
    "in targets, loss or optimizer.",
    remedy="Change one thing at a time, beginning with what the check tells apart.",
    overturned_by="Any of the checks above coming out clearly, one way or the other.",
)

CAUSES: Final = (EVALUATOR_BROKEN, OVERFITTING, CLASS_NAMES_MISMATCH, CONVERGED, UNKNOWN)
