"""The vocabulary of series: every tag the probe streams by itself, with its unit and meaning.

A tag is a "/"-grouped name.  ``{name}`` stands for a part that the run supplies: a loss term, a layer, the index
of a param group.  Tags that a user logs are free; ``eval/...`` marks them as evaluations.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple


class Tag(NamedTuple):
    """What one series (or a family of them) holds."""

    name: str
    unit: str
    meaning: str


# --- the loss -----------------------------------------------------------------------------------------------
LOSS_TOTAL: Final = "loss/total"
LOSS: Final = "loss/"  # + term: loss/loss_classifier, loss/loss_box_reg, ... as the model names them

# --- the optimizer ------------------------------------------------------------------------------------------
LR: Final = "lr/pg"  # + index of the param group
MOMENTUM: Final = "momentum/pg"
WEIGHT_DECAY: Final = "weight_decay/pg"
BETA2: Final = "beta2/pg"
MISSING_PARAMS: Final = "optim/missing_params"
STRANGER_PARAMS: Final = "optim/stranger_params"
FROZEN_SHARE: Final = "optim/frozen_share"
FROZEN_WEIGHTS: Final = "optim/frozen_weights"
FROZEN_UNTRAINED: Final = "optim/frozen_untrained"
UNHELD_WEIGHTS: Final = "optim/unheld_weights"
UNHELD_UNTRAINED: Final = "optim/unheld_untrained"
TRAINABLE_HELD_SHARE: Final = "optim/held_share"
MICRO_STEPS: Final = "optim/micro_steps"
RIVAL_STEPS: Final = "optim/rival_steps"
FRESH_STATE: Final = "optim/fresh_state"
AMP_SCALE: Final = "amp/scale"
AMP_SKIPPED: Final = "amp/skipped"

# --- gradients, updates, weights ----------------------------------------------------------------------------
GRAD_NORM: Final = "grad/norm"
GRAD_CLIP: Final = "grad/clip_max_norm"
GRAD_NONFINITE: Final = "grad/nonfinite_tensors"
GRAD_ZERO: Final = "grad/zero_share"
GRAD_QUANTA: Final = "grad/quanta_share"
GRAD_HALF: Final = "grad/half_share"
GRAD_NONE: Final = "grad/none_tensors"
GRAD_LEFT: Final = "grad/left_over"
GRAD_AGREEMENT: Final = "grad/agreement"
UPDATE_RATIO: Final = "update/ratio"
UPDATE_OVERSHOOT: Final = "update/overshoot"
UPDATE_ASCENT: Final = "update/ascent"
UPDATE_DECAY: Final = "update/decay_share"
UPDATE_LAG: Final = "update/second_moment_lag"
UPDATE_UNCHANGED: Final = "update/unchanged_share"
WEIGHT_NORM: Final = "weight/norm"
WEIGHT_NONFINITE: Final = "weight/nonfinite_tensors"
WEIGHT_COPIES: Final = "weight/copied_layers"
WEIGHT_LAYERS: Final = "weight/layers"
WEIGHT_GAIN: Final = "weight/first_gain"
LAYER_GRAD_NORM: Final = "layer/grad_norm/"  # + parameter name
LAYER_GRAD_ZERO: Final = "layer/grad_zero/"
LAYER_UPDATE_RATIO: Final = "layer/update_ratio/"
LAYER_WEIGHT_NORM: Final = "layer/weight_norm/"

# --- targets, as the model receives them (one row a step, counted over the images of that step) -------------
BATCH_SIZE: Final = "batch/size"
TARGET_BOXES: Final = "targets/boxes"
TARGET_EMPTY: Final = "targets/empty_images"
TARGET_DEGENERATE: Final = "targets/degenerate"
TARGET_NONFINITE: Final = "targets/nonfinite"
TARGET_OUTSIDE: Final = "targets/outside"
TARGET_TINY: Final = "targets/tiny"
TARGET_MAX_COORD: Final = "targets/max_coord"
TARGET_MIN_COORD: Final = "targets/min_coord"
TARGET_IMAGE_SIDE: Final = "targets/image_side"
TARGET_LABEL_MIN: Final = "targets/label_min"
TARGET_LABEL_MAX: Final = "targets/label_max"
TARGET_LABEL_ILLEGAL: Final = "targets/label_illegal"
TARGET_BACKGROUND: Final = "targets/label_background"
TARGET_BELOW_ZERO: Final = "targets/label_below_zero"
TARGET_MISMATCH: Final = "targets/length_mismatch"
TARGET_TOP_LEFT: Final = "targets/centre_top_left"
TARGET_LEGAL_XYXY: Final = "targets/legal_xyxy"
TARGET_LEGAL_XYWH: Final = "targets/legal_xywh"
TARGET_LEGAL_CXCYWH: Final = "targets/legal_cxcywh"
TARGET_LEGAL_YXYX: Final = "targets/legal_yxyx"
TARGET_STRAYING: Final = "targets/straying"
TARGET_UNDONE: Final = "targets/undone_"  # + a misreading: what boxes were taken for when their corners were made
TARGET_DUPLICATES: Final = "targets/duplicates"
TARGET_NO_EXTENT: Final = "targets/no_extent"
TARGET_START: Final = "targets/start_"  # + xyxy, xywh or cxcywh: the reading
TARGET_REACH: Final = "targets/reach_"

# --- do the boxes describe the pixels?  (catalogue row A17; sampled) ----------------------------------------
PAIRING_BOXES: Final = "pairing/boxes"
PAIRING_BEATS_OTHER: Final = "pairing/beats_other_image"
PAIRING_HFLIP_BOXES: Final = "pairing/hflip_boxes"
PAIRING_HFLIP_FITS: Final = "pairing/hflip_fits"
PAIRING_VFLIP_BOXES: Final = "pairing/vflip_boxes"
PAIRING_VFLIP_FITS: Final = "pairing/vflip_fits"
PAIRING_SWAP_BOXES: Final = "pairing/swapped_boxes"
PAIRING_SWAP_FITS: Final = "pairing/swapped_fits"
PAIRING_BATCH_BOXES: Final = "pairing/batch_boxes"
PAIRING_BATCH_FITS: Final = "pairing/batch_fits"
PAIRING_ASIDE_BOXES: Final = "pairing/aside_boxes"
PAIRING_ASIDE_WINS: Final = "pairing/aside_wins"
PAIRING_LEARNT_BOXES: Final = "pairing/learnt_boxes"
PAIRING_LEARNT_WINS: Final = "pairing/learnt_wins"
PAIRING_READ_BOXES: Final = "pairing/boxes_as_"  # + xyxy, xywh or cxcywh: the reading, of boxes whose format is unknown
PAIRING_READ_FITS: Final = "pairing/fits_as_"

# --- assignment of objects to anchors and proposals (torchvision detectors; own_: of a head that is not known) ---
ASSIGN_OBJECTS: Final = "assign/objects"
ASSIGN_RPN: Final = "assign/rpn_positives"
ASSIGN_ROI: Final = "assign/roi_foreground"
ASSIGN_ROI_CANDIDATES: Final = "assign/roi_candidates"
ASSIGN_POSITIVES: Final = "assign/positives"
ASSIGN_POINT_SIZE: Final = "assign/point_size"
ASSIGN_OWN_OBJECTS: Final = "assign/own_objects"
ASSIGN_OWN_UNLIKE: Final = "assign/own_unlike"
ASSIGN_OWN_OCTAVES: Final = "assign/own_octaves"

# --- what a detector is surest of in training (torchvision detectors; sampled) ---------------------------------
SUREST: Final = "surest/places"
SUREST_UNEXPLAINED: Final = "surest/unexplained"
SUREST_OVERLAP: Final = "surest/overlap"

# --- BatchNorm, and the mode of the model ---------------------------------------------------------------------
NORM_POISONED: Final = "norm/poisoned_channels"
NORM_EXTREME: Final = "norm/extreme_channels"
NORM_TRAINING: Final = "norm/training_layers"
EVAL_MODE: Final = "model/eval_mode"
EVAL_PASSES: Final = "model/eval_passes"
EVAL_PASSES_TRAINING: Final = "model/eval_passes_in_training_mode"
DROPOUT: Final = "model/dropout"

# --- the loss, as its graph tells ---------------------------------------------------------------------------
GRAPH_SOFTMAX_TWICE: Final = "graph/softmax_twice"
GRAPH_SUMMED: Final = "graph/summed"
GRAPH_NEGATED: Final = "graph/negated"
GRAPH_PENALTY: Final = "graph/penalty"
GRAPH_COSINES: Final = "graph/cosines"
GRAPH_RAW_SCORES: Final = "graph/raw_scores"
GRAPH_APART: Final = "graph/terms_apart"

# --- what the model answers ---------------------------------------------------------------------------------
FIT_ACCURACY: Final = "fit/accuracy"
FIT_LOSS_MEDIAN: Final = "fit/loss_median"
FIT_LOSS_MEAN: Final = "fit/loss_mean"
FIT_WRONG: Final = "fit/confidently_wrong"
FIT_TOP_SHARE: Final = "fit/top_class_share"
FIT_SPREAD: Final = "fit/output_spread"
FIT_PAIRS: Final = "fit/pairs"
FIT_PAIRS_OWN: Final = "fit/pairs_own"
SATURATED: Final = "layer/saturated/"

# --- what is in a batch -------------------------------------------------------------------------------------
ROWS: Final = "data/rows"
ROWS_NEW: Final = "data/rows_new"
ROWS_GIVEN: Final = "data/rows_given"
ROW_ELEMENTS: Final = "data/row_elements"
BATCH_LAG: Final = "data/batch_lag"
TARGETS_PER_ROW: Final = "data/targets_per_row"
EVAL_ROWS: Final = "data/eval_rows"
EVAL_ROWS_TRAINED: Final = "data/eval_rows_in_training"
EVAL_BATCHES_NEW: Final = "data/eval_batches_new"
EVAL_CLASSES: Final = "eval_names/classes"
EVAL_RENAMED: Final = "eval_names/renamed"
EVAL_FOREIGN: Final = "eval_names/foreign"
EVAL_NEVER_NAMED: Final = "eval_names/never_named"
BATCH: Final = "batch/"  # + mean, std, min, max, ...: the first tensor that the model is given in training
EVAL_BATCH: Final = "eval_batch/"
BATCH_MEAN, BATCH_STD, BATCH_MIN, BATCH_MAX = (BATCH + s for s in ("mean", "std", "min", "max"))
EVAL_BATCH_MEAN, EVAL_BATCH_STD, EVAL_BATCH_MIN, EVAL_BATCH_MAX = (
    EVAL_BATCH + s for s in ("mean", "std", "min", "max")
)
BATCH_NONFINITE: Final = BATCH + "nonfinite"
BATCH_ROUGHNESS, EVAL_BATCH_ROUGHNESS = (prefix + "roughness" for prefix in (BATCH, EVAL_BATCH))
BATCH_CONSTANT, EVAL_BATCH_CONSTANT = (prefix + "constant_rows" for prefix in (BATCH, EVAL_BATCH))
ORDER_CHI2: Final = "targets/order_chi2"
ORDER_CARRY: Final = "targets/order_carry"

# --- inputs -------------------------------------------------------------------------------------------------
IMAGE: Final = "images/"  # + mean, std, min, max: what the model was given
INPUT: Final = "inputs/"  # + mean, std, min, max: what the backbone receives (after the model's own transform)
IMAGE_MEAN, IMAGE_STD, IMAGE_MIN, IMAGE_MAX = (IMAGE + s for s in ("mean", "std", "min", "max"))
INPUT_MEAN, INPUT_STD, INPUT_MIN, INPUT_MAX = (INPUT + s for s in ("mean", "std", "min", "max"))
IMAGE_CONSTANT: Final = "images/constant"
IMAGE_NONFINITE: Final = "images/nonfinite"

# --- time and memory ----------------------------------------------------------------------------------------
TIME_STEP: Final = "time/step"
TIME_DATA: Final = "time/data"
TIME_FORWARD: Final = "time/forward"
TIME_BACKWARD: Final = "time/backward"
TIME_OPTIMIZER: Final = "time/optimizer"
TIME_SYNC: Final = "time/sync"
MEM_RSS: Final = "mem/rss"
MEM_DEVICE: Final = "mem/device"
MEM_DEVICE_PEAK: Final = "mem/device_peak"

# --- what ranks compare, step by step (jobs of several ranks only) --------------------------------------------
RANK_PARAMETERS: Final = "ranks/parameters"
RANK_REPLICATED: Final = "ranks/replicated"
RANK_BATCH: Final = "ranks/batch"

# --- the probe itself ---------------------------------------------------------------------------------------
PROBE_OVERHEAD: Final = "probe/overhead"

VOCABULARY: Final[tuple[Tag, ...]] = (
    Tag(
        LOSS_TOTAL,
        "",
        "the scalar on which backward was called, undone from accumulation and AMP scale where known",
    ),
    Tag(LOSS + "{term}", "", "one entry of the loss dict that the model returned"),
    Tag(LR + "{i}", "", "learning rate of param group i"),
    Tag(MOMENTUM + "{i}", "", "momentum (SGD) or beta1 (Adam family) of param group i"),
    Tag(WEIGHT_DECAY + "{i}", "", "weight decay of param group i"),
    Tag(BETA2 + "{i}", "", "beta2 (Adam family) of param group i"),
    Tag(MISSING_PARAMS, "tensors", "parameters that require a gradient and that no optimizer holds"),
    Tag(STRANGER_PARAMS, "tensors", "parameters that the optimizer holds and the model does not have"),
    Tag(FROZEN_SHARE, "share", "share of the model's elements with requires_grad False"),
    Tag(FROZEN_WEIGHTS, "tensors", "frozen weights that were looked at for traces of training"),
    Tag(FROZEN_UNTRAINED, "tensors", "of these, weights that are still as torch.nn.init draws them"),
    Tag(UNHELD_WEIGHTS, "tensors", "weights that no optimizer holds, looked at for traces of training"),
    Tag(UNHELD_UNTRAINED, "tensors", "of these, weights that are still as torch.nn.init draws them"),
    Tag(TRAINABLE_HELD_SHARE, "share", "share of the trainable elements that an optimizer holds"),
    Tag(MICRO_STEPS, "", "backward passes since the last optimizer step"),
    Tag(RIVAL_STEPS, "", "steps of optimizers of other models, each after a loss of its own, since the last step"),
    Tag(FRESH_STATE, "", "1 where an optimizer that keeps state began the step without any"),
    Tag(AMP_SCALE, "", "loss scale of the GradScaler"),
    Tag(AMP_SKIPPED, "", "1 where the GradScaler skipped the optimizer step"),
    Tag(GRAD_NORM, "", "L2 norm over all gradients, before clipping"),
    Tag(GRAD_CLIP, "", "max_norm given to clip_grad_norm_ in this step"),
    Tag(GRAD_NONFINITE, "tensors", "gradients with a NaN or an infinity"),
    Tag(GRAD_ZERO, "share", "share of sampled gradient elements that are exactly zero"),
    Tag(
        GRAD_QUANTA, "share", "sampled elements beside zeros that are whole multiples of the least one: they underflow"
    ),
    Tag(GRAD_HALF, "share", "sampled gradient elements that are numbers of half precision and not of bfloat16"),
    Tag(GRAD_NONE, "tensors", "trainable parameters that received no gradient"),
    Tag(GRAD_LEFT, "", "1 where gradients of the step before were still there when those of this one were added"),
    Tag(GRAD_AGREEMENT, "cosine", "cosine between the sampled gradients of successive steps (c_t)"),
    Tag(UPDATE_RATIO, "", "median over tensors of ||dw|| / ||w|| of one step"),
    Tag(UPDATE_OVERSHOOT, "cosine", "cosine between a gradient and the step before it; above 0 that step went too far"),
    Tag(UPDATE_ASCENT, "cosine", "cosine between a gradient and the step made of it; above 0 the step climbs"),
    Tag(UPDATE_DECAY, "cosine", "cosine between a step and the weights pointing to zero; near 1 it only shrinks them"),
    Tag(UPDATE_LAG, "", "greatest over tensors of sqrt(mean(g^2 / v)), v: Adam's second moment before the step"),
    Tag(UPDATE_UNCHANGED, "share", "share of tensors that the optimizer step left exactly as they were"),
    Tag(WEIGHT_NORM, "", "L2 norm over all trainable parameters"),
    Tag(WEIGHT_NONFINITE, "tensors", "parameters with a NaN or an infinity"),
    Tag(WEIGHT_COPIES, "tensors", "weights whose rows are all equal, so that the units of a layer are copies"),
    Tag(WEIGHT_LAYERS, "tensors", "weights that were looked at for copies"),
    Tag(WEIGHT_GAIN, "", "median over layers of rms(w) sqrt(fan in) ahead of the first step"),
    Tag(LAYER_GRAD_NORM + "{layer}", "", "L2 norm of one parameter's gradient"),
    Tag(LAYER_GRAD_ZERO + "{layer}", "share", "share of exactly zero elements in one gradient"),
    Tag(LAYER_UPDATE_RATIO + "{layer}", "", "||dw|| / ||w|| of one parameter in one step"),
    Tag(LAYER_WEIGHT_NORM + "{layer}", "", "L2 norm of one parameter"),
    Tag(BATCH_SIZE, "images", "images (or rows) in the batch"),
    Tag(TARGET_BOXES, "boxes", "boxes in the targets"),
    Tag(TARGET_EMPTY, "images", "images without a box"),
    Tag(TARGET_DEGENERATE, "boxes", "boxes with x2 <= x1 or y2 <= y1"),
    Tag(TARGET_NONFINITE, "boxes", "boxes with a NaN or an infinity"),
    Tag(TARGET_OUTSIDE, "boxes", "boxes that reach more than a pixel beyond their image"),
    Tag(TARGET_TINY, "boxes", "boxes with a side of 2 pixels or less"),
    Tag(TARGET_MAX_COORD, "px", "largest box coordinate"),
    Tag(TARGET_MIN_COORD, "px", "smallest box coordinate"),
    Tag(TARGET_IMAGE_SIDE, "px", "shortest side of the images as the model receives them"),
    Tag(TARGET_LABEL_MIN, "", "smallest class id in the targets"),
    Tag(TARGET_LABEL_MAX, "", "largest class id in the targets"),
    Tag(TARGET_LABEL_ILLEGAL, "labels", "class ids below 0 or at or above the number of classes of the head"),
    Tag(TARGET_BACKGROUND, "labels", "objects labelled with the id that this head keeps for background"),
    Tag(TARGET_BELOW_ZERO, "labels", "class ids below 0 of boxes that are no padding, where the head is not known"),
    Tag(TARGET_MISMATCH, "images", "images whose per-box fields differ in length"),
    Tag(TARGET_TOP_LEFT, "boxes", "boxes whose centre, read as xyxy, lies in the top left quadrant"),
    Tag(TARGET_LEGAL_XYXY, "boxes", "boxes that are legal when read as x1, y1, x2, y2"),
    Tag(TARGET_LEGAL_XYWH, "boxes", "boxes that are legal when read as x, y, width, height"),
    Tag(TARGET_LEGAL_CXCYWH, "boxes", "boxes that are legal when read as centre x, centre y, width, height"),
    Tag(TARGET_LEGAL_YXYX, "boxes", "boxes that are legal when read as y1, x1, y2, x2"),
    Tag(TARGET_STRAYING, "boxes", "boxes of batches of which more than a tenth is legal in no format"),
    Tag(
        TARGET_UNDONE + "{misreading}",
        "boxes",
        "of these, boxes that are legal once it is undone that their corners were made of, say, xyxy_as_cxcywh",
    ),
    Tag(TARGET_DUPLICATES, "boxes", "boxes repeated exactly within one image"),
    Tag(TARGET_NO_EXTENT, "boxes", "boxes without width or height in every reading"),
    Tag(TARGET_START + "{reading}", "share", "smallest left or top edge, read so, as a share of the side of the image"),
    Tag(TARGET_REACH + "{reading}", "share", "largest right or bottom edge, read so, as a share of the side"),
    Tag(PAIRING_BOXES, "boxes", "boxes compared with their place on another image, where that overlaps no box"),
    Tag(PAIRING_BEATS_OTHER, "boxes", "of these, boxes that stand out more on their own image than on the other one"),
    Tag(PAIRING_HFLIP_BOXES, "boxes", "boxes whose horizontal mirror was compared so, on their own and another image"),
    Tag(PAIRING_HFLIP_FITS, "boxes", "of these, boxes whose mirror stands out more on their own image"),
    Tag(PAIRING_VFLIP_BOXES, "boxes", "boxes whose vertical mirror was compared so, on their own and another image"),
    Tag(PAIRING_VFLIP_FITS, "boxes", "of these, boxes whose mirror stands out more on their own image"),
    Tag(PAIRING_SWAP_BOXES, "boxes", "boxes of square images compared so with their axes swapped"),
    Tag(PAIRING_SWAP_FITS, "boxes", "of these, boxes that stand out more on their own image"),
    Tag(PAIRING_BATCH_BOXES, "boxes", "boxes compared on another image of their batch and on one of another batch"),
    Tag(PAIRING_BATCH_FITS, "boxes", "of these, boxes that stand out more on the image of their batch"),
    Tag(
        PAIRING_ASIDE_BOXES, "boxes", "boxes compared with the place a quarter of their size aside, on their own image"
    ),
    Tag(PAIRING_ASIDE_WINS, "boxes", "of these, boxes that stand out more where they are"),
    Tag(PAIRING_LEARNT_BOXES, "boxes", "boxes whose own image was told from another one by what was learnt before"),
    Tag(PAIRING_LEARNT_WINS, "boxes", "of these, boxes for which that was right"),
    Tag(
        PAIRING_READ_BOXES + "{reading}",
        "boxes",
        "boxes of a head that is not known, compared as pairing/boxes, read so",
    ),
    Tag(PAIRING_READ_FITS + "{reading}", "boxes", "of these, boxes that stand out more on their own image"),
    Tag(ASSIGN_OBJECTS, "boxes", "objects that were there to be assigned in this step"),
    Tag(ASSIGN_RPN, "anchors", "anchors of the RPN that are positives"),
    Tag(ASSIGN_ROI, "proposals", "proposals of the RoI head that are foreground; each object is one of them"),
    Tag(ASSIGN_ROI_CANDIDATES, "proposals", "proposals of the RoI head, each object among them"),
    Tag(ASSIGN_POSITIVES, "anchors", "anchors, or points, of a one-stage head that are positives"),
    Tag(ASSIGN_POINT_SIZE, "", "size that an FCOS head takes its finest points for, over the distance between them"),
    Tag(ASSIGN_OWN_OBJECTS, "boxes", "objects that were held against the shapes of the anchors of an unknown head"),
    Tag(ASSIGN_OWN_UNLIKE, "boxes", "of these, objects that no anchor meets (IoU below 0.3) even if laid upon them"),
    Tag(ASSIGN_OWN_OCTAVES, "octaves", "sum over these objects of how much larger the side of the likest anchor is"),
    Tag(SUREST, "places", "surest answers that were looked at: a quarter as many as there are positives"),
    Tag(SUREST_UNEXPLAINED, "places", "of these, answers whose box meets no object of their image (IoU below 0.3)"),
    Tag(SUREST_OVERLAP, "", "sum of the IoU of the others with the objects that they meet"),
    Tag(NORM_POISONED, "channels", "BatchNorm channels whose running statistics are non-finite or negative"),
    Tag(NORM_EXTREME, "channels", "BatchNorm channels with a running variance over 1e4 times the model's median"),
    Tag(NORM_TRAINING, "layers", "trainable BatchNorm layers that normalise by their own batch"),
    Tag(EVAL_MODE, "", "1 where a training step ran in evaluation mode, in a model with dropout or BatchNorm"),
    Tag(EVAL_PASSES, "", "forward passes without gradients since the last step"),
    Tag(EVAL_PASSES_TRAINING, "", "of these, passes in training mode, in a model with dropout or BatchNorm"),
    Tag(DROPOUT, "share", "greatest rate of a dropout layer"),
    Tag(GRAPH_SOFTMAX_TWICE, "", "1 where cross-entropy is given a softmax, or a logistic loss a sigmoid"),
    Tag(GRAPH_SUMMED, "", "1 where the loss is summed over the batch and divided by nothing"),
    Tag(GRAPH_NEGATED, "", "1 where the loss enters backward with a minus sign"),
    Tag(GRAPH_PENALTY, "", "1 where the size of the weights is added to the loss"),
    Tag(GRAPH_COSINES, "", "1 where a cross-entropy is given cosines of vectors of unit length"),
    Tag(GRAPH_RAW_SCORES, "", "1 where a loss that wants logarithms of probabilities is given the output of a layer"),
    Tag(GRAPH_APART, "", "greatest over least of the plain numbers that the terms of the loss are multiplied by"),
    Tag(FIT_ACCURACY, "share", "targets of a cross-entropy that are the likeliest class (sampled)"),
    Tag(FIT_LOSS_MEDIAN, "", "median of the cross-entropy over the sampled targets"),
    Tag(FIT_LOSS_MEAN, "", "mean of the cross-entropy over the sampled targets"),
    Tag(FIT_WRONG, "share", "sampled targets that are given less than 10 % where another class is given over 80 %"),
    Tag(FIT_TOP_SHARE, "share", "sampled answers that name the class named most often"),
    Tag(FIT_SPREAD, "", "standard deviation of the output over the batch, as a share of the size of the output"),
    Tag(FIT_PAIRS, "pairs", "pairs of inputs of a batch whose targets were swapped for a test (sampled)"),
    Tag(FIT_PAIRS_OWN, "pairs", "of these, pairs whose answers fit their own targets better than each other's"),
    Tag(SATURATED + "{layer}", "share", "outputs of a sigmoid or tanh layer that are pinned to an end"),
    Tag(ROWS, "rows", "inputs of the batch that were fingerprinted"),
    Tag(ROWS_NEW, "rows", "of these, inputs that were not met before in this run"),
    Tag(ROWS_GIVEN, "rows", "inputs of the batch, fingerprinted or not"),
    Tag(ROW_ELEMENTS, "", "elements of an input, on average over the batch"),
    Tag(BATCH_LAG, "steps", "steps since the very same batch came before; 0 where it never did"),
    Tag(
        TARGETS_PER_ROW, "", "class targets for each input of a pass: 1 of a classifier, as many as tokens of a tagger"
    ),
    Tag(EVAL_ROWS, "rows", "inputs of evaluations that were fingerprinted"),
    Tag(EVAL_ROWS_TRAINED, "rows", "of these, inputs that were met in training"),
    Tag(EVAL_BATCHES_NEW, "batches", "batches of evaluations of whose inputs most were not met in training"),
    Tag(EVAL_CLASSES, "classes", "classes of which an evaluation has eight inputs or more, where its loss is heard"),
    Tag(EVAL_RENAMED, "classes", "of these, classes that are answered as another one, and that one not as itself"),
    Tag(EVAL_FOREIGN, "", "share of the detections of a COCO evaluation whose category its ground truth does not have"),
    Tag(EVAL_NEVER_NAMED, "categories", "of those that the ground truth has objects of, no detection names"),
    Tag(BATCH + "{mean,std,min,max}", "", "the first tensor that the model is given in training (strided sample)"),
    Tag(BATCH + "roughness", "", "of it, mean square difference of neighbours over twice the variance; 1 for noise"),
    Tag(BATCH_NONFINITE, "tensors", "inputs of the step, looked at whole, that hold a NaN or an infinity"),
    Tag(BATCH + "constant_rows", "share", "of its inputs, those whose elements (tokens: but padding) are all equal"),
    Tag(EVAL_BATCH + "{mean,std,min,max,roughness,constant_rows}", "", "the same in forward passes without gradients"),
    Tag(ORDER_CHI2, "", "chi^2 of the class counts of a batch against the counts before, per degree of freedom"),
    Tag(ORDER_CARRY, "cosine", "cosine of the deviations of two successive batches from the usual class counts"),
    Tag(IMAGE + "{mean,std,min,max}", "", "pixels of the images as the model was given them (strided sample)"),
    Tag(INPUT + "{mean,std,min,max}", "", "pixels as the backbone receives them (strided sample)"),
    Tag(IMAGE_CONSTANT, "images", "images whose pixels are all equal"),
    Tag(IMAGE_NONFINITE, "images", "images with a NaN or an infinity"),
    Tag(TIME_STEP, "s", "wall time from one optimizer step to the next"),
    Tag(TIME_DATA, "s", "from the end of the optimizer step to the start of the forward pass"),
    Tag(TIME_FORWARD, "s", "forward pass and loss, up to the start of backward"),
    Tag(TIME_BACKWARD, "s", "backward pass"),
    Tag(TIME_OPTIMIZER, "s", "from the end of backward to the end of the optimizer step"),
    Tag(
        TIME_SYNC, "s", "part of backward after its own work: the exchange with the other ranks, and the wait for them"
    ),
    Tag(MEM_RSS, "bytes", "resident memory of the process"),
    Tag(MEM_DEVICE, "bytes", "memory allocated on the device"),
    Tag(MEM_DEVICE_PEAK, "bytes", "peak of the memory allocated on the device"),
    Tag(RANK_PARAMETERS, "", "checksum of the parameters after the step, from fixed samples; every 32 steps"),
    Tag(RANK_REPLICATED, "", "1 where DistributedDataParallel keeps the parameters of all ranks alike"),
    Tag(RANK_BATCH, "", "checksum of the batch, from a fixed sample; every 32 steps; absent for constant inputs"),
    Tag(PROBE_OVERHEAD, "share", "share of the step that the probe itself took, on the training thread"),
)
"""Every tag with its unit and meaning: the source of the table in WIRE.md and of the units on screen."""


@lru_cache(maxsize=4096)  # asked for every series of every frame
def unit_of(tag: str) -> str:
    """The unit of *tag*, "" where it has none or where the tag is a user's own."""
    for known in VOCABULARY:
        head = known.name.partition("{")[0]
        if tag == known.name or (head != known.name and tag.startswith(head)):
            return known.unit
    return ""
