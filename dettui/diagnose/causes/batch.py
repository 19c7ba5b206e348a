"""Causes in the size of the batch."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Seen, Unless, at_least, at_most, between, both, either, over, under
from dettui_probe import tags

NORM_LAGS: Final = Clue(
    "lag",
    -1.5,
    both(over("momentum", 0.97), over("images_per_norm", 0)),
    "with momentum {momentum:g} the statistics of BatchNorm lag behind the weights, which evaluations show",
)
"""Against a fault of the evaluation."""

BATCH_TOO_SMALL: Final = CauseRecord(
    id="batch_too_small",
    group="batch",
    meaning="Noise from few images dominates the gradient.",
    symptoms=("config_smell", "oscillation", "spike", "plateau", "slow_descent"),
    prior=0.03,
    clues=(
        Clue(
            "noise",
            1.5,
            over("noise_over_batch", 30),
            "the noise of the gradient is {noise_over_batch:.0f} times what this batch averages out",
        ),
        Clue("noise", -1, under("noise_over_batch", 3), "gradients of successive batches share most of their length"),
        Clue(
            "noise",
            2,
            over("grad_norm_cv", 2),
            "the gradient norm varies by {grad_norm_cv:.1f} times its mean from step to step",
        ),
        Clue(
            "noise",
            1,
            over("grad_norm_cv", 1),
            "the gradient norm varies by {grad_norm_cv:.1f} times its mean from step to step",
        ),
        Clue("size", 1, at_most("batch_size", 2), "a step sees {batch_size:.0f} images"),
        Clue(
            "size",
            2,
            both(at_most("inputs_of_update", 2), Seen("config_smell", tags.ROWS)),
            "a step follows {inputs_of_update:.0f} examples",
        ),
        Clue(
            "agreement",
            0.5,
            between("grad_agreement", -0.1, 0.1),
            "successive gradients have nothing in common (cosine {grad_agreement:.2f})",
        ),
        Clue("noise", -1, under("grad_norm_cv", 0.5), "the gradient norm is steady (it varies by {grad_norm_cv:.0%})"),
        Clue("agreement", -2, under("grad_agreement", -0.2), "successive gradients oppose each other; noise would not"),
        Clue("agreement", -2, over("grad_agreement", 0.3), "successive gradients agree; noise would not"),
        Clue("alternation", -2, under("residual_r1", -0.3), "the swings alternate from step to step; noise is random"),
        Clue("learnt", -2, under("loss_drop_share", 0.1), "the loss never fell: noise slows learning, it hides none"),
        Clue("endless", -2, over("falls_without_end", 100), "the loss falls without end: noise only lifts it"),
    ),
    tags=(tags.ROWS, "loss/", "grad/"),
    check="Accumulate four batches per step for 100 steps: noise halves, other causes stay.",
    remedy="Accumulate: loss = loss / 4, and call optimizer.step() every fourth batch.",
    overturned_by="With four times the batch the loss swings as much as now.",
)

BATCH_TOO_LARGE: Final = CauseRecord(
    id="batch_too_large",
    group="batch",
    meaning="The gradient is far more exact than the step needs, and each epoch makes few steps.",
    symptoms=("slow_descent",),
    prior=0.01,
    clues=(
        Clue(
            "noise",
            1.5,
            under("noise_over_batch", 0.1),
            "a tenth of the batch would do: its noise is {noise_over_batch:.2f} of the gradient",
        ),
        Clue(
            "noise",
            2,
            both(under("grad_norm_cv", 0.05), over("grad_agreement", 0.5)),
            "gradients hardly vary from step to step ({grad_norm_cv:.0%}, cosine {grad_agreement:.2f})",
        ),
        Clue(
            "noise",
            1.5,
            both(over("grad_agreement", 0.5), either(under("update_overshoot", -0.55), over("grad_agreement", 0.9))),
            "gradients of successive batches are nearly the same (cosine {grad_agreement:.2f})",
        ),
        Clue(
            "steps",
            2,
            both(at_most("steps_of_epoch", 10), at_least("inputs_of_update", 32)),
            "an epoch is {steps_of_epoch:.0f} steps",
        ),
        Clue(
            "noise",
            -2,
            both(over("grad_norm_cv", 0.3), Unless(at_most("steps_of_epoch", 10))),
            "gradients vary by {grad_norm_cv:.0%} from step to step",
        ),
        Clue("update", -1, under("log10_update_ratio", -4), "updates are so small that the learning rate comes first"),
    ),
    check="Train one epoch with a quarter of the batch at the same learning rate and compare the loss after it.",
    remedy="Set batch_size to a quarter of the present {batch_size:.0f} images, or raise the learning rate by the "
    "same factor of 4.",
    overturned_by="A quarter of the batch learns less per epoch.",
)

BATCHNORM_SMALL_BATCH: Final = CauseRecord(
    id="batchnorm_small_batch",
    group="batch",
    meaning="BatchNorm estimates its statistics from too few images per device.",
    symptoms=("bad_evaluation", "bad_targets", "config_smell", "oscillation", "plateau", "loss_floor", "collapse"),
    explains_away=("lr_too_high",),
    clues=(
        Clue("images", 2, under("images_per_norm", 4), "BatchNorm averages over {images_per_norm:.0f} images"),
        Clue("images", -2, at_least("images_per_norm", 8), "BatchNorm averages over {images_per_norm:.0f} images"),
    ),
    tags=("norm/", "loss/", "grad/", "fit/", "eval/", tags.SUREST_UNEXPLAINED),
    check="Compare the loss of one batch in model.train() and in model.eval(): more than 3-fold apart confirms it.",
    remedy="Use torchvision.ops.misc.FrozenBatchNorm2d or GroupNorm(32, c), or SyncBatchNorm over several devices.",
    overturned_by="model.train() and model.eval() give one batch the same loss.",
)

BATCHNORM_POISONED: Final = CauseRecord(
    id="batchnorm_poisoned",
    group="batch",
    meaning="Running statistics of a BatchNorm layer are non-finite or extreme.",
    symptoms=("non_finite", "bad_evaluation", "collapse"),
    prior=0.03,
    proofs=(
        Proof(
            over("poisoned_channels", 0),
            "{poisoned_channels:.0f} BatchNorm channels have running statistics that are non-finite or negative",
        ),
    ),
    clues=(
        Clue(
            "extreme",
            2,
            Seen("bad_evaluation", "norm/extreme_channels"),
            "running variances became extreme, and only evaluations, which use them, suffer",
        ),
    ),
    tags=("norm/", "eval/"),
    explains_away=("lr_too_high", "exploding_gradients", "train_eval_mismatch", "overfitting"),
    ruled_out=either(Seen("update_too_large"), Seen("gradient_exploding")),  # they broke with everything else
    check="Print (~m.running_var.isfinite()).any() and m.running_var.max() for every BatchNorm module.",
    remedy="Call m.reset_running_stats() on the affected layers, or load the last checkpoint with finite statistics.",
    overturned_by="The layer is never used in evaluation, or its statistics are finite in the checkpoint.",
)

CAUSES: Final = (BATCH_TOO_SMALL, BATCH_TOO_LARGE, BATCHNORM_SMALL_BATCH, BATCHNORM_POISONED)
