"""Causes in the learning rate and its schedule."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import STUCK, UNSTEADY, CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Seen, SeenBefore, Unless, at_least, at_most, between, both, either, over, under

_FLAT_LR: Final = both(at_most("lr_drops", 0), at_least("lr_over_peak", 0.9))
_BURST: Final = both(over("lr_burst", 5), Seen("spike"))
"""No warm-up or cosine rises 5-fold above its median within 200 steps once the loss is judged."""

_MODERATE_UPDATES: Final = between("log10_update_ratio", -4, -2)
"""Median ||dw||/||w|| of 1e-4..1e-2 is the healthy range (detection.md L6)."""

_NOT_USUAL_UPDATES: Final = Unless(over("log10_update_at_peak_lr", -3.5))
"""Steps of usual size rule out a step that is too small, whatever else may look like it (diagnosis.md 3.7)."""

HARDLY_MOVED: Final = both(under("way", 0.2), under("update_overshoot", -0.07))
"""The sum of all ||dw||/||w||, and the cosine of gradient and step.  With labels that nothing can be learnt of, 42 runs
of 25 programs came to 0.22 and more, with a cosine within 0.05 of 0; with too low a rate, 33 of 36 to less."""

_MUCH_LEFT: Final = Unless(at_least("schedule_share_done", 0.8))

LR_TOO_HIGH: Final = CauseRecord(
    id="lr_too_high",
    group="learning_rate",
    meaning="The steps are so large that the loss swings, sticks high or blows up.",
    symptoms=(*UNSTEADY, "plateau", "plateau_after_lr_drop", "not_learning", "loss_floor", "collapse", "dead_units"),
    prior=0.08,
    explains_away=("dead_relu",),
    clues=(
        Clue(
            "agreement",
            2,
            over("update_overshoot", 0.1),
            "gradients point back along the step before (cosine {update_overshoot:.2f}): steps go beyond the minimum",
        ),
        Clue(
            "agreement",
            -2,
            under("update_overshoot", -0.3),
            "gradients still point along the step before (cosine {update_overshoot:.2f}): it could have been longer",
        ),
        Clue(
            "from the start",
            1,
            both(under("grad_zero_share_first", 0.7), over("grad_zero_share", 0.9), Seen("dead_units")),
            "at the first step {grad_zero_share_first:.0%} of the gradient was exactly 0, and now "
            "{grad_zero_share:.0%}: steps have killed units",
        ),
        Clue(
            "from the start",
            -2,
            both(at_least("grad_zero_share_first", 0.9), at_least("grad_zero_share", 0.9)),
            "{grad_zero_share_first:.0%} of the gradient was exactly 0 at the first step, before any step was made",
        ),
        Clue(
            "drop",
            -2,
            both(Seen("plateau_after_lr_drop"), Unless(over("log10_update_ratio_highest", -1.5))),
            "a lower learning rate was tried and did not help",
        ),
        Clue(
            "growth",
            1,
            over("weight_growth_early", 2),
            "the first steps multiplied the weights by {weight_growth_early:.1f}, which makes later steps look small",
        ),
        Clue(
            "update",
            2,
            _BURST,
            "the learning rate stood {lr_burst:.0f}-fold above its usual level within the last 200 steps",
        ),
        Clue(
            "update",
            2,
            over("log10_update_ratio_highest", -1.5),
            "steps moved the weights by {highest_update:.1e} of their norm; 1e-4 to 1e-2 is usual",
        ),
        Clue(
            "update",
            1,
            over("log10_update_ratio_highest", -2),
            "steps moved the weights by {highest_update:.1e} of their norm, the upper end of what is usual",
        ),
        Clue(
            "agreement",
            2,
            under("grad_agreement", -0.2),
            "successive gradients point against each other (cosine {grad_agreement:.2f}): steps overshoot",
        ),
        Clue(
            "alternation",
            1,
            under("residual_r1", -0.2),
            "the loss alternates from step to step (lag-1 autocorrelation {residual_r1:.2f})",
        ),
        Clue("drop", 1, at_least("sd_fell_after_lr_drop", 1), "the swings shrank when the learning rate was lowered"),
        Clue("growth", 0.5, over("grad_norm_ratio", 3), "gradients grew {grad_norm_ratio:.1f}-fold since the start"),
        Clue("growth", 0.5, Seen("divergence"), "the loss rises and does not come back"),
        Clue(
            "update",
            -2,
            under("log10_update_ratio_highest", -3.5),
            "updates are small ({highest_update:.1e} of the weights)",
        ),
        Clue(
            "agreement",
            -2,
            both(over("grad_agreement", 0.3), Unless(_BURST)),
            "successive gradients agree (cosine {grad_agreement:.2f}): steps do not overshoot",
        ),
    ),
    check="Train 50 steps from the last good checkpoint with lr = {lr_peak_tenth:.2g}: the swings must be gone.",
    remedy="Set lr = {lr_peak_tenth:.2g} (a tenth of {lr_peak:.2g}), and warm it up over the first 500 steps.",
    overturned_by="At lr = {lr_peak_tenth:.2g} the same swings come back within 50 steps.",
)

LR_TOO_LOW: Final = CauseRecord(
    id="lr_too_low",
    group="learning_rate",
    meaning="The steps are so small that the loss crawls although the gradients agree on the way.",
    symptoms=("update_too_small", "slow_descent", "not_learning", "plateau", "loss_floor"),
    prior=0.05,
    explains_away=("labels_shuffled",),  # what has hardly moved answers like a guesser, whatever its labels
    clues=(
        Clue(
            "update",
            2,
            both(under("way", 0.05), under("way_at_peak_lr", 0.1)),
            "all steps so far together can have moved the weights by {way:.1%} of their norm at most",
        ),
        Clue(
            "update",
            1.5,
            HARDLY_MOVED,
            "all steps so far together can have moved the weights by {way:.1%} of their norm at most, and each "
            "gradient asks for more of the step before (cosine {update_overshoot:.2f})",
        ),
        Clue(
            "agreement",
            2,
            both(under("update_overshoot", -0.5), _NOT_USUAL_UPDATES),
            "each gradient asks for more of the step before (cosine {update_overshoot:.2f})",
        ),
        Clue(
            "zeros",
            -2,
            over("grad_zero_share", 0.95),
            "{grad_zero_share:.0%} of the gradient is exactly 0, which longer steps do not mend",
        ),
        Clue(
            "agreement",
            1.5,
            both(under("update_overshoot", -0.55), over("grad_agreement", 0.45)),
            "successive gradients agree (cosine {grad_agreement:.2f}), and each asks for more of the step before "
            "({update_overshoot:.2f})",
        ),
        Clue(
            "update",
            2,
            under("log10_update_at_peak_lr", -4.5),
            "each step moves the weights by {update_at_peak_lr:.1e} of their norm; 1e-4 to 1e-2 is usual",
        ),
        Clue(
            "update",
            1,
            under("log10_update_at_peak_lr", -4),
            "each step moves the weights by {update_at_peak_lr:.1e} of their norm, the lower end of what is usual",
        ),
        Clue(
            "agreement",
            2,
            both(over("grad_agreement", 0.3), _NOT_USUAL_UPDATES),
            "successive gradients agree (cosine {grad_agreement:.2f}): there is a way down and it is walked slowly",
        ),
        Clue(
            "growth",
            1,
            both(between("grad_norm_ratio", 0.8, 1.25), _NOT_USUAL_UPDATES),
            "the gradient has kept its size ({grad_norm_ratio:.2f} of the start): little has changed",
        ),
        Clue(
            "update",
            -2,
            over("log10_update_at_peak_lr", -3.5),
            "updates are of usual size ({update_at_peak_lr:.1e} of the weights)",
        ),
        Clue("agreement", -1, under("grad_agreement", 0), "successive gradients do not agree ({grad_agreement:.2f})"),
    ),
    check="Train 50 steps with lr = {lr_peak_tenfold:.2g}: the loss must fall faster and stay smooth.",
    remedy="Set lr = {lr_peak_tenfold:.2g} (ten times the present {lr_peak:.2g}); stop raising when the loss begins to "
    "swing.",
    overturned_by="At lr = {lr_peak_tenfold:.2g} the loss falls no faster, or begins to swing.",
)

LR_ZERO: Final = CauseRecord(
    id="lr_zero",
    group="learning_rate",
    meaning="The learning rate is zero, or has decayed to nothing with much of the run left.",
    symptoms=("no_update", "update_too_small", "config_smell", *STUCK),
    prior=0.03,
    proofs=(
        Proof(both(at_most("lr_now", 0), either(_MUCH_LEFT, Seen("no_update", "lr/"))), "the learning rate is 0"),
        Proof(
            both(under("lr_over_peak", 1e-3), under("schedule_share_done", 0.8)),
            "the learning rate is {lr_now:.1e}, {lr_over_peak:.1e} of its peak, with {schedule_share_done:.0%} of "
            "the "
            "run done",
        ),
        Proof(
            both(Seen("no_update"), under("lr_over_peak", 1e-4), Unless(at_least("schedule_share_done", 0.8))),
            "the learning rate is {lr_now:.1e}, {lr_over_peak:.1e} of its peak, and no parameter moves any longer",
        ),
        Proof(
            both(Seen("no_update"), under("lr_over_peak", 1e-4), under("lr_low_since", 0.5)),
            "the learning rate fell below a tenth of its peak with {lr_low_since:.0%} of the run done, and to "
            "{lr_over_peak:.1e} of it: no parameter moves any longer",
        ),
    ),
    explains_away=("optimizer_not_stepping", "lr_too_low", "schedule_too_fast"),
    check="Print optimizer.param_groups[0]['lr'] after each scheduler.step() of one epoch.",
    remedy="Give the schedule the true length, CosineAnnealingLR(optimizer, T_max=total_steps, "
    "eta_min={lr_peak_tenth:.2g}), "
    "and step it at the unit that T_max counts.",
    overturned_by="A second param group, or a second optimizer, carries the learning rate.",
)

WARMUP_MISSING: Final = CauseRecord(
    id="warmup_missing",
    group="learning_rate",
    meaning="The full learning rate acts on untrained weights and blows them up early.",
    symptoms=("divergence", "spike", "non_finite", "loss_floor"),
    clues=(
        Clue(
            "early",
            1,
            both(
                over("log10_update_ratio_early", -1.5),
                over("weight_growth_early", 1.2),
                at_least("lr_first_over_peak", 0.9),
                Seen("loss_floor"),
            ),
            "the first steps, at the full learning rate, moved the weights by 10^{log10_update_ratio_early:.1f} of "
            "their norm each, and the loss came to rest at a guesser's",
        ),
        Clue(
            "early",
            1.5,
            both(
                either(SeenBefore("divergence", 100), SeenBefore("spike", 100), SeenBefore("non_finite", 100)),
                at_least("lr_first_over_peak", 0.9),
            ),
            "trouble came within 100 steps, at the full learning rate from the first of them",
        ),
        Clue("early", -2, under("lr_first_over_peak", 0.5), "the learning rate was warmed up"),
    ),
    check="Repeat the first 200 steps at a tenth of the learning rate: no blow-up speaks for a warm-up.",
    remedy="torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500), stepped every iteration.",
    overturned_by="The blow-up comes again behind a warm-up of 500 steps, at its full rate.",
)

WARMUP_NEVER_ENDS: Final = CauseRecord(
    id="warmup_never_ends",
    group="learning_rate",
    meaning="The learning rate is still rising halfway through the run.",
    symptoms=("slow_descent", "not_learning", "config_smell", "update_too_small"),
    proofs=(
        Proof(
            both(
                at_least("lr_rising", 1),
                at_least("schedule_share_done", 0.5),
                at_most("lr_drops", 0),
                at_least("lr_over_peak", 0.999),
            ),
            "the learning rate still rises with {schedule_share_done:.0%} of the run done",
        ),
    ),
    check="Plot the schedule without training: step it total_steps times and print where its maximum lies.",
    remedy="Set the warm-up to 500 steps, or 5% of the run: total_iters counts calls of scheduler.step(), not epochs.",
    overturned_by="The run was planned to stop early, and its schedule is that of the whole.",
)

SCHEDULE_TOO_FAST: Final = CauseRecord(
    id="schedule_too_fast",
    group="learning_rate",
    meaning="The learning rate falls away long before the loss has settled, often because the scheduler is stepped "
    "per "
    "batch.",
    symptoms=("plateau", "plateau_after_lr_drop", "slow_descent", "update_too_small", "not_learning", "config_smell"),
    explains_away=("labels_shuffled",),  # what was hardly trained answers like a guesser, whatever its labels
    tags=("lr/", "loss/", "update/"),
    prior=0.03,
    clues=(
        Clue(
            "schedule",
            2,
            both(under("lr_over_peak", 0.1), under("schedule_share_done", 0.5)),
            "the learning rate is down to {lr_over_peak:.1%} of its peak with {schedule_share_done:.0%} of the run "
            "done",
        ),
        Clue(
            "schedule",
            1,
            both(under("lr_over_peak", 0.01), at_least("lr_drops", 1)),
            "the learning rate is down to {lr_over_peak:.1%} of its peak",
        ),
        Clue(
            "gradient",
            1,
            both(under("lr_over_peak", 0.1), over("grad_norm_ratio", 0.5)),
            "the gradient is still {grad_norm_ratio:.0%} of its early size: there was more to learn",
        ),
        Clue(
            "schedule",
            2,
            under("lr_low_since", 0.25),
            "the learning rate fell below a tenth of its peak with {lr_low_since:.0%} of the run done, for good",
        ),
        Clue("schedule", -2, over("lr_over_peak", 0.5), "the learning rate is at {lr_over_peak:.0%} of its peak"),
        Clue(
            "end",
            -1,
            both(at_least("schedule_share_done", 0.9), Unless(under("lr_low_since", 0.25))),
            "the run is {schedule_share_done:.0%} done",
        ),
    ),
    check="Count calls of scheduler.step() in one epoch and compare with the unit of step_size or milestones.",
    remedy="Move scheduler.step() out of the batch loop, or multiply step_size by len(loader).",
    overturned_by="Held at its peak for 500 steps more, the loss stays where it is.",
)

SCHEDULE_NEEDS_DECAY: Final = CauseRecord(
    id="schedule_needs_decay",
    group="learning_rate",
    meaning="The loss hovers on a noise floor that a smaller learning rate would lower.",
    symptoms=("plateau",),
    prior=0.03,
    clues=(
        Clue("constant", 0.5, _FLAT_LR, "the learning rate has stayed at {lr_now:.2g} throughout"),
        Clue(
            "agreement",
            0.5,
            between("grad_agreement", -0.2, 0.1),
            "successive gradients have nothing in common (cosine {grad_agreement:.2f}): the steps are noise",
        ),
        Clue("learnt", 1, over("loss_drop_share", 0.3), "the loss fell by {loss_drop_share:.0%} before it flattened"),
        Clue("learnt", -2, under("loss_drop_share", 0.1), "the loss never fell, so this is no noise floor"),
        Clue("constant", -2, Seen("plateau_after_lr_drop"), "a lower learning rate was tried and did not help"),
        Clue("update", -1, Unless(_MODERATE_UPDATES), "updates are outside the usual range ({update_ratio:.1e})"),
    ),
    check="Drop to lr = {lr_third:.2g} for 200 steps: on a noise floor the loss falls at once by a visible step.",
    remedy="Decay it: ReduceLROnPlateau(optimizer, factor=0.3, patience=5), or cosine from {lr_now:.2g} to "
    "{lr_tenth:.2g}.",
    overturned_by="At lr = {lr_third:.2g} the level does not fall within 200 steps.",
)

LR_NOT_SCALED_TO_BATCH: Final = CauseRecord(
    id="lr_not_scaled_to_batch",
    group="learning_rate",
    meaning="The learning rate was set for another batch size or number of GPUs.",
    symptoms=("slow_descent", "divergence", "oscillation", "config_smell"),
    clues=(
        Clue(
            "recipe",
            1,
            over("lr_over_recipe", 4),
            "the LR is {lr_over_recipe:.1f} times torchvision's own at {batch_size:.0f} images per step",
        ),
        Clue("recipe", -1, between("lr_over_recipe", 0.25, 4), "the LR is near torchvision's own for this batch size"),
    ),
    tags=("lr/", "loss/", "grad/"),
    check="Divide lr by images per optimizer step over all ranks and compare with the recipe (SGD detectors: 0.02 / "
    "16).",
    remedy="lr = lr_recipe * (images_per_step / images_recipe) for SGD, with the square root of the ratio for "
    "AdamW: 0.02 at 16 images is 0.005 at 4.",
    overturned_by="The recipe was tuned at this very batch size.",
)

RESUME_STATE_LOST: Final = CauseRecord(
    id="resume_state_lost",
    group="learning_rate",
    meaning="Optimizer or schedule started afresh when the run was resumed.",
    symptoms=("config_smell", "spike", "divergence", "slow_descent"),
    proofs=(Proof(at_least("fresh_state", 1), "the optimizer began a step without the state that it had before"),),
    tags=("optim/fresh_state", "loss/", "grad/", "update/"),
    check="Compare lr and len(optimizer.state_dict()['state']) before saving and after loading: both must be the same.",
    remedy="Save and load all three: optimizer.load_state_dict(c['optimizer']), "
    "scheduler.load_state_dict(c['scheduler']) beside model.load_state_dict(c['model']).",
    overturned_by="The optimizer was exchanged on purpose at that step.",
)

CAUSES: Final = (
    LR_TOO_HIGH,
    LR_TOO_LOW,
    LR_ZERO,
    WARMUP_MISSING,
    WARMUP_NEVER_ENDS,
    SCHEDULE_TOO_FAST,
    SCHEDULE_NEEDS_DECAY,
    LR_NOT_SCALED_TO_BATCH,
    RESUME_STATE_LOST,
)
