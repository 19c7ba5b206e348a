"""Causes in the pixels and in the augmentation."""

from __future__ import annotations

from typing import Final

from dettui.diagnose.cause import STUCK, CauseRecord, Clue, Proof
from dettui.diagnose.conditions import Family, Seen, Unless, at_least, between, both, either, over, under

_INPUTS: Final = ("inputs/", "images/", "batch/")
_TORCHVISION: Final = Family("torchvision")
_RAW_PIXELS: Final = both(over("input_mean", 20), over("input_std", 20))
_TWICE: Final = both(under("input_min", -2.3), between("input_std", 2.5, 20))
_DIVIDED_TWICE: Final = both(between("input_mean", -2.4, -1.6), under("input_std", 0.2))
"""Ranges at the backbone's input: detection.md 2.4, measured on four torchvision detectors (0.2)."""

_NOT_BLACK: Final = Unless(over("images_constant_share", 0.5))

_ONLY_WIDER_IN_TRAINING: Final = Clue(
    "evaluation",
    -2,
    both(under("eval_std_ratio", 0.5), under("eval_means_apart", 0.5)),
    "evaluations receive the same mean and {eval_std_ratio:.2f} of the deviation: what scales all inputs does so there",
)

FILTERED: Final = either(over("roughness_ratio", 2.5), under("roughness_ratio", 0.25))
"""Noise, blur and the like change how rough inputs are; a scale and a shift do not.  Between the few lines of a small
batch and those of an evaluation it varies from 0.39 to 1.7 by itself."""

SMOOTHED: Final = both(
    under("roughness_ratio", 0.33), either(over("eval_means_apart", 1.0), over("eval_std_ratio", 2.5))
)
"""Smoother than chance makes a batch, and of another scale: a filter was at work, or a filter and a scale."""

INPUTS_NOT_NORMALISED: Final = CauseRecord(
    id="inputs_not_normalised",
    group="inputs",
    meaning="Pixels of 0 to 255, or with a large offset, reach the network.",
    symptoms=("bad_inputs", "divergence", "non_finite", "dead_units", "config_smell", *STUCK),
    prior=0.05,
    explains_away=("dead_relu", "init_too_large"),
    proofs=(
        Proof(
            both(_RAW_PIXELS, _TORCHVISION),
            "the backbone of {family} receives mean {input_mean:.1f} and standard deviation {input_std:.1f}; it is "
            "made for about 0 and 1",
        ),
    ),
    clues=(
        Clue("range", 2, _RAW_PIXELS, "the network receives mean {input_mean:.1f}, standard deviation {input_std:.1f}"),
        Clue("range", 1, over("input_max", 50), "the network receives values up to {input_max:.0f}"),
        _ONLY_WIDER_IN_TRAINING,
    ),
    tags=(*_INPUTS, "loss/", "grad/", "fit/"),
    check="Print images[0].min(), images[0].max() just before the model: torchvision detectors expect 0..1.",
    remedy="Convert once: image = torchvision.transforms.v2.functional.to_dtype(image, torch.float32, scale=True).",
    overturned_by="The first layer of the model rescales its input (a BatchNorm at the entrance, or x / 255 in "
    "forward).",
)

INPUTS_NORMALISED_TWICE: Final = CauseRecord(
    id="inputs_normalised_twice",
    group="inputs",
    meaning="Images are normalised, or divided by 255, before a model that does it itself.",
    symptoms=("bad_inputs", "gradient_vanishing", "collapse", "overfit", *STUCK),
    prior=0.05,
    explains_away=("vanishing_gradients", "labels_shuffled"),  # the first layer's gradient is as small as its inputs
    ruled_out=Seen("distribution_shift"),  # what came midway is no set-up
    proofs=(
        Proof(
            both(either(_TWICE, both(_DIVIDED_TWICE, _NOT_BLACK)), _TORCHVISION),
            "{family} normalises by itself, and its backbone receives mean {input_mean:.2f} and standard deviation "
            "{input_std:.2f}",
        ),
    ),
    clues=(
        Clue(
            "range",
            2,
            both(under("given_std", 0.02), under("given_size", 0.2), over("given_size", 0), _NOT_BLACK),
            "the network is given next to nothing: standard deviation {given_std:.1e}, at most {given_size:.1e}",
        ),
        Clue(
            "range",
            2,
            both(under("given_std", 0.02), under("given_span", 0.2), over("given_span", 0), _NOT_BLACK),
            "images arrive nearly of one colour: standard deviation {given_std:.1e} around {input_mean:.2f}",
        ),
        Clue("range", 2, _TWICE, "the network receives mean {input_mean:.2f}, standard deviation {input_std:.2f}"),
        Clue(
            "range",
            1,
            both(_DIVIDED_TWICE, _NOT_BLACK),
            "the network receives a nearly uniform image: mean {input_mean:.2f}, standard deviation {input_std:.2f}",
        ),
        _ONLY_WIDER_IN_TRAINING,
    ),
    tags=_INPUTS,
    check="Undo it on one image, image * std + mean, and view it: a picture that is right needs no second round.",
    remedy="Delete A.Normalize() from the training transform (or the second / 255): the model's "
    "GeneralizedRCNNTransform "
    "does it.",
    overturned_by="The model was built with image_mean=[0, 0, 0] and image_std=[1, 1, 1], so that it does nothing "
    "itself.",
)

