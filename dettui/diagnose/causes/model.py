"""Causes in the network, its initialisation and its loss."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import STUCK, CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Family, Seen, Unless, at_least, at_most, between, both, either, over, under
from dettui_probe import tags

_CLASSIFICATION: Final = Family("classification")
"""Only there is the total loss a single cross-entropy that ln K bounds."""

_REACHED_AT_FIRST: Final = over("grad_first_over_last_log10_early", -4)
"""Depth and activations are there from the first step on; where the gradient got through then, something else came.
Between an embedding and a head behind an LSTM three decades and a half are usual."""

INIT_TOO_LARGE: Final = CauseRecord(
    id="init_too_large",
    group="model",
    meaning="The first losses lie far above ln K: the untrained outputs are confident and wrong.",
    symptoms=("spike", "divergence", "slow_descent", "config_smell", *STUCK),
    tags=("fit/", "loss/", "weight/", "grad/"),
    clues=(
        Clue(
            "start",
            2,
            Seen("config_smell", "fit/confidently_wrong"),
            "the untrained network was sure of wrong answers, whatever the size of its inputs",
        ),
        Clue(
            "start",
            2,
            both(_CLASSIFICATION, over("loss_first_over_ln_classes", 3), under("loss_first_over_batch_sum", 0.5)),
            "the loss began at {loss_first:.3g}, {loss_first_over_ln_classes:.1f} times ln({num_classes:.0f})",
        ),
        Clue(
            "gain",
            2,
            over("first_gain", 3.5),
            "rms(w) sqrt(fan in) of the usual layer began at {first_gain:.1f}; 0.6 to 1.4 is usual",
        ),
    ),
    check="Print the standard deviation of the logits of the untrained model: well under 1 is right.",
    remedy="Initialise the last layer small: torch.nn.init.normal_(head.weight, std=0.01); zeros_(head.bias).",
    overturned_by="The logits of the untrained model have a standard deviation below 1.",
)

INIT_DEGENERATE: Final = CauseRecord(
    id="init_degenerate",
    group="model",
    meaning="Weights start equal, zero or next to it, so that the units of a layer stay the same or carry no signal.",
    symptoms=("not_learning", "loss_floor", "dead_units", "collapse", "plateau", "update_too_large", "config_smell"),
    tags=("weight/", "grad/", "update/", "loss/", "fit/", "eval/", "layer/"),
    explains_away=("dead_relu", "vanishing_gradients", "lr_too_low", "lr_too_high"),
    proofs=(
        Proof(
            both(Seen("dead_units", "weight/copied_layers"), over("copied_layers", 0), over("copied_layers_first", 0)),
            "in {copied_layers:.0f} weights all rows are still equal",
        ),
    ),
    clues=(
        Clue(
            "size",
            2,
            either(over("weights_near_zero", 0.5), over("weights_tiny", 0.25)),
            "{weights_near_zero:.0%} of the weights had a norm under 0.001 at the first step: nothing passes them",
        ),
    ),
    check="Print w.flatten(1).std(0).max() of each layer at step 0: 0 means that its units are copies.",
    remedy="torch.nn.init.kaiming_normal_(w, nonlinearity='relu') for hidden layers; only biases start at zero.",
    overturned_by="The rows differ when all of them are compared, or the layer is not used.",
)

VANISHING_GRADIENTS: Final = CauseRecord(
    id="vanishing_gradients",
    group="model",
    meaning="Gradients shrink layer by layer on their way to the input.",
    symptoms=("gradient_vanishing", "not_learning", "loss_floor", "slow_descent", "collapse"),
    # where no gradient reaches the inputs, nothing of them is learnt; what squashes again and again rests at its ends
    explains_away=("lr_too_low", "lr_too_high", "labels_shuffled", "saturated_activations"),
    clues=(
        Clue(
            "depth",
            2,
            both(
                under("grad_first_over_last_log10", -3),
                over("grad_depth_straightness", 0.6),
                Unless(_REACHED_AT_FIRST),
            ),
            "the first layer's relative gradient is 10^{grad_first_over_last_log10:.1f} of the last layer's",
        ),
        Clue(
            "depth",
            -2,
            both(under("grad_first_over_last_log10", -3), _REACHED_AT_FIRST),
            "at the first steps gradients reached the first layer (10^{grad_first_over_last_log10_early:.1f} of the "
            "last layer's): what came later made them vanish",
        ),
        Clue(
            "profile",
            1,
            Seen("gradient_vanishing", "layer/grad_norm/"),
            "from layer to layer they shrink by an even factor",
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
    overturned_by="With a residual around each pair of layers the loss stays where it is.",
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
            both(over("grad_first_over_last_log10", 3), over("grad_depth_straightness", 0.6)),
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
    overturned_by="The gradient norms of the layers at step 0 are level from input to output.",
)

DEAD_RELU: Final = CauseRecord(
    id="dead_relu",
    group="model",
    meaning="Units, or a whole layer, never fire and so never learn.",
    symptoms=("dead_units", "not_learning", "loss_floor", "gradient_vanishing", "collapse"),
    explains_away=("labels_shuffled", "lr_too_low"),
    clues=(
        Clue(
            "zeros",
            2,
            over("dead_layers_share", 0.2),
            "{dead_layers_share:.0%} of the layers receive gradients of exactly 0 at every step",
        ),
        Clue(
            "from the start",
            -1.5,
            under("grad_zero_share_first", 0.7),
            "at the first steps {grad_zero_share_first:.0%} of the gradient was exactly 0: what came later killed them",
        ),
        Clue(
            "from the start",
            1,
            both(over("grad_zero_share_first", 0.9), over("dead_layers_share", 0.5)),
            "{grad_zero_share_first:.0%} of the gradient was exactly 0 at the very first steps: no step killed them",
        ),
        Clue("units", 1, over("dead_bias_share", 0.9), "in one layer {dead_bias_share:.0%} of the units never fire"),
        Clue("zeros", 2, over("grad_zero_share", 0.9), "{grad_zero_share:.0%} of the gradient elements are exactly 0"),
        Clue("zeros", 1, Seen("dead_units"), "whole tensors have gradients of exactly 0"),
        Clue(
            "zeros", -1, under("grad_zero_share", 0.5), "{grad_zero_share:.0%} of the gradient elements are exactly 0"
        ),
    ),
    check="Count activations above 0 of the first silent layer over three batches: none in over 90% of its units is "
    "dead.",
    remedy="Use nn.LeakyReLU(0.01) there and restart that layer; a large step early in the run is what kills units.",
    overturned_by="In three batches over 10% of the layer's units are above 0.",
)

SATURATED_ACTIVATIONS: Final = CauseRecord(
    id="saturated_activations",
    group="model",
    meaning="Sigmoid or tanh units are pinned to their ends, where the gradient is nothing.",
    symptoms=("gradient_vanishing", "slow_descent", "loss_floor", "not_learning", "plateau", "collapse"),
    clues=(
        Clue("pinned", 2, over("saturated_share", 0.6), "{saturated_share:.0%} of the outputs of a layer are pinned"),
        Clue("pinned", 1, over("saturated_share", 0.3), "{saturated_share:.0%} of the outputs of a layer are pinned"),
        Clue("pinned", -2, under("saturated_share", 0.1), "hardly an output is pinned ({saturated_share:.0%})"),
    ),
    check="Print the share of |pre-activation| > 4 in that layer: above 60% is saturation.",
    remedy="Give the sigmoid inputs of unit variance: LayerNorm before it, and weights from "
    "torch.nn.init.xavier_uniform_(w).",
    overturned_by="Under 30% of the pre-activations of that layer lie beyond 4.",
)

SOFTMAX_TWICE: Final = CauseRecord(
    id="softmax_twice",
    group="model",
    meaning="Softmax is applied before a loss that applies it itself, so that the loss cannot fall below "
    "ln(1 + (K-1)/e).",
    symptoms=("config_smell", "loss_floor", "plateau", "plateau_after_lr_drop", "slow_descent", "not_learning"),
    tags=("graph/softmax_twice", "loss/"),
    proofs=(
        Proof(at_least("softmax_twice", 1), "in the graph, the input of the loss comes out of a softmax or sigmoid"),
    ),
    clues=(
        Clue(
            "floor",
            2,
            both(_CLASSIFICATION, between("loss_over_softmax_floor", 0.97, 1.03), over("loss_drop_share", 0.1)),
            "the loss sits at {loss_last:.3f}, the floor of a softmax before cross-entropy is "
            "{softmax_twice_floor:.3f}",
        ),
        Clue(
            "graph", -1.5, at_most("softmax_twice", 0), "in the graph, what the loss is given comes out of no softmax"
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
    overturned_by="The loss is one that takes probabilities (nll_loss on their logarithm, binary_cross_entropy).",
)

LOSS_TERMS_UNBALANCED: Final = CauseRecord(
    id="loss_terms_unbalanced",
    group="model",
    meaning="One term of the loss drowns another.",
    symptoms=("plateau", "slow_descent", "config_smell", "not_learning"),
    clues=(
        Clue(
            "share",
            1.5,
            over("top_term_share", 0.95),
            "one term makes up {top_term_share:.0%} of the loss; the others hardly move the weights",
        ),
        Clue(
            "share",
            2,
            over("term_weights_apart", 25),
            "in the total one term counts {term_weights_apart:.0f} times as much as another",
        ),
        Clue(
            "share",
            2,
            both(Seen("config_smell", tags.GRAPH_APART), over("untold_weights_apart", 25)),
            "in the graph of the loss one term is multiplied by {untold_weights_apart:.0f} times as much as another, "
            "and evaluations find little",
        ),
        Clue("share", -2, under("top_term_share", 0.8), "the largest term makes up {top_term_share:.0%} of the loss"),
    ),
    tags=("loss/", tags.GRAPH_APART),
    explains_away=("missing_annotations", "label_noise"),
    check="Take the gradient norm of each term alone on one batch: they should lie within a factor of 10.",
    remedy="Weight the terms so that each brings a like share: loss = sum(w[k] * v for k, v in losses.items()).",
    overturned_by="The gradient norms of the terms, one by one, lie within a factor of 10.",
)

LOSS_NOT_REDUCED: Final = CauseRecord(
    id="loss_not_reduced",
    group="model",
    meaning="The loss is summed over the batch instead of averaged, and its gradient grows with the batch.",
    symptoms=("divergence", "oscillation", "spike", "update_too_large", "non_finite", "config_smell"),
    clues=(
        Clue(
            "start", 2, at_least("loss_summed", 1), "in its graph, the loss is a sum over the batch, divided by nothing"
        ),
        Clue(
            "start",
            -2,
            both(at_most("loss_summed", 0), Unless(over("loss_first_over_ln_classes", 3))),
            "in its graph, the loss is an average",
        ),
        Clue(
            "start",
            2,
            both(_CLASSIFICATION, at_least("batch_size", 4), between("loss_first_over_batch_sum", 0.7, 1.4)),
            "the loss began at {loss_first:.4g}, about images per step times ln K = {sum_over_batch:.4g}",
        ),
        Clue("start", -2, both(_CLASSIFICATION, under("loss_first_over_ln_classes", 2)), "the loss began near ln K"),
    ),
    tags=("graph/summed", "loss/", "grad/", "update/", "weight/"),
    explains_away=("lr_too_high",),
    check="Halve the batch: if the loss halves too, it is a sum.",
    remedy="CrossEntropyLoss(reduction='mean'), or divide by the number of images (of positive anchors in a detector).",
    overturned_by="The loss stays the same when the batch is halved.",
)

ANCHORS_MISMATCH: Final = CauseRecord(
    id="anchors_mismatch",
    group="model",
    meaning="No anchor fits the objects at the network's scale, so that nothing is learnt about boxes.",
    symptoms=("bad_targets", "not_learning", "loss_floor", "plateau"),
    proofs=(
        Proof(
            either(over("point_size", 2.5), under("point_size", 0.4)),
            "the head takes its points to be {point_size:.3g} times as large as they are far apart, and answers boxes "
            "in that unit",
        ),
    ),
    clues=(
        Clue(
            "shapes",
            2,
            over("unlike_anchors", 0.8),
            "{unlike_anchors:.0%} of the objects would meet no anchor even if one were laid upon them; the likest is "
            "{anchor_times:.2g} times as wide",
        ),
        Clue("positives", 2, at_most("head_positives", 0), "no anchor or point of the head is a positive"),
        Clue(
            "positives",
            2,
            both(Seen("bad_targets", tags.ASSIGN_POSITIVES), between("head_positives", 0.5, 1.1)),
            "{head_positives:.2f} positives for each object: the one that it is given in any case, and no other",
        ),
        Clue("positives", 1, under("head_positives", 0.5), "{head_positives:.2f} positives for each object"),
        Clue(
            "positives",
            1,
            both(over("roi_foreground", 0), at_most("roi_foreground", 1.05)),
            "no proposal meets an object but the object itself ({roi_foreground:.2f} for each)",
        ),
        Clue("positives", -2, over("roi_foreground", 2), "{roi_foreground:.1f} proposals meet each object"),
        Clue("shapes", -2, under("unlike_anchors", 0.1), "nearly all objects have the shape of an anchor"),
        Clue("positives", -1, over("head_positives", 2), "{head_positives:.1f} positives for each object"),
    ),
    explains_away=("label_noise", "missing_annotations"),  # boxes that are answered in the wrong unit scatter
    tags=("assign/", "loss/"),
    check="Take the best anchor IoU of every box after the model's resize: below 0.5 for over 2% of them is a "
    "mismatch.",
    remedy="AnchorGenerator(sizes=((8,), (16,), (32,), (64,), (128,)), ...): sizes near the quantiles of sqrt(area); "
    "for FCOS the strides of the levels.",
    overturned_by="The best anchor of nearly every box overlaps it by more than 0.5.",
)

MODEL_IN_EVAL_MODE: Final = CauseRecord(
    id="model_in_eval_mode",
    group="model",
    meaning="The model trains in evaluation mode: dropout and BatchNorm statistics are switched off.",
    symptoms=("config_smell", "bad_evaluation", "oscillation", *STUCK),
    prior=0.03,
    proofs=(
        Proof(at_least("eval_mode_share", 1), "model.training is False while the optimizer steps"),
        Proof(at_least("eval_training_mode", 1), "model.training is True while evaluations run"),
    ),
    dominant=at_least("eval_mode_share", 1),
    tags=("model/", "loss/"),
    check="Print model.training right before the forward pass of a training step.",
    remedy="Call model.train() at the start of every epoch: an evaluation before it leaves the model in eval().",
    overturned_by="BatchNorm and dropout are frozen on purpose, as in fine-tuning with fixed statistics.",
)

CAPACITY_TOO_SMALL: Final = CauseRecord(
    id="capacity_too_small",
    group="model",
    meaning="The network is too small to represent the task.",
    symptoms=("plateau", "plateau_after_lr_drop", "loss_floor"),
    prior=0.02,
    explains_away=("batch_too_small", "schedule_needs_decay"),
    clues=(
        Clue(
            "size",
            2,
            Seen("plateau", tags.ROWS),
            "the network has {weights_per_example:.2f} weights for each training example",
        ),
        Clue("survives", 1, Seen("plateau_after_lr_drop"), "the plateau outlived a drop of the learning rate"),
        Clue("learnt", -1, under("loss_drop_share", 0.1), "the loss never fell: something is broken, not small"),
    ),
    check="Train on 20 images only, without augmentation: a network that is large enough gets them to near 0.",
    remedy="Take the next larger backbone (ResNet-18 -> ResNet-50), or a higher input resolution for small objects.",
    overturned_by="The network brings 20 images to near 0: then it is large enough to learn, and the data hold it.",
)

REGULARISATION_TOO_STRONG: Final = CauseRecord(
    id="regularisation_too_strong",
    group="model",
    meaning="Dropout, augmentation or a penalty holds the fit down.",
    symptoms=("config_smell", "plateau", "slow_descent", "not_learning", "plateau_after_lr_drop"),
    explains_away=(
        "weight_decay_too_strong",
        "lr_too_low",
        "lr_too_high",
        "init_too_large",
        "dead_relu",
        "labels_shuffled",
    ),
    tags=("model/dropout", "fit/", "loss/", "eval/", "weight/", "update/"),
    clues=(
        Clue(
            "penalty",
            2,
            both(
                Seen("config_smell", "update/decay"),
                either(at_most("weight_decay", 1e-4), at_most("forgetting_rate", 1e-3)),
                at_least("loss_has_penalty", 1),
            ),
            "steps shrink the weights, the loss holds their size, and the optimizer's own decay of {weight_decay:g} is "
            "no more than usual",
        ),
        Clue(
            "penalty",
            2,
            over("penalty_share", 0.5),
            "{penalty_share:.0%} of the loss is a penalty on the size of the weights",
        ),
        Clue("dropout", 2, over("dropout", 0.65), "a dropout layer drops {dropout:.0%} of its inputs"),
        Clue("dropout", 1, over("dropout", 0.45), "a dropout layer drops {dropout:.0%} of its inputs"),
        Clue(
            "gap",
            1,
            both(under("eval_loss_over_train", 0.8), over("dropout", 0.25)),
            "without dropout, in evaluation, the loss is {eval_loss_over_train:.0%} of that in training",
        ),
        Clue("gap", -1, over("eval_loss_over_train", 1.05), "evaluations, without dropout, cost more than training"),
    ),
    check="Measure the training loss in model.eval() without augmentation: over 20% lower is too much regularisation.",
    remedy="Halve the dropout rate, and take the penalty out of the loss for 500 steps to see its share.",
    overturned_by="Without dropout and penalty the evaluation gets no better.",
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
