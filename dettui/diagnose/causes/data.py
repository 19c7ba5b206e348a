"""Causes in the composition and the order of the data."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import CONSEQUENCES, CauseRecord, Clue, Proof
from dettui.diagnose.causes.batch import NORM_LAGS
from dettui.diagnose.causes.inputs import FILTERED, SMOOTHED
from dettui.diagnose.causes.scores import FINDS_ITS_OBJECTS, LOST
from dettui.diagnose.conditions import Seen, Unless, at_least, between, both, either, over, under
from dettui_probe import tags

_COUNTED: Final = at_least("boxes_seen", 300)
"""Below 300 boxes a rare class may be missing by chance."""

_HALF_MISSING: Final = both(_COUNTED, at_least("unseen_share", 0.5))

_ASKED_FOR: Final = both(over("classes_unseen", 0), over("eval_loss_over_guess", 1.5))
"""Evaluations that cost more than guessing among the classes that training holds ask for the others."""

PARTS_ASKED_FOR: Final = both(
    between("parts_unseen_share", 1e-6, 0.7), over("eval_loss_over_guess", 1.1), over("loss_drop_share", 0.9)
)
"""The same of tokens or pixels, whose training loss falls far while no evaluation is ever better than a guess."""

CLASS_IMBALANCE: Final = CauseRecord(
    id="class_imbalance",
    group="data",
    meaning="Some classes are so rare that the frequent ones drown them.",
    symptoms=("imbalance", "collapse", "overfit", "plateau", "plateau_after_lr_drop"),
    prior=0.03,
    clues=(
        Clue(
            "counts",
            2,
            both(Seen("imbalance"), over("imbalance_ratio", 50)),
            "the most frequent class occurs {imbalance_ratio:.0f} times as often as the rarest",
        ),
        Clue(
            "counts",
            1,
            both(Seen("imbalance"), over("imbalance_ratio", 10)),
            "the most frequent class occurs {imbalance_ratio:.0f} times as often as the rarest",
        ),
        Clue(
            "entropy",
            1,
            both(_COUNTED, under("effective_class_share", 0.5)),
            "the counts carry the information of {effective_class_share:.0%} of the classes",
        ),
        Clue("counts", -2, both(_COUNTED, under("imbalance_ratio", 3)), "no class is 3 times as frequent as another"),
    ),
    explains_away=("class_names_mismatch", "labels_shuffled", "train_eval_mismatch"),
    check="Compare the AP of the rare classes with that of the frequent ones; if the rare ones are fine, leave it.",
    remedy="Draw images with rare classes more often: WeightedRandomSampler(w, len(w)), w_i = max over its classes "
    "of "
    "sqrt(0.1 / share_of_class).",
    overturned_by="Recall of the rare classes is as good as that of the frequent ones.",
)

CLASS_MISSING: Final = CauseRecord(
    id="class_missing",
    group="data",
    meaning="A class of the head never occurs in the targets.",
    symptoms=("class_unseen", "imbalance", "collapse", "overfit", "bad_evaluation"),
    prior=0.05,
    clues=(
        Clue(
            "unseen",
            2,
            both(Seen("class_unseen"), between("unseen_share", 1e-6, 0.5)),
            "{classes_unseen:.0f} of {num_classes:.0f} classes have not occurred, which chance does not explain",
        ),
        Clue(
            "unseen",
            2,
            both(_COUNTED, over("classes_unseen", 0)),
            "{classes_unseen:.0f} of {num_classes:.0f} classes did not occur among {boxes_seen:.0f} objects",
        ),
        Clue(
            "unseen",
            2,
            _ASKED_FOR,
            "{classes_unseen:.0f} of {num_classes:.0f} classes have not occurred, and evaluations cost "
            "{eval_loss_over_guess:.1f} times what guessing among the others does: they ask for them",
        ),
        Clue(
            "unseen",
            2,
            PARTS_ASKED_FOR,
            "{parts_unseen_share:.0%} of the classes have not occurred, and no evaluation, at "
            "{eval_loss_over_guess:.1f} times what guessing among the others costs, was ever better: they ask for them",
        ),
        Clue(
            "unseen",
            1,
            over("classes_unseen", 0),
            "{classes_unseen:.0f} of {num_classes:.0f} classes have not occurred",
        ),
    ),
    explains_away=("class_names_mismatch", "labels_shuffled", "train_eval_mismatch"),
    check="Count the class in the annotation file. There: a filter or the split drops it. Not there: the head is too "
    "large.",
    remedy="Split by class (stratified), or build the head for the classes that exist: num_classes = len(ids_seen), "
    "plus 1 where it keeps a background.",
    overturned_by="Counting the annotation file shows that the class has objects, and they turn up in a full epoch.",
)

DATA_UNSHUFFLED: Final = CauseRecord(
    id="data_unshuffled",
    group="data",
    meaning="Batches come sorted, or in the same order in every epoch.",
    symptoms=("batch_order", "oscillation", "spike", "collapse", "dead_units"),
    tags=("targets/order", "data/", "loss/"),
    explains_away=("dead_relu", "lr_too_high", "gradients_not_zeroed"),
    clues=(
        Clue(
            "carry",
            2,
            over("order_carry", 0.4),
            "the classes of one batch are those of the batch before (cosine {order_carry:.2f}; 0 in random batches)",
        ),
        Clue(
            "carry",
            2,
            Seen("batch_order", tags.ORDER_CHI2),
            "class counts vary far more from batch to batch than those of random samples",
        ),
        Clue("carry", 1, Seen("batch_order", "loss/"), "the loss swings with the epoch, as with sorted data"),
        Clue("carry", 1, Seen("batch_order", "data/batch_lag"), "batches come in the same order in every epoch"),
        Clue("carry", -2, under("order_carry", 0.1), "the classes of a batch say nothing about those of the next one"),
    ),
    check="Print the class ids of the first five batches: sorted data shows at once.",
    remedy="DataLoader(..., shuffle=True); under DistributedSampler call sampler.set_epoch(epoch) every epoch.",
    overturned_by="Class ids of five successive batches show no blocks, and differ from one epoch to the next.",
)

BATCH_REPEATED: Final = CauseRecord(
    id="batch_repeated",
    group="data",
    meaning="The same batch, or the same augmentation from several workers, comes again and again.",
    symptoms=("batch_order", "bad_inputs", "overfit"),
    proofs=(
        Proof(
            both(Seen("batch_order", tags.BATCH_LAG), under("batch_lag_epochs", 0.6)),
            "the very same batch came {batch_lag:.0f} steps before, again and again",
        ),
        Proof(Seen("batch_order", tags.RANK_BATCH), "several ranks were given equal batches at the same steps"),
    ),
    tags=("data/", "ranks/", "loss/", "eval/"),
    check="Hash the images of ten batches: len({{hash(x.numpy().tobytes()) for x in images}}) must equal their number.",
    remedy="On several ranks: DataLoader(dataset, sampler=DistributedSampler(dataset)), and sampler.set_epoch(epoch). "
    "Else: no next(iter(loader)) outside the loop; a NumPy seed of its own for each worker, by worker_init_fn.",
    overturned_by="Ten batches have ten hashes, as the loader yields them.",
)

DATASET_TOO_SMALL: Final = CauseRecord(
    id="dataset_too_small",
    group="data",
    meaning="The training set is so small that the model memorises it.",
    symptoms=("overfit",),
    clues=(
        Clue(
            "inputs",
            2,
            both(under("distinct_batches", 20), Unless(_HALF_MISSING)),
            "there are only {distinct_inputs:.0f} inputs, enough for {distinct_batches:.0f} batches",
        ),
        Clue("inputs", -1, over("distinct_batches", 100), "there are {distinct_inputs:.0f} inputs or more"),
        Clue(
            "classes",
            -2,
            both(PARTS_ASKED_FOR, Unless(under("distinct_batches", 20))),
            "training holds nothing of {parts_unseen_share:.0%} of the classes that evaluations ask for",
        ),
        Clue(
            "classes",
            -2,
            both(_ASKED_FOR, Unless(under("distinct_batches", 20))),
            "training holds nothing of {classes_unseen:.0f} classes that evaluations ask for",
        ),
        Clue(
            "classes",
            -2,
            _HALF_MISSING,
            "{classes_unseen:.0f} of {num_classes:.0f} classes have no object: what left them out left few inputs",
        ),
        Clue(
            "heart",
            1,
            Seen("overfit", tags.ROWS),
            "the same {distinct_inputs:.0f} inputs came again and again, unchanged, and others fare far worse",
        ),
        Clue(
            "memorised",
            2,
            both(Seen("overfit"), over("loss_drop_share", 0.99)),
            "the training loss fell by {loss_drop_share:.1%} while the evaluation worsened",
        ),
        Clue(
            "memorised", -1, under("loss_drop_share", 0.9), "the training set is not memorised: its loss is still high"
        ),
    ),
    check="Train on half of the images: if the evaluation gets clearly worse, more images will help.",
    remedy="Start from pretrained weights and add geometric augmentation, for example A.HorizontalFlip(p=0.5) and "
    "A.RandomScale(0.3).",
    overturned_by="The evaluation gets no worse when half of the images are left out.",
)

_WILD_BATCHES: Final = either(over("outlier_ratio", 4), Seen("spike", tags.BATCH_STD), Seen("spike", tags.IMAGE_STD))
"""Seen in the inputs themselves: what they do to the loss, and for how long, is a matter of their size."""

DATA_CORRUPTED_MIDWAY: Final = CauseRecord(
    id="data_corrupted_midway",
    group="data",
    meaning="Inputs or labels change their nature at one step while learning rate and updates do not.",
    symptoms=("distribution_shift", "spike", "divergence"),
    clues=(
        Clue(
            "inputs",
            2,
            Seen("distribution_shift", "batch/"),
            "the statistics of the inputs changed at one step",
        ),
        Clue("shift", 2, Seen("distribution_shift"), "inputs or targets changed at one step"),
        Clue(
            "pairing",
            2,
            Seen("distribution_shift", tags.PAIRING_BEATS_OTHER),
            "boxes and images fitted each other until that step, whatever the network makes of them",
        ),
        Clue("update", -1, over("log10_update_ratio_highest", -1.5), "the updates alone are large enough to do this"),
        Clue(
            "single",
            -2,
            _WILD_BATCHES,
            "single batches are far outside all others, and what came after them is as before",
        ),
    ),
    explains_away=(
        "lr_too_high",
        "outlier_batches",
        "warmup_missing",
        "adam_second_moment_lag",
        "batch_too_small",
        "augmentation_too_strong",
    ),
    check="Find the shard or file that was opened at that step and view its first images with their boxes.",
    remedy="Resume from the last checkpoint before that step without the shard: shards.remove(bad); check the "
    "others with sha256sum.",
    overturned_by="The samples from before and after that step, side by side, look alike, or the same step was "
    "written to on purpose (a curriculum, another augmentation).",
)

OUTLIER_BATCHES: Final = CauseRecord(
    id="outlier_batches",
    group="data",
    meaning="Single bad batches, which recur in every epoch, throw the loss up for a few steps.",
    symptoms=("spike", "bad_inputs", "divergence", *sorted(CONSEQUENCES)),
    prior=0.03,
    explains_away=(
        "lr_too_high",
        "warmup_missing",
        "batch_too_small",
        "adam_second_moment_lag",
        "dead_relu",
    ),
    clues=(
        Clue(
            "inputs",
            2,
            over("outlier_ratio", 4),
            "now and then the inputs of a batch vary {outlier_ratio:.0f} times as much as usual",
        ),
        Clue(
            "inputs",
            2,
            either(Seen("spike", tags.BATCH_STD), Seen("spike", tags.IMAGE_STD)),
            "the loss jumped at a batch whose inputs were far outside all others",
        ),
        Clue(
            "update",
            1,
            both(under("log10_update_ratio_highest", -2), Seen("spike")),
            "updates are moderate (||dw||/||w|| = {highest_update:.1e}), so the step size does not explain a spike",
        ),
        Clue("update", -2, over("lr_burst", 5), "the learning rate stood {lr_burst:.0f}-fold above its usual level"),
        Clue(
            "update",
            -2,
            either(
                both(over("log10_update_ratio_highest", -1.5), Unless(_WILD_BATCHES)),
                over("log10_update_ratio_highest", -1.2),
            ),
            "updates are large enough to cause spikes alone",
        ),
        Clue(
            "lasting",
            -2,
            both(Seen("divergence"), Unless(_WILD_BATCHES)),
            "the loss did not come back, as it does after a single bad batch",
        ),
    ),
    tags=("images/", "batch/", "loss/"),
    check="Log the image ids of the batch at each spike: do they come back one epoch later?",
    remedy="Inspect and mend those images; torch.nn.utils.clip_grad_norm_(params, 3 * typical_norm) bounds what one "
    "batch can do.",
    overturned_by="The spikes come at other batches in the next epoch.",
)

TRAIN_EVAL_LEAK: Final = CauseRecord(
    id="train_eval_leak",
    group="data",
    meaning="Images of the evaluation set are seen in training.",
    symptoms=("bad_evaluation",),
    proofs=(Proof(over("eval_overlap", 0.9), "{eval_overlap:.0%} of the inputs of evaluations were met in training"),),
    clues=(Clue("overlap", 2, over("eval_overlap", 0.02), "{eval_overlap:.0%} of the inputs were met in training"),),
    tags=("data/eval",),
    check="Intersect file hashes of both sets: set(md5(train)) & set(md5(val)) must be empty.",
    remedy="Split by scene, video or patient before any frame is extracted, not by image.",
    overturned_by="The shared inputs are the training set's own score, logged beside that of a separate set.",
)

TRAIN_EVAL_MISMATCH: Final = CauseRecord(
    id="train_eval_mismatch",
    group="data",
    meaning="Evaluation images are prepared differently from training images: normalisation, size or class names.",
    symptoms=("bad_evaluation", "overfit"),
    clues=(
        Clue(
            "inputs",
            2,
            either(over("eval_means_apart", 1.0), over("eval_std_ratio", 2.5)),
            "inputs of evaluations lie {eval_means_apart:.1f} standard deviations from those of training, and vary "
            "{eval_std_ratio:.2g} times as much",
        ),
        Clue(
            "inputs",
            2,
            both(at_least("normalised_apart", 1), Unless(FILTERED)),
            "of the inputs of training and of evaluations, the ones are pixels as they were loaded and the others lie "
            "around 0: only one of the two was normalised",
        ),
        Clue(
            "learnt",
            1,
            both(under("first_epoch_over_guess", 0.85), at_least("eval_loss_over_guess", 0.95)),
            "inputs of training are told apart at first sight ({first_epoch_over_guess:.2f} of a guesser's loss in the "
            "first epoch), those of evaluations are not",
        ),
        Clue(
            "first",
            2,
            both(over("eval_over_fresh", 1.5), Unless(FILTERED)),
            "evaluations drew {eval_over_fresh:.1f} times as far away from training while every training input was new",
        ),
        Clue(
            "first",
            1,
            both(over("eval_loss_over_train_first", 1.5), Unless(FILTERED)),
            "the first evaluation already cost {eval_loss_over_train_first:.1f} times the training loss",
        ),
        Clue(
            "inputs",
            -1,
            both(under("eval_means_apart", 0.3), between("eval_std_ratio", 0.7, 1.4)),
            "inputs of evaluations and of training have the same statistics",
        ),
        FINDS_ITS_OBJECTS,
        LOST,
        NORM_LAGS,
        Clue(
            "filter",
            -1.5,
            FILTERED,
            "inputs of training are {roughness_ratio:.2g} times as rough as those of evaluations: noise or a filter "
            "made them so, not a scale",
        ),
        Clue(
            "filter",
            -1,
            SMOOTHED,
            "inputs of training are {roughness_ratio:.2g} times as rough as those of evaluations, which no scale makes",
        ),
        Clue(
            "filter",
            1,
            both(
                between("roughness_ratio", 0.85, 1.18),
                either(over("eval_means_apart", 1.0), over("eval_std_ratio", 2.5), under("eval_std_ratio", 0.4)),
            ),
            "inputs of training and evaluations are equally rough: they differ by a scale or a shift only",
        ),
    ),
    tags=("eval_batch/", "eval/", "norm/"),
    check="Run the evaluation code on 50 training images: the score must be near the best the model can do.",
    remedy="Build both pipelines with one function, preprocess(image), and keep only the random parts apart.",
    overturned_by="One training image sent through the evaluation pipeline comes out as the training pipeline gives"
    " it.",
)

CAUSES: Final = (
    CLASS_IMBALANCE,
    CLASS_MISSING,
    DATA_UNSHUFFLED,
    BATCH_REPEATED,
    DATASET_TOO_SMALL,
    DATA_CORRUPTED_MIDWAY,
    OUTLIER_BATCHES,
    TRAIN_EVAL_LEAK,
    TRAIN_EVAL_MISMATCH,
)