INPUTS_CONSTANT: Final = CauseRecord(
    id="inputs_constant",
    group="inputs",
    meaning="Images arrive black or of one colour, because they could not be decoded or were overwritten.",
    symptoms=("bad_inputs", "collapse", *STUCK),
    prior=0.03,
    proofs=(
        Proof(
            over("images_constant_share", 0.02),
            "{images_constant_share:.0%} of the images have a single pixel value",
        ),
        Proof(both(over("steps", 0), under("input_std", 1e-6)), "the network's input has no variance"),
    ),
    clues=(
        Clue(
            "blank",
            2,
            both(between("blank_rows", 0.5, 0.98), Seen("not_learning")),  # of sparse inputs nearly all look blank
            "{blank_rows:.0%} of the inputs hold one and the same number each, and nothing is learnt of them",
        ),
    ),
    dominant=either(over("images_constant_share", 0.5), between("blank_rows", 0.5, 0.98), under("input_std", 1e-6)),
    explains_away=("labels_shuffled", "lr_too_high", "augmentation_too_strong"),
    tags=_INPUTS,
    check="Save one training image as it enters the model: torchvision.utils.save_image(images[0], 'seen.png').",
    remedy="Check what the reader returns: cv2.imread gives None for a missing file; raise instead of filling with "
    "zeros.",
    overturned_by="The saved image shows a picture: then it goes blank behind the point where it was saved.",
)

NON_FINITE_INPUTS: Final = CauseRecord(
    id="non_finite_inputs",
    group="inputs",
    meaning="An image holds a NaN or an infinity.",
    symptoms=("bad_inputs", "non_finite", "spike", "divergence"),
    prior=0.03,
    proofs=(Proof(over("images_nonfinite", 0), "{images_nonfinite:.0f} inputs held a NaN or an infinity"),),
    clues=(
        Clue(
            "calm",
            1.5,
            both(Seen("non_finite"), at_least("calm_before_non_finite", 1)),
            "loss and gradients were as usual up to the very step: what it was given made it, not the steps before",
        ),
    ),
    tags=(*_INPUTS, "loss/", "grad/", "weight/"),
    check="Assert torch.isfinite(image).all() at the end of __getitem__ and print the file that fails.",
    remedy="Guard the division that makes them: (x - mean) / std.clamp(min=1e-6), and drop unreadable files.",
    overturned_by="isfinite holds for every file of the dataset: then a transform makes the NaN.",
)

BOXES_NOT_TRANSFORMED: Final = CauseRecord(
    id="boxes_not_transformed",
    group="inputs",
    meaning="The image is flipped or moved by the augmentation and its boxes stay where they were.",
    symptoms=("bad_augmentation", "bad_targets", *STUCK, "oscillation"),
    prior=0.06,
    clues=(
        Clue(
            "mirror",
            2,
            over("mirror_wins_at_least", 0.54),
            "the mirrors of boxes stand out on the boxes' own images more often than chance ({mirror_wins:.0%}; chance "
            "is 50%)",
        ),
        Clue(
            "mirror",
            -2,
            under("mirror_wins_at_most", 0.58),
            "the mirrors of boxes stand out no more than by chance ({mirror_wins:.0%})",
        ),
    ),
    tags=("pairing/", "loss/", "grad/", "update/"),
    explains_away=("missing_annotations", "label_noise"),
    check="Draw boxes on ten augmented samples. On the flipped ones they sit on the wrong side.",
    remedy="Pass the boxes through the transform: A.Compose([...], bbox_params=A.BboxParams(format='pascal_voc', "
    "label_fields=['labels'])) and call it with bboxes=, labels=.",
    overturned_by="On ten flipped samples every box sits on its object.",
)

