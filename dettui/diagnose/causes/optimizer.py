"""Causes in the optimizer and on the way from a gradient to a changed weight."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import STUCK, UNSTEADY, CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Seen, Unless, at_least, at_most, between, both, either, over, under
from dettui_probe import tags

_BURST: Final = Clue(
    "burst", -2, over("lr_burst", 5), "the learning rate stood {lr_burst:.0f}-fold above its usual level"
)
"""Against whatever is no matter of the learning rate."""

_NOTHING_MOVES: Final = at_least("update_unchanged_share", 0.999)

OPTIMIZER_NOT_STEPPING: Final = CauseRecord(
    id="optimizer_not_stepping",
    group="optimizer",
    meaning="Gradients flow and no parameter moves.",
    symptoms=("no_update", "update_too_small", "amp_overflow", *STUCK),
    prior=0.03,
    proofs=(
        Proof(
            both(
                _NOTHING_MOVES,
                Unless(at_most("lr_now", 0)),
                Unless(under("lr_over_peak", 1e-3)),
                Unless(at_least("grad_zero_share", 0.999)),
                Unless(under("held_share", 0.01)),
            ),
            "{update_unchanged_share:.0%} of the tensors are left exactly as they were by each step, at lr = "
            "{lr_now:.2g}",
        ),
        Proof(over("idle_passes", 0), "{idle_passes:.0f} backward passes went by without an optimizer step"),
    ),
    check="Copy one weight before optimizer.step() and compare it after: torch.equal(before, p) must be False.",
    remedy="Call optimizer.step() after every backward (scaler.step(optimizer); scaler.update() under AMP), before "
    "zero_grad().",
    overturned_by="torch.equal says that a weight changed over a step: then the watched model is another one than "
    "the trained.",
)

PARAMS_NOT_IN_OPTIMIZER: Final = CauseRecord(
    id="params_not_in_optimizer",
    group="optimizer",
    meaning="Trainable parameters are in no optimizer, or the optimizer holds parameters that the model no longer has.",
    symptoms=("no_update", "update_too_small", "config_smell", "collapse", *STUCK),
    prior=0.05,
    proofs=(
        Proof(
            over("missing_params", 0),
            "{missing_params:.0f} trainable tensors are in no optimizer: {missing_names}",
        ),
        Proof(
            over("stranger_params", 0),
            "{optimizer} holds {stranger_params:.0f} tensors that the model does not have",
        ),
    ),
    tags=("optim/", "update/", "loss/", "layer/", "grad/"),
    explains_away=("optimizer_not_stepping", "frozen_params", "lr_too_low"),
    check="held = {{id(p) for g in optimizer.param_groups for p in g['params']}}; print names of trainable "
    "parameters "
    "with id(p) not in held.",
    remedy="Build the optimizer after the head is replaced and the model is on its device: "
    "SGD([p for p in model.parameters() if p.requires_grad], lr={lr_now:.2g}).",
    overturned_by="The parameters outside belong to a part that is trained by another optimizer, in a later phase.",
)

FROZEN_PARAMS: Final = CauseRecord(
    id="frozen_params",
    group="optimizer",
    meaning="Most of the network has requires_grad=False and cannot learn.",
    symptoms=("no_update", "config_smell", *STUCK),
    prior=0.03,
    proofs=(
        Proof(over("frozen_share", 0.95), "{frozen_share:.0%} of the parameters are frozen"),
        Proof(
            at_least("frozen_untrained_share", 0.5),
            "{frozen_untrained:.0f} frozen weights are as a random initialisation drew them: nothing pretrained is "
            "frozen there",
        ),
    ),
    clues=(
        Clue("frozen", 1, over("frozen_share", 0.5), "{frozen_share:.0%} of the parameters are frozen"),
        Clue(
            "untrained",
            1.5,
            both(over("frozen_share", 0.5), at_least("frozen_untrained_share", 0.25)),
            "{frozen_untrained:.0f} of the frozen weights are as a random initialisation drew them",
        ),
    ),
    # what is left to train grows fast and comes to nothing
    explains_away=("lr_too_high", "missing_annotations", "label_noise"),
    tags=("optim/", "update/", "loss/"),
    check="Print [n for n, p in model.named_parameters() if not p.requires_grad]: is each of them pretrained?",
    remedy="Unfreeze more: fasterrcnn_resnet50_fpn(weights=..., trainable_backbone_layers=3), or "
    "requires_grad_(True) "
    "on all but the stem.",
    overturned_by="The frozen part is pretrained on like data, and unfreezing it does not lower the loss.",
)

GRAPH_DETACHED: Final = CauseRecord(
    id="graph_detached",
    group="optimizer",
    meaning="No gradient reaches part of the model, because the graph is cut before it.",
    symptoms=("no_update", "dead_units", "not_learning", "loss_floor"),
    proofs=(Proof(over("grad_none_tensors", 0), "{grad_none_tensors:.0f} trainable tensors receive no gradient"),),
    tags=("grad/", "update/", "loss/", "layer/"),
    check="After one backward list [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None].",
    remedy="Remove the .detach(), .item(), torch.no_grad() or numpy round trip between those layers and the loss.",
    overturned_by="The tensors without gradient belong to a branch that this task does not use.",
)

GRADIENTS_NOT_ZEROED: Final = CauseRecord(
    id="gradients_not_zeroed",
    group="optimizer",
    meaning="Gradients of earlier steps pile up in every new one.",
    symptoms=("config_smell", "gradient_exploding", "dead_units", "collapse", *UNSTEADY),
    prior=0.03,
    proofs=(
        Proof(
            at_least("grad_left_over", 0.25),
            "before {grad_left_over:.0%} of the newest steps the gradients of the step before were still there",
        ),
    ),
    explains_away=(
        "dead_relu",
        "data_corrupted_midway",
        "warmup_missing",
        "lr_too_high",
        "labels_shuffled",
        "vanishing_gradients",
        "lr_too_low",
    ),
    # what throws a network far off makes gradients agree from then on; a running sum is one from the start
    ruled_out=either(
        at_most("grad_left_over", 0),  # looked at, and all were cleared
        over("lr_burst", 5),
        both(over("grad_agreement", 0.9), under("grad_agreement_lower", 0.5)),
    ),
    clues=(
        Clue(
            "agreement",
            2,
            over("grad_agreement", 0.9),
            "successive gradients are nearly the same vector (cosine {grad_agreement:.2f}), as a running sum is",
        ),
        Clue(
            "sum",
            1,
            both(over("grad_agreement", 0.9), Seen("gradient_exploding")),
            "gradients of one direction grow from step to step",
        ),
        Clue("growth", 0.5, over("grad_norm_ratio", 3), "gradients grew {grad_norm_ratio:.0f}-fold since the start"),
        Clue(
            "growth",
            -1.5,
            both(under("grad_norm_ratio", 1), Unless(Seen("gradient_exploding"))),
            "gradients shrank to {grad_norm_ratio:.0%} of their first size; a running sum does not",
        ),
        Clue(
            "agreement", -2, under("grad_agreement", 0.5), "successive gradients differ (cosine {grad_agreement:.2f})"
        ),
    ),
    check="Print p.grad.norm() of one parameter before backward: it must be None or 0.",
    remedy="Call optimizer.zero_grad(set_to_none=True) once per optimizer step, before backward.",
    overturned_by="p.grad is None or 0 before each backward.",
)

_RAW_SCORES: Final = Seen("config_smell", tags.GRAPH_RAW_SCORES)

LOSS_SIGN_FLIPPED: Final = CauseRecord(
    id="loss_sign_flipped",
    group="optimizer",
    meaning="The optimizer climbs: the loss is being maximised.",
    symptoms=("config_smell", "divergence", "gradient_exploding", "non_finite", "update_too_large"),
    tags=("graph/negated", "loss/", "grad/", "update/", "weight/"),
    explains_away=("lr_too_high", "exploding_gradients", "warmup_missing"),
    prior=0.01,
    proofs=(
        Proof(at_least("loss_negated", 1), "in the graph of the loss, a minus sign stands before every loss function"),
        Proof(
            at_least("terms_climb", 3),
            "no term of the loss is below zero, each has grown {terms_climb:.1f}-fold or more, and their total is "
            "below zero: it is taken with a minus sign",
        ),
        Proof(over("update_ascent", 0.5), "steps go along their own gradient (cosine {update_ascent:.2f}): they climb"),
    ),
    clues=(
        Clue(
            "sign",
            1,
            both(over("loss_first", 0), under("loss_last", 0), Unless(_RAW_SCORES)),
            "the loss went from {loss_first:.3g} to {loss_last:.3g}, below the least value of a detection loss",
        ),
        Clue(
            "sign",
            2,
            both(over("falls_without_end", 100), Unless(_RAW_SCORES)),
            "the loss is below zero, and {falls_without_end:.0f} times as far from it as it began: a cost has a floor",
        ),
        Clue(
            "sign",
            -2,
            _RAW_SCORES,
            "the loss is given raw scores for logarithms of probabilities: it has no floor with the right sign either",
        ),
        Clue("growth", 1, over("grad_norm_ratio", 10), "gradients grew {grad_norm_ratio:.0f}-fold since the start"),
        Clue("update", -1, over("log10_update_ratio_highest", -1.5), "the step size alone explains the rise"),
        Clue("sign", -1, over("loss_last", 0), "the loss is positive, as it should be"),
    ),
    check="Take one step at lr = 1e-6 and evaluate the same batch again: the loss must not rise.",
    remedy="Minimise the loss itself: drop the minus sign, or maximize=True of the optimizer.",
    overturned_by="The loss is a score to be maximised (an ELBO, a reward), and rises as it should.",
)

CLIP_TOO_TIGHT: Final = CauseRecord(
    id="clip_too_tight",
    group="optimizer",
    meaning="Gradient clipping acts on every step, so that the clip value sets the step size.",
    symptoms=("slow_descent", "update_too_small", "not_learning", "loss_floor", "config_smell"),
    proofs=(
        Proof(
            both(
                over("clip_active_share", 0.95),
                under("log10_update_ratio", -4),
                at_least("log10_update_unclipped", -4),
            ),
            "{clip_active_share:.0%} of the steps are clipped and move the weights by only {update_ratio:.1e} of "
            "their "
            "norm",
        ),
    ),
    clues=(
        Clue(
            "size",
            2,
            both(over("clip_ratio", 10), over("clip_active_share", 0.95)),
            "the gradient is {clip_ratio:.0f} times as long as the norm it is clipped to",
        ),
        Clue(
            "size",
            1.5,
            both(over("clip_ratio", 3), over("clip_active_share", 0.95), under("log10_update_at_peak_lr", -3)),
            "every gradient is clipped, to a {clip_ratio:.0f}th as a rule, and each step moves the weights by "
            "{update_at_peak_lr:.1e} of their norm only",
        ),
    ),
    check="Print the norm that clip_grad_norm_ returns over 100 steps and compare its median with max_norm.",
    remedy="Set max_norm to 3 times the median norm, clip_grad_norm_(params, 3 * median), so that only outliers "
    "are clipped.",
    overturned_by="With max_norm ten times as large the loss falls no faster.",
)

MOMENTUM_TOO_HIGH: Final = CauseRecord(
    id="momentum_too_high",
    group="optimizer",
    meaning="The optimizer overshoots and returns in slow waves.",
    symptoms=(
        "config_smell",
        "oscillation",
        "divergence",
        "plateau",
        "not_learning",
        "bad_evaluation",
        "collapse",
        "dead_units",
    ),
    prior=0.015,
    explains_away=("dead_relu",),  # long steps kill units
    tags=("momentum/", "loss/", "weight/", "eval/"),
    clues=(
        Clue(
            "waves",
            2,
            between("oscillation_period", 8, 200),
            "the loss swings with a period of {oscillation_period:.0f} steps",
        ),
        Clue(
            "waves",
            1,
            over("residual_r1", 0.5),
            "the loss drifts in slow waves (lag-1 autocorrelation {residual_r1:.2f})",
        ),
        Clue(
            "waves",
            2,
            Seen("config_smell", "momentum/"),
            "the weights were carried to {weight_norm_ratio:.1f} times their first norm",
        ),
        Clue("setting", 2, over("momentum", 0.97), "momentum is {momentum:g}, so a gradient acts for a hundred steps"),
        Clue("setting", 1, over("momentum", 0.95), "momentum is {momentum:g}, so a gradient acts for many steps"),
        Clue("setting", -1, at_most("momentum", 0.9), "momentum is {momentum:g}, the usual value or below"),
        Clue("waves", -2, under("oscillation_period", 4), "the loss alternates from step to step"),
        Clue("waves", -1, under("residual_r1", 0), "the loss does not move in waves"),
    ),
    check="Compare the period of the waves with the steps of an epoch and of the schedule: if neither fits, it is "
    "momentum.",
    remedy="Set momentum=0.9 (betas=(0.9, 0.999) for Adam): the effective step is lr / (1 - momentum).",
    overturned_by="With momentum=0.9 at the same lr / (1 - momentum) the waves stay.",
)

WEIGHT_DECAY_TOO_STRONG: Final = CauseRecord(
    id="weight_decay_too_strong",
    group="optimizer",
    meaning="Weights shrink faster than the gradients can build them up.",
    symptoms=(
        "config_smell",
        "plateau",
        "slow_descent",
        "not_learning",
        "loss_floor",
        "collapse",
        "divergence",
        "update_too_large",
    ),
    explains_away=("lr_too_high", "labels_shuffled"),  # what decay holds near zero answers like a guesser
    tags=("update/decay", "weight/", "loss/", "fit/", "eval/"),
    clues=(
        Clue(
            "rate",
            2,
            over("forgetting_rate", 4e-3),
            "each step shrinks the weights by {forgetting_rate:.1%}; 0.05 % is the most that usual recipes ask",
        ),
        Clue(
            "direction",
            2,
            Seen("config_smell", "update/decay"),
            "steps pointed to zero while the weights shrank",
        ),
        Clue(
            "direction",
            2,
            over("update_decay_share", 0.5),
            "steps point to zero more than anywhere else (cosine {update_decay_share:.2f} with the weights reversed)",
        ),
        Clue(
            "direction",
            1,
            over("update_decay_share", 0.25),
            "steps point to zero to a good part (cosine {update_decay_share:.2f} with the weights reversed)",
        ),
        Clue(
            "shrunk", 1, under("weight_norm_ratio", 0.7), "the weights shrank to {weight_norm_ratio:.0%} of their norm"
        ),
        _BURST,
        Clue("setting", 0.5, over("weight_decay", 0.02), "weight_decay is {weight_decay:g}"),
        Clue(
            "direction",
            -2,
            both(under("update_decay_share", 0.1), Unless(over("forgetting_rate", 4e-3))),  # else they are in balance
            "steps hardly shrink the weights",
        ),
        Clue("setting", -2, at_most("weight_decay", 0.002), "weight_decay is {weight_decay:g}, as usual or below"),
        Clue(
            "setting",
            -2,
            both(over("beta2", 0), at_most("weight_decay", 0.1)),
            "weight_decay is {weight_decay:g}, as usual for an adaptive optimizer",
        ),
    ),
    check="Watch weight/norm: a steady fall of lr * weight_decay per step is decay at work.",
    remedy="Set weight_decay=1e-4, and 0 for biases and norm layers by a param group of their own.",
    overturned_by="With weight_decay=0 for 300 steps the loss stays where it is.",
)

ADAM_SECOND_MOMENT_LAG: Final = CauseRecord(
    id="adam_second_moment_lag",
    group="optimizer",
    meaning="Adam's second moment lags behind a sudden growth of the gradients, and a few steps come out far too "
    "large.",
    symptoms=("spike",),
    clues=(
        _BURST,
        Clue(
            "lag",
            2,
            over("second_moment_lag", 5),
            "gradients outran Adam's second moment {second_moment_lag:.1f}-fold within the last 200 steps",
        ),
        Clue(
            "lag",
            1,
            over("second_moment_lag", 2.3),
            "gradients outran Adam's second moment {second_moment_lag:.1f}-fold within the last 200 steps",
        ),
        Clue("setting", 1, over("beta2", 0.9995), "beta2 is {beta2:g}: the second moment needs thousands of steps"),
        Clue("lag", -2, under("second_moment_lag", 1.8), "the second moment kept up with the gradients"),
    ),
    check="Log (p.grad**2 / state['exp_avg_sq']).mean().sqrt() by layer: above 2.3 just before a spike confirms it.",
    remedy="AdamW(..., betas=(0.9, 0.95)), so that the second moment follows in 20 steps instead of 1000.",
    overturned_by="With betas=(0.9, 0.95) the spikes come at the same steps.",
)

CAUSES: Final = (
    OPTIMIZER_NOT_STEPPING,
    PARAMS_NOT_IN_OPTIMIZER,
    FROZEN_PARAMS,
    GRAPH_DETACHED,
    GRADIENTS_NOT_ZEROED,
    LOSS_SIGN_FLIPPED,
    CLIP_TOO_TIGHT,
    MOMENTUM_TOO_HIGH,
    WEIGHT_DECAY_TOO_STRONG,
    ADAM_SECOND_MOMENT_LAG,
)
