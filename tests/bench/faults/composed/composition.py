"""What one training of the zoo is made of, drawn from its seed alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

IMAGE_NETS: Final = ("mlp", "cnn", "cnn_bn", "cnn_gn", "cnn_ln", "residual", "depthwise", "vit")
MAP_NETS: Final = ("cnn", "cnn_bn", "cnn_gn", "residual", "depthwise")
TABLE_NETS: Final = ("mlp", "mlp_bn", "mlp_ln", "residual_mlp")
TOKEN_NETS: Final = ("gru", "lstm", "conv1d", "transformer")

NETS: Final[Mapping[str, tuple[str, ...]]] = {
    "images": IMAGE_NETS,
    "multi_label": IMAGE_NETS,
    "table_classes": TABLE_NETS,
    "table_values": TABLE_NETS,
    "tagging": TOKEN_NETS,
    "next_token": TOKEN_NETS,
    "segmentation": ("unet", "cnn", "cnn_bn", "cnn_gn", "residual"),
    "denoising": ("unet", "mlp", "cnn", "cnn_bn", "cnn_gn"),
    "box": ("cnn", "cnn_bn", "cnn_gn", "residual", "depthwise", "vit"),
    "grid": MAP_NETS,
    "one_stage": ("retinanet", "fcos", "ssd"),
    "two_stage": ("faster_rcnn",),
}
"""The networks of every task."""
DETECTORS: Final = ("one_stage", "two_stage")
"""Tasks whose network is torchvision's."""
WITH_CLASSES: Final = ("images", "table_classes", "tagging", "next_token", "segmentation")
"""Tasks whose loss is a cross-entropy."""

ACTIVATIONS: Final = ("relu", "gelu", "silu", "tanh")
OPTIMIZERS: Final = ("sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam")
SCHEDULES: Final = (
    "constant", "cosine", "warmup_cosine", "step", "one_cycle", "exponential", "plateau", "linear",
)  # fmt: skip
TELLINGS: Final = ("logged", "watched", "launched")
"""The script logs its evaluations; it only calls ``watch``; it has no line of the probe."""
GROUPS: Final = ("one", "no_decay", "slow_body")
"""Parameter groups: all in one; norms and biases without decay; the body at a third of the head's LR."""

LR: Final[Mapping[str, Mapping[str, float]]] = {
    "plain": {"sgd": 0.03, "adam": 2e-3, "rmsprop": 1e-3, "adagrad": 0.02},
    "normed": {"sgd": 0.08, "adam": 3e-3, "rmsprop": 1.5e-3, "adagrad": 0.03},
    "attention": {"sgd": 0.04, "adam": 1.5e-3, "rmsprop": 7e-4, "adagrad": 0.015},
    "recurrent": {"sgd": 0.3, "adam": 5e-3, "rmsprop": 2.5e-3, "adagrad": 0.05},
    "detector": {"sgd": 0.02, "adam": 2e-3, "rmsprop": 7e-4, "adagrad": 0.015},
}
"""A sensible learning rate at batches of 32, by what the network is; AdamW and NAdam take Adam's."""
LR_FACTOR: Final = 2.5  # the learning rate is drawn within this factor of the sensible one
USUAL_BATCH: Final = 32
MOST_PASSES: Final = 1000  # of a run, backward: what takes some seconds
REFERENCE_BATCH: Final = 16
LEAST_BATCHES: Final = 4  # of an epoch
LEAST_EXAMPLES: Final = 100
MOST_EXAMPLES: Final = 5000
MOST_SCENES: Final = 800  # pictures with several things: larger, and slow to draw


@dataclass(frozen=True)
class Problem:
    """What is to be learnt, and with which network: what a run shares with its reference."""

    task: str
    seed: int
    examples: int
    classes: int
    imbalance: float  # of the most frequent class over the rarest
    noise: float  # 0 to 1: how hard
    net: str
    width: float  # a share of the network's own
    depth: int  # layers more than the network's own
    activation: str
    steps: int
    unit_inputs: bool  # pixels of 0 to 1 as they are, or standardised


@dataclass(frozen=True)
class Habits:
    """How it is trained."""

    optimizer: str = "adam"
    lr: float = 0.0  # at its peak
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "warmup_cosine"
    weight_decay: float = 0.0
    groups: str = "one"
    batch: int = USUAL_BATCH
    accumulate: int = 1
    clip: float | None = None
    dropout: float = 0.0
    label_smoothing: float = 0.0
    augmentation: str = "none"
    ema: bool = False
    frozen: bool = False
    evaluates: bool = True  # each epoch; or never


@dataclass(frozen=True)
class Composition:
    """One training of the zoo."""

    problem: Problem
    habits: Habits
    telling: str
    budget: float  # of the probe
    log_every: int  # steps, of a script that logs

    @property
    def seed(self) -> int:
        """From which all of it is drawn."""
        return self.problem.seed


def compose(seed: int) -> Composition:
    """The training number *seed*."""
    draw = Random(f"zoo {seed}")
    problem = _problem(seed, draw)
    telling = draw.choice(TELLINGS)
    budget = draw.choice((0.25, 0.25, 0.01))  # two of three as if their steps were long
    return Composition(problem, _habits(problem, draw), telling, budget, draw.choice((1, 10, 25)))


