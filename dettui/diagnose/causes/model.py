"""Causes in the network, its initialisation and its loss."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import STUCK, CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Family, Seen, at_least, at_most, between, both, over, under

_CLASSIFICATION: Final = Family("classification")
"""Only there is the total loss a single cross-entropy that ln K bounds."""

INIT_TOO_LARGE: Final = CauseRecord(
    id="init_too_large",
    group="model",
    meaning="The first losses lie far above ln K: the untrained outputs are confident and wrong.",
    symptoms=("spike", "divergence", "slow_descent", "config_smell"),
    clues=(
        Clue(
            "start",
            2,
            both(_CLASSIFICATION, over("loss_first_over_ln_classes", 3), under("loss_first_over_batch_sum", 0.5)),
            "the loss began at {loss_first:.3g}, {loss_first_over_ln_classes:.1f} times ln({num_classes:.0f})",
        ),
    ),
    check="Print the standard deviation of the logits of the untrained model: well under 1 is right.",
    remedy="Initialise the last layer small: torch.nn.init.normal_(head.weight, std=0.01); zeros_(head.bias).",
)

INIT_DEGENERATE: Final = CauseRecord(
    id="init_degenerate",
    group="model",
    meaning="Weights start equal or zero, so that all units of a layer stay the same.",
    symptoms=("not_learning", "loss_floor", "dead_units"),
    check="Print w.flatten(1).std(0).max() of each layer at step 0: 0 means that its units are copies.",
    remedy="torch.nn.init.kaiming_normal_(w, nonlinearity='relu') for hidden layers; only biases start at zero.",
)

VANISHING_GRADIENTS: Final = CauseRecord(
    id="vanishing_gradients",
    group="model",
    meaning="Gradients shrink layer by layer on their way to the input.",
    symptoms=("gradient_vanishing", "not_learning", "loss_floor", "slow_descent"),
    clues=(
        Clue(
            "depth",
            2,
            under("grad_first_over_last_log10", -3),
            "the first layer's relative gradient is 10^{grad_first_over_last_log10:.1f} of the last layer's",
        ),
        Clue(
            "depth",
            -2,
            over("grad_first_over_last_log10", -1.5),
            "gradients reach the first layer (10^{grad_first_over_last_log10:.1f} of the last layer's)",
        ),
    ),
    check="Read the per-layer gradient norms from input to output: an even slope over depth is vanishing.",
    remedy="Replace nn.Sigmoid() by nn.ReLU(), and put nn.BatchNorm2d(c) after each convolution or a residual "
    "around each pair.",
)

EXPLODING_GRADIENTS: Final = CauseRecord(
    id="exploding_gradients",
    group="model",
    meaning="The network amplifies what flows back through it: the nearer a layer lies to the input, the larger its "
    "gradient.",
    symptoms=("gradient_exploding", "divergence", "non_finite", "spike"),
    clues=(
        Clue(
            "depth",
            2,
            over("grad_first_over_last_log10", 3),
            "the first layer's relative gradient is 10^{grad_first_over_last_log10:.1f} times the last layer's",
        ),
        Clue(
            "depth",
            -1,
            at_most("grad_first_over_last_log10", 1.5),
            "gradients do not grow with depth (10^{grad_first_over_last_log10:.1f} from last to first layer)",
        ),
    ),
    check="Compare per-layer gradient norms at step 0, before any update: growth towards the input is a matter of "
    "the "
    "network.",
    remedy="Clip for now, torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0); for good, normalise activations "
    "between the layers.",
)

DEAD_RELU: Final = CauseRecord(
    id="dead_relu",
    group="model",
    meaning="Units, or a whole layer, never fire and so never learn.",
    symptoms=("dead_units", "not_learning", "loss_floor", "gradient_vanishing"),
    clues=(
        Clue("zeros", 2, over("grad_zero_share", 0.9), "{grad_zero_share:.0%} of the gradient elements are exactly 0"),
        Clue("zeros", 1, Seen("dead_units"), "whole tensors have gradients of exactly 0"),
        Clue(
            "zeros", -1, under("grad_zero_share", 0.5), "{grad_zero_share:.0%} of the gradient elements are exactly 0"
        ),
    ),
    check="Count activations above 0 of the first silent layer over three batches: none in over 90% of its units is "
    "dead.",
    remedy="Use nn.LeakyReLU(0.01) there and restart that layer; a large step early in the run is what kills units.",
)

SATURATED_ACTIVATIONS: Final = CauseRecord(
    id="saturated_activations",
    group="model",
    meaning="Sigmoid or tanh units are pinned to their ends, where the gradient is nothing.",
    symptoms=("gradient_vanishing", "slow_descent", "loss_floor"),
    check="Print the share of |pre-activation| > 4 in that layer: above 60% is saturation.",
    remedy="Give the sigmoid inputs of unit variance: LayerNorm before it, and weights from "
    "torch.nn.init.xavier_uniform_(w).",
)

SOFTMAX_TWICE: Final = CauseRecord(
    id="softmax_twice",
    group="model",
    meaning="Softmax is applied before a loss that applies it itself, so that the loss cannot fall below "
    "ln(1 + (K-1)/e).",
    symptoms=("loss_floor", "plateau", "plateau_after_lr_drop", "slow_descent"),
    clues=(
        Clue(
            "floor",
            2,
            both(_CLASSIFICATION, between("loss_over_softmax_floor", 0.97, 1.03), over("loss_drop_share", 0.1)),
            "the loss sits at {loss_last:.3f}, the floor of a softmax before cross-entropy is "
            "{softmax_twice_floor:.3f}",
        ),
        Clue(
            "floor",
            -2,
            under("loss_over_softmax_floor", 0.9),
            "the loss is below {softmax_twice_floor:.3f}, the floor of a softmax before cross-entropy",
        ),
    ),
    check="Print outputs.sum(1) of the model: ones mean that they are probabilities already.",
    remedy="Return logits: delete nn.Softmax (or .softmax(1)) before nn.CrossEntropyLoss.",
)

LOSS_TERMS_UNBALANCED: Final = CauseRecord(
    id="loss_terms_unbalanced",
    group="model",
    meaning="One term of the loss drowns another.",
    symptoms=("plateau", "slow_descent", "config_smell"),
    check="Take the gradient norm of each term alone on one batch: they should lie within a factor of 10.",
    remedy="Weight the terms so that each brings a like share: loss = sum(w[k] * v for k, v in losses.items()).",
)

LOSS_NOT_REDUCED: Final = CauseRecord(
    id="loss_not_reduced",
    group="model",
    meaning="The loss is summed over the batch instead of averaged, and its gradient grows with the batch.",
    symptoms=("divergence", "oscillation", "spike", "update_too_large", "non_finite", "config_smell"),
    clues=(
        Clue(
            "start",
            2,
            both(_CLASSIFICATION, at_least("batch_size", 4), between("loss_first_over_batch_sum", 0.7, 1.4)),
            "the loss began at {loss_first:.4g}, about images per step times ln K = {sum_over_batch:.4g}",
        ),
        Clue("start", -2, both(_CLASSIFICATION, under("loss_first_over_ln_classes", 2)), "the loss began near ln K"),
    ),
    explains_away=("lr_too_high",),
    check="Halve the batch: if the loss halves too, it is a sum.",
    remedy="CrossEntropyLoss(reduction='mean'), or divide by the number of images (of positive anchors in a detector).",
)

ANCHORS_MISMATCH: Final = CauseRecord(
    id="anchors_mismatch",
    group="model",
    meaning="No anchor fits the objects at the network's scale, so that nothing is learnt about boxes.",
    symptoms=("bad_targets", "not_learning", "loss_floor", "plateau"),
    clues=(
        Clue("positives", 2, at_most("head_positives", 0), "no anchor or point of the head is a positive"),
        Clue("positives", 1, under("head_positives", 0.5), "{head_positives:.2f} positives for each object"),
        Clue(
            "positives",
            1,
            both(over("roi_foreground", 0), at_most("roi_foreground", 1.05)),
            "no proposal meets an object but the object itself ({roi_foreground:.2f} for each)",
        ),
        Clue("positives", -2, over("roi_foreground", 2), "{roi_foreground:.1f} proposals meet each object"),
        Clue("positives", -1, over("head_positives", 2), "{head_positives:.1f} positives for each object"),
    ),
    tags=("assign/", "loss/"),
    check="Take the best anchor IoU of every box after the model's resize: below 0.5 for over 2% of them is a "
    "mismatch.",
    remedy="AnchorGenerator(sizes=((8,), (16,), (32,), (64,), (128,)), ...): sizes near the quantiles of sqrt(area).",
)

MODEL_IN_EVAL_MODE: Final = CauseRecord(
    id="model_in_eval_mode",
    group="model",
    meaning="The model trains in evaluation mode: dropout and BatchNorm statistics are switched off.",
    symptoms=("config_smell", "bad_evaluation", "oscillation", *STUCK),
    prior=0.03,
    proofs=(Proof(at_least("eval_mode_share", 1), "model.training is False while the optimizer steps"),),
    tags=("model/", "loss/"),
    check="Print model.training right before the forward pass of a training step.",
    remedy="Call model.train() at the start of every epoch: an evaluation before it leaves the model in eval().",
)

CAPACITY_TOO_SMALL: Final = CauseRecord(
    id="capacity_too_small",
    group="model",
    meaning="The network cannot represent the task: what is left when everything else is ruled out.",
    symptoms=("plateau", "plateau_after_lr_drop"),
    prior=0.01,
    clues=(
        Clue("survives", 1, Seen("plateau_after_lr_drop"), "the plateau outlived a drop of the learning rate"),
        Clue("learnt", -1, under("loss_drop_share", 0.1), "the loss never fell: something is broken, not small"),
    ),
    check="Train on 20 images only, without augmentation: a network that is large enough gets them to near 0.",
    remedy="Take the next larger backbone (ResNet-18 -> ResNet-50), or a higher input resolution for small objects.",
)

REGULARISATION_TOO_STRONG: Final = CauseRecord(
    id="regularisation_too_strong",
    group="model",
    meaning="Dropout, augmentation or a penalty holds the fit down.",
    symptoms=("plateau", "slow_descent"),
    check="Measure the training loss in model.eval() without augmentation: over 20% lower is too much regularisation.",
    remedy="Halve the dropout rate, and take the penalty out of the loss for 500 steps to see its share.",
)

CAUSES: Final = (
    INIT_TOO_LARGE,
    INIT_DEGENERATE,
    VANISHING_GRADIENTS,
    EXPLODING_GRADIENTS,
    DEAD_RELU,
    SATURATED_ACTIVATIONS,
    SOFTMAX_TWICE,
    LOSS_TERMS_UNBALANCED,
    LOSS_NOT_REDUCED,
    ANCHORS_MISMATCH,
    MODEL_IN_EVAL_MODE,
    CAPACITY_TOO_SMALL,
    REGULARISATION_TOO_STRONG,
)
