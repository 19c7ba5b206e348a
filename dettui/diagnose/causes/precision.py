"""Causes in number formats, hardware, processes."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Seen, both, over, under
from dettui_probe import tags

FP16_OVERFLOW: Final = CauseRecord(
    id="fp16_overflow",
    group="precision",
    meaning="Half precision overflows: the loss scale collapses and steps are skipped.",
    symptoms=("amp_overflow", "non_finite"),
    prior=0.03,
    proofs=(Proof(Seen("amp_overflow"), "the GradScaler keeps halving its scale and skips steps"),),
    tags=("amp/", "loss/", "grad/"),
    check="Run 50 steps without autocast: if the loss is finite, the number format is the cause.",
    remedy="torch.autocast('cuda', dtype=torch.bfloat16) needs no scaler; else keep the loss in float32.",
    overturned_by="In float32 the gradients are as large, or not finite.",
)

FP16_UNDERFLOW: Final = CauseRecord(
    id="fp16_underflow",
    group="precision",
    meaning="Gradients vanish to exact zeros in half precision.",
    symptoms=("gradient_vanishing", "dead_units", "not_learning", "loss_floor", "collapse"),
    explains_away=("dead_relu", "lr_too_low", "labels_shuffled", "softmax_twice", "vanishing_gradients"),
    proofs=(
        Proof(
            Seen("gradient_vanishing", tags.GRAD_QUANTA),
            "half of the gradient or more is exactly 0, and the rest are whole multiples of one small number",
        ),
    ),
    clues=(
        Clue(
            "zeros",
            2,
            Seen("gradient_vanishing", tags.LAYER_GRAD_ZERO),
            "the answers vary from input to input while nearly all of the gradient is exactly 0",
        ),
        Clue(
            "zeros",
            2,
            both(over("grad_zero_share", 0.5), over("amp_scale", 0)),
            "{grad_zero_share:.0%} of the gradient elements are exactly 0 under mixed precision",
        ),
        Clue("zeros", -2, under("grad_zero_share", 0.2), "few gradient elements are exactly 0"),
    ),
    tags=("grad/", "layer/", "amp/", "loss/"),
    check="Compare the share of exact zeros in the gradients with and without autocast on one batch.",
    remedy="scaler = torch.amp.GradScaler('cuda'); scaler.scale(loss).backward(), so that small gradients survive.",
    overturned_by="In float32 the same share of the gradients is exactly 0.",
)

LOADER_STARVES_GPU: Final = CauseRecord(
    id="loader_starves_gpu",
    group="precision",
    meaning="Each step waits for its data longer than it computes.",
    symptoms=("input_bound", "slow_step"),
    prior=0.05,
    proofs=(Proof(Seen("input_bound"), "steps spend most of their time waiting for data"),),
    tags=("time/",),
    check="Time 100 iterations of the loader alone: for _ in itertools.islice(loader, 100): pass.",
    remedy="DataLoader(..., num_workers=os.cpu_count() // 2, pin_memory=True, persistent_workers=True); decode to "
    "training size beforehand.",
    overturned_by="The loader alone gives its batches faster than a step takes.",
)

TRAINING_HUNG: Final = CauseRecord(
    id="training_hung",
    group="precision",
    meaning="The process lives and no step completes.",
    symptoms=("hang",),
    prior=0.05,
    proofs=(Proof(Seen("hang"), "no step has completed for many times the usual duration"),),
    check="py-spy dump --pid PID shows the line in which every thread waits.",
    remedy="num_workers=0 tells a loader deadlock apart; for collectives set TORCH_NCCL_ASYNC_ERROR_HANDLING=1 and a "
    "timeout.",
    overturned_by="py-spy shows a line that moves on: an evaluation, a checkpoint, a slow file.",
)

MEMORY_LEAK: Final = CauseRecord(
    id="memory_leak",
    group="precision",
    meaning="Memory grows from step to step, usually because graphs are kept alive.",
    symptoms=("memory_growth",),
    prior=0.05,
    clues=(Clue("growth", 2, Seen("memory_growth"), "memory grows steadily"),),
    check="Comment out every append and += of tensors in the loop for 200 steps and watch mem/rss.",
    remedy="Keep numbers, not graphs: total += loss.detach(), or losses.append(loss.item()) at log intervals.",
    overturned_by="Memory stands still after the first epoch: caches that fill up once look the same before.",
)

RANK_DIVERGED: Final = CauseRecord(
    id="rank_diverged",
    group="precision",
    meaning="Parameters differ between the ranks of one job.",
    symptoms=("rank_desync",),
    prior=0.05,
    proofs=(Proof(Seen("rank_desync"), "the parameters of the ranks differ after the same step"),),
    check="All-gather p.sum() of one parameter after a step: every rank must print the same number.",
    remedy="Train the wrapped module, ddp_model(images), not ddp_model.module(images); seed all ranks alike before "
    "building it.",
    overturned_by="The parameter that differs is local by design (a sharded expert, an index).",
)

RANK_SLOW: Final = CauseRecord(
    id="rank_slow",
    group="precision",
    meaning="One rank holds up all others.",
    symptoms=("straggler",),
    prior=0.05,
    proofs=(Proof(Seen("straggler"), "one rank arrives last step after step"),),
    check="Compare time/data and time/forward of the ranks: which part is longer on the slow one?",
    remedy="Give each rank like work: DistributedSampler(dataset, shuffle=True) over images of like size; "
    "nvidia-smi -q -d CLOCK shows a device that throttles.",
    overturned_by="The slow rank changes from epoch to epoch: then it is its data, not its machine.",
)

CAUSES: Final = (
    FP16_OVERFLOW,
    FP16_UNDERFLOW,
    LOADER_STARVES_GPU,
    TRAINING_HUNG,
    MEMORY_LEAK,
    RANK_DIVERGED,
    RANK_SLOW,
)