def reference_habits(problem: Problem) -> Habits:
    """The default recipe: Adam at the sensible learning rate, warm-up and cosine, and nothing else."""
    batch = min(_batch_of(problem), REFERENCE_BATCH)
    return Habits(lr=sensible_lr(problem, "adam", batch), batch=batch)


def sensible_lr(problem: Problem, optimizer: str, batch: int) -> float:
    """Of the table, scaled by the root of the batch."""
    rates = LR[nature_of(problem)]
    return rates.get(optimizer, rates["adam"]) * math.sqrt(batch / _batch_of(problem))


def nature_of(problem: Problem) -> str:
    """The row of a network in the table of learning rates."""
    if problem.task in DETECTORS:
        return "detector"
    if problem.net in ("vit", "transformer"):
        return "attention"
    if problem.net in ("gru", "lstm"):
        return "recurrent"
    return "plain" if problem.net in ("mlp", "cnn", "conv1d") else "normed"


def _batch_of(problem: Problem) -> int:
    return 4 if problem.task in DETECTORS else USUAL_BATCH


def _problem(seed: int, draw: Random) -> Problem:
    task = draw.choice(tuple(NETS))
    heavy = task in DETECTORS
    most = MOST_SCENES if heavy or task == "grid" else MOST_EXAMPLES
    return Problem(
        task=task,
        seed=seed,
        examples=round(_log_uniform(draw, LEAST_EXAMPLES, most)),
        classes=draw.randint(2, 4) if most == MOST_SCENES else draw.randint(3, 10),
        imbalance=draw.choice((1.0, 1.0, 2.0, 4.0)),
        noise=draw.random(),
        net=draw.choice(NETS[task]),
        width=draw.choice((0.5, 0.75, 1.0, 1.5)),
        depth=draw.randint(0, 2),
        activation=draw.choice(("relu", *ACTIVATIONS)),
        steps=draw.randint(200, 300 if heavy else 500),
        unit_inputs=draw.random() < 0.25,
    )


def _habits(problem: Problem, draw: Random) -> Habits:
    optimizer = draw.choice(("sgd", *OPTIMIZERS))
    batch = _draw_batch(problem, draw)
    accumulate = _draw_accumulation(problem, batch, draw)
    share = _log_uniform(draw, 1 / LR_FACTOR, LR_FACTOR)
    clips = (1.0, 1.0, 5.0, None) if nature_of(problem) in ("recurrent", "attention") else (None, None, 1.0, 5.0)
    return Habits(
        optimizer=optimizer,
        lr=share * sensible_lr(problem, optimizer, batch * accumulate),
        momentum=draw.choice((0.8, 0.9, 0.9, 0.95)),
        nesterov=draw.random() < 0.4,
        schedule=draw.choice(SCHEDULES),
        weight_decay=draw.choice(_decays(optimizer)),
        groups=draw.choice(("one", *GROUPS)),
        batch=batch,
        accumulate=accumulate,
        clip=draw.choice(clips),
        dropout=draw.choice((0.0, 0.0, 0.1, 0.3)),
        label_smoothing=draw.choice((0.0, 0.0, 0.05, 0.1)) if problem.task in WITH_CLASSES else 0.0,
        augmentation=draw.choice(("none", *augmentations_of(problem.task))),
        ema=draw.random() < 0.2,
        frozen=draw.random() < 0.15,
        evaluates=draw.random() < 0.75,
    )


def _draw_batch(problem: Problem, draw: Random) -> int:
    sizes = (4, 6, 8) if problem.task in DETECTORS else (4, 8, 16, 16, 32, 64)
    return draw.choice([size for size in sizes if size * LEAST_BATCHES <= problem.examples])


def _draw_accumulation(problem: Problem, batch: int, draw: Random) -> int:
    """Backward passes a step, as many as a small batch and a short run leave time for."""
    most = MOST_PASSES // (2 if problem.task in DETECTORS else 1)
    wanted = draw.choice((1, 1, 1, 2, 2, 4))
    return wanted if wanted * batch <= 64 and wanted * problem.steps <= most else 1


def _decays(optimizer: str) -> tuple[float, ...]:
    return {"sgd": (0.0, 1e-4, 5e-4), "adamw": (0.01, 0.05)}.get(optimizer, (0.0, 0.0, 1e-5))


def augmentations_of(task: str) -> tuple[str, ...]:
    """What may be done to the examples of *task* without changing what they are."""
    if task in ("images", "table_classes"):
        return ("none", "noise", "mixup", "erase") if task == "images" else ("none", "noise", "mixup")
    if task in ("segmentation", "grid", "box", *DETECTORS):
        return ("none", "noise", "flip")
    return ("none", "drop_tokens") if task in ("tagging", "next_token") else ("none", "noise")


def _log_uniform(draw: Random, low: float, high: float) -> float:
    return math.exp(draw.uniform(math.log(low), math.log(high)))