AUGMENTATION_DROPS_BOXES: Final = CauseRecord(
    id="augmentation_drops_boxes",
    group="inputs",
    meaning="Crops throw most boxes away or leave slivers of them.",
    symptoms=("bad_augmentation", "bad_targets"),
    clues=(
        Clue("slivers", 1, over("share_tiny", 0.1), "{share_tiny:.0%} of the boxes have a side of 2 px or less"),
        Clue("empty", 1, between("share_empty", 0.3, 0.95), "{share_empty:.0%} of the images arrive without a box"),
    ),
    tags=("targets/tiny", "targets/empty", "targets/boxes"),
    check="Count boxes before and after the transform over 100 images: under 70% left is too few.",
    remedy="A.AtLeastOneBBoxRandomCrop(height, width) in place of A.RandomCrop, with BboxParams(min_visibility=0.2).",
    overturned_by="Over 100 images at least 70% of the boxes survive the transform.",
)

AUGMENTATION_TOO_STRONG: Final = CauseRecord(
    id="augmentation_too_strong",
    group="inputs",
    meaning="The augmented image no longer shows what its label says.",
    symptoms=(
        "bad_augmentation",
        "bad_evaluation",
        "bad_targets",
        "overfit",
        "plateau",
        "slow_descent",
        "not_learning",
        "loss_floor",
    ),
    tags=("eval_batch/", "batch/", "fit/", "loss/", "eval/"),
    clues=(
        Clue(
            "gap",
            1,
            both(under("eval_loss_over_train", 0.8), Unless(over("dropout", 0.25))),
            "evaluations cost {eval_loss_over_train:.0%} of what training does, without dropout to explain it",
        ),
        Clue(
            "spread",
            1,
            both(under("eval_std_ratio", 0.85), under("eval_means_apart", 0.5), Unless(Seen("not_learning", "eval/"))),
            "inputs vary more in training than in evaluation (ratio {eval_std_ratio:.2f}), as under strong noise",
        ),
        Clue(
            "spread",
            2,
            both(under("eval_std_ratio", 0.5), under("eval_means_apart", 0.5)),
            "inputs vary far more in training than in evaluation (ratio {eval_std_ratio:.2f}), around the same mean",
        ),
        Clue(
            "filter",
            2,
            FILTERED,
            "inputs of training are {roughness_ratio:.2g} times as rough as those of evaluations: drowned in noise, or "
            "blurred",
        ),
        Clue(
            "filter",
            1.5,
            SMOOTHED,
            "inputs of training are {roughness_ratio:.2g} times as rough as those of evaluations: blurred, it seems",
        ),
        Clue(
            "gap",
            -1,
            both(over("eval_loss_over_train", 1.0), Unless(Seen("not_learning")), Unless(FILTERED)),
            "training costs no more than evaluations do",
        ),
    ),
    check="View 20 augmented crops without their labels: name the class. Where you cannot, neither can the model.",
    remedy="Halve the magnitudes and set p=0.3 for blur, noise and cut-out; A.GaussNoise(std_range=(0.02, 0.1)).",
    overturned_by="Training without augmentation for 300 steps comes to the same loss.",
)

AUGMENTATION_ARGUMENTS_IGNORED: Final = CauseRecord(
    id="augmentation_arguments_ignored",
    group="inputs",
    meaning="The augmentation library warned that it does not know an argument, and went on without it.",
    symptoms=("bad_augmentation", "config_smell"),
    prior=0.05,
    proofs=(Proof(Seen("bad_augmentation", "event/warning"), "the library said so in a warning"),),
    tags=("event/warning",),
    check="Build the transform under warnings.simplefilter('error'): the first unknown argument raises.",
    remedy="Use the names of the installed version, for example A.GaussNoise(std_range=(0.02, 0.1)) for "
    "var_limit=(10, 50).",
    overturned_by="The warning comes from a transform that this run does not use.",
)

CAUSES: Final = (
    INPUTS_NOT_NORMALISED,
    INPUTS_NORMALISED_TWICE,
    INPUTS_CONSTANT,
    NON_FINITE_INPUTS,
    BOXES_NOT_TRANSFORMED,
    AUGMENTATION_DROPS_BOXES,
    AUGMENTATION_TOO_STRONG,
    AUGMENTATION_ARGUMENTS_IGNORED,
)
