"""What each symptom means, in one paragraph."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SYMPTOM_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "plateau": "The loss no longer falls: with 99% confidence less was gained over the last window than would "
        "matter. This is an equivalence test, so a noisy curve that may still be falling is not called flat.",
        "plateau_after_lr_drop": "The loss stayed flat although the learning rate was lowered by a factor of 3 or "
        "more. "
        "Step size is then not what holds it; data, labels, assignment or the model are.",
        "not_learning": "The loss never left its starting level: less than 3% was gained since the first steps. Runs "
        "that do this are almost always broken, not slow.",
        "slow_descent": "The loss falls, but so slowly that it will not get far by the planned end.",
        "oscillation": "The loss swings in a pattern that noise does not make: it alternates from step to step, or has "
        "a significant period.",
        "spike": "The loss jumped far above what its recent course predicts and stayed up for several steps. Single "
        "hard batches, which are back within three steps, are not counted.",
        "divergence": "The loss has risen lastingly above its best level, by more than noise explains.",
        "non_finite": "A loss, gradient or weight became NaN or infinite. What became so first tells where it began.",
        "overfit": "The evaluation worsened from its best by more than its noise while the training loss kept falling.",
        "loss_floor": "The loss sits on a level that theory predicts for a model that ignores its input, or for a loss "
        "that is applied wrongly.",
        "gradient_exploding": "Gradients grew far beyond their earlier size, or grow from layer to layer.",
        "gradient_vanishing": "Gradients reach the early layers a thousand times weaker than the late ones.",
        "dead_units": "The gradient of whole tensors is exactly zero, step after step.",
        "update_too_large": "A step moves the weights by more than a few percent of their norm; 1e-4 to 1e-2 is usual.",
        "update_too_small": "A step moves the weights by less than about 1e-5 of their norm: training would take "
        "forever.",
        "no_update": "The optimizer steps and leaves parameters exactly as they were.",
        "imbalance": "Some classes occur far more often than others in the targets that reach the model.",
        "class_unseen": "A class for which the head has an output did not occur so far, although chance would have "
        "brought it.",
        "bad_targets": "Boxes or labels, as the model receives them, break the contract of the model: no area, outside "
        "the image, in another format or scale, illegal class ids, unequal lengths, or none at all.",
        "bad_inputs": "Pixels, as the network receives them, are outside the range that it is made for, constant or "
        "not finite.",
        "bad_augmentation": "The augmentation separates images from their boxes, loses boxes, or ignores arguments.",
        "bad_evaluation": "The evaluation itself cannot be trusted: it does not reward right answers.",
        "collapse": "The model gives the same prediction for every input.",
        "batch_order": "Batches are not a random sample: class counts vary more than chance allows, or repeat each "
        "epoch.",
        "distribution_shift": "Inputs or targets changed their statistics at one step, while learning rate and updates "
        "did not.",
        "amp_overflow": "The loss scale of mixed precision keeps falling and optimizer steps are skipped.",
        "input_bound": "Steps wait for data longer than they compute.",
        "slow_step": "Steps take longer and longer than earlier in the same run.",
        "hang": "The process lives and no step has completed for many times the usual duration.",
        "memory_growth": "Memory grows steadily from step to step.",
        "rank_desync": "Parameters differ between the ranks of one job.",
        "straggler": "One rank is later than the others, step after step.",
        "config_smell": "The set-up holds something that is seldom meant: parameters that no optimizer holds, a "
        "learning rate far from its schedule, a model in evaluation mode.",
    }
)
"""Kind -> paragraph, for every kind of finding."""
