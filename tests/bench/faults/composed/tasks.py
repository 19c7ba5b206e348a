"""The tasks of the zoo: what is to be learnt, by which loss, and what a network without inputs could guess at best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from bench.faults.composed import drawing
from bench.faults.composed.composition import DETECTORS, Habits, Problem
from bench.faults.composed.detectors import BACKGROUND_FIRST, answers, detector
from bench.faults.composed.grid import grid_answers, grid_loss
from bench.faults.composed.networks import Net as TwoParts
from bench.faults.composed.networks import map_net, mlp_parts, picture_net, pixel_net, style_of, token_net
from bench.faults.plan import Examples, Sets
from bench.faults.programs.detection import mean_average_precision
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert, generalized_box_iou_loss

EVALUATED: Final = 100
HIDDEN: Final = 200
GUESS_STEPS: Final = 100


@dataclass(frozen=True)
class Task:
    """A kind of problem."""

    data: Callable[[Problem, torch.Generator, int], Examples]
    network: Callable[[Problem, float], nn.Module]  # the second one is the dropout
    criterion: Callable[[Problem, Any, Any, float], Tensor]  # outputs, targets, label smoothing
    score: Callable[[Problem, nn.Module, Examples], Mapping[str, float]]
    guess: Callable[[Problem], tuple[int, ...]] | None  # shape of an answer that is the same for all inputs


def sets_of(problem: Problem) -> Sets:
    """What is trained on, what the script evaluates on, and what only the bench looks at."""
    world = torch.Generator().manual_seed(1000 * problem.seed + 7)
    task = TASKS[problem.task]
    detects = problem.task in (*DETECTORS, "grid")
    counts = (problem.examples, EVALUATED // (4 if detects else 1), HIDDEN // (3 if detects else 1))
    every = task.data(problem, world, sum(counts))
    first, second, third = torch.arange(sum(counts)).split(counts)
    return Sets(every.at(_thinned(problem, first, every.y, world)), every.at(second), every.at(third))


def _thinned(problem: Problem, rows: Tensor, y: Any, draw: torch.Generator) -> Tensor:
    """Those of *rows* that are kept where the classes are imbalanced, mildly and in every task of single classes."""
    if problem.imbalance == 1.0 or problem.task not in ("images", "table_classes"):
        return rows
    share = problem.imbalance ** (-torch.arange(problem.classes) / (problem.classes - 1))
    return rows[torch.rand(len(rows), generator=draw) < share[y[rows]]]


def network_of(problem: Problem, habits: Habits) -> nn.Module:
    """Fresh, from torch's own random state."""
    return TASKS[problem.task].network(problem, habits.dropout)


def loss_of(problem: Problem, network: nn.Module, x: Tensor, y: Any, smoothing: float = 0.0) -> Tensor:
    """Of a batch."""
    if problem.task in DETECTORS:
        terms: dict[str, Tensor] = network(list(x), y)
        return torch.stack(list(terms.values())).sum()
    return TASKS[problem.task].criterion(problem, network(x), y, smoothing)


@torch.no_grad()
def held_out_loss(problem: Problem, network: nn.Module, examples: Examples, *, training_mode: bool = False) -> float:
    """Mean over *examples*, as the script evaluates it: in eval mode but for torchvision's detectors, whose loss is
    told in training mode alone."""
    network.train(training_mode or problem.task in DETECTORS)
    rows = torch.arange(len(examples)).split(32)
    parts = [examples.at(part) for part in rows]
    losses = [float(loss_of(problem, network, part.x, part.y)) * len(part) for part in parts]
    return sum(losses) / len(examples)


@torch.no_grad()
def score_of(
    problem: Problem, network: nn.Module, examples: Examples, *, training_mode: bool = False
) -> Mapping[str, float]:
    """Measures, in eval mode as a rule; the first one is to be high."""
    network.train(training_mode)
    return TASKS[problem.task].score(problem, network, examples)


def best_guess(problem: Problem, sets: Sets) -> float | None:
    """The held-out loss of the best answer that looks at no input, fitted to the training set; None for torchvision's
    detectors, whose loss is their own: there a guess finds nothing, and its mAP is 0."""
    task = TASKS[problem.task]
    if task.guess is None:
        return None
    answer = torch.zeros(task.guess(problem), requires_grad=True)
    optimizer = torch.optim.Adam([answer], 0.2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, GUESS_STEPS)
    known = sets.training.at(range(min(len(sets.training), 300)))
    for _ in range(GUESS_STEPS):
        optimizer.zero_grad()
        task.criterion(problem, _repeated(answer, known), known.y, 0.0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return float(task.criterion(problem, _repeated(answer, sets.hidden), sets.hidden.y, 0.0))


def _repeated(answer: Tensor, examples: Examples) -> Tensor:
    return answer.expand(len(examples), *answer.shape[1:])


# --- losses and measures ------------------------------------------------------------------------------------------


def cross_entropy(problem: Problem, outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Of classes in the second place of *outputs*, or in the last one of sequences (n, length, classes)."""
    outputs = outputs.flatten(0, 1) if y.dim() == 2 else outputs
    return functional.cross_entropy(outputs, y.flatten() if y.dim() == 2 else y, label_smoothing=smoothing)


def binary(problem: Problem, outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Of several labels an example."""
    return functional.binary_cross_entropy_with_logits(outputs, y)


def squared(problem: Problem, outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Mean squared error; Huber's in every third composition."""
    return functional.smooth_l1_loss(outputs, y) if problem.seed % 3 == 0 else functional.mse_loss(outputs, y)


def box_distance(problem: Problem, outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Smooth L1 of corners as shares of the picture, or with GIoU beside it."""
    found = corners(problem, outputs)
    distance = functional.smooth_l1_loss(found, y, beta=0.1)
    return distance if problem.seed % 2 else distance + generalized_box_iou_loss(found, y, reduction="mean")


def corners(problem: Problem, outputs: Tensor) -> Tensor:
    """Of boxes that a network answers as corners, or as middle and extent behind a sigmoid; (n, 4) xyxy."""
    return outputs if problem.seed % 2 else box_convert(outputs.sigmoid(), "cxcywh", "xyxy")


def accuracy(problem: Problem, network: nn.Module, examples: Examples) -> dict[str, float]:
    """Of classes, wherever they stand."""
    outputs = network(examples.x)
    found = outputs.argmax(-1 if examples.y.dim() == 2 else 1)
    return {"accuracy": float((found == examples.y).float().mean())}


def label_accuracy(problem: Problem, network: nn.Module, examples: Examples) -> dict[str, float]:
    """Share of labels that are right."""
    return {"accuracy": float(((network(examples.x) > 0) == (examples.y > 0.5)).float().mean())}


def explained(problem: Problem, network: nn.Module, examples: Examples) -> dict[str, float]:
    """R squared, at least -1."""
    rest = (network(examples.x) - examples.y).square().mean()
    return {"r2": max(float(1 - rest / examples.y.var()), -1.0)}


def overlap(problem: Problem, network: nn.Module, examples: Examples) -> dict[str, float]:
    """Mean IoU of single boxes."""
    found, wanted = corners(problem, network(examples.x)), examples.y
    shared = (torch.minimum(found[:, 2:], wanted[:, 2:]) - torch.maximum(found[:, :2], wanted[:, :2])).clamp(min=0)
    both = shared.prod(1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) for boxes in (found, wanted)]
    return {"iou": float((both / (areas[0] + areas[1] - both).clamp(min=1e-6)).mean())}


def grid_precision(problem: Problem, network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5."""
    found = [answer for part in examples.x.split(32) for answer in grid_answers(network(part))]
    return {"mAP50": mean_average_precision(found, examples.y)}


def detector_precision(problem: Problem, network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5."""
    return {"mAP50": mean_average_precision(answers(network, examples.x), examples.y)}


# --- networks and data --------------------------------------------------------------------------------------------


def _pictures(problem: Problem, dropout: float) -> nn.Module:
    return picture_net(problem, style_of(problem, dropout), drawing.CHANNELS, drawing.SIDE, problem.classes)


def _table(out: int | None) -> Callable[[Problem, float], nn.Module]:
    def build(problem: Problem, dropout: float) -> nn.Module:
        count = problem.classes if out is None else out
        return TwoParts(*mlp_parts(drawing.COLUMNS, count, style_of(problem, dropout), net=problem.net))

    return build


def _tokens(problem: Problem, dropout: float) -> nn.Module:
    style = style_of(problem, dropout)
    return token_net(problem, style, drawing.tokens_of(problem), drawing.LENGTH, drawing.tags_of(problem))


def _detection(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    return drawing.scenes(problem, draw, count, first_label=int(problem.net in BACKGROUND_FIRST))


def _classes(problem: Problem) -> tuple[int, ...]:
    return (1, problem.classes)


TASKS: Final[Mapping[str, Task]] = {
    "images": Task(drawing.class_pictures, _pictures, cross_entropy, accuracy, _classes),
    "multi_label": Task(drawing.label_pictures, _pictures, binary, label_accuracy, _classes),
    "table_classes": Task(drawing.class_table, _table(None), cross_entropy, accuracy, _classes),
    "table_values": Task(drawing.value_table, _table(1), squared, explained, lambda _: (1, 1)),
    "tagging": Task(drawing.tagged, _tokens, cross_entropy, accuracy, lambda p: (1, drawing.LENGTH, p.classes)),
    "next_token": Task(
        drawing.texts, _tokens, cross_entropy, accuracy, lambda p: (1, drawing.LENGTH, drawing.tags_of(p))
    ),
    "segmentation": Task(
        drawing.masked,
        lambda p, dropout: pixel_net(p, style_of(p, dropout), drawing.CHANNELS, drawing.SIDE, p.classes),
        cross_entropy,
        accuracy,
        lambda p: (1, p.classes, drawing.SIDE, drawing.SIDE),
    ),
    "denoising": Task(
        drawing.spoilt,
        lambda p, dropout: pixel_net(p, style_of(p, dropout), 1, drawing.SIDE, 1),
        squared,
        explained,
        lambda _: (1, 1, drawing.SIDE, drawing.SIDE),
    ),
    "box": Task(
        drawing.single_boxes,
        lambda p, dropout: picture_net(p, style_of(p, dropout), drawing.CHANNELS, drawing.SIDE, 4),
        box_distance,
        overlap,
        lambda _: (1, 4),
    ),
    "grid": Task(
        drawing.scenes,
        lambda p, dropout: map_net(p, style_of(p, dropout), drawing.CHANNELS, 5 + p.classes),
        lambda problem, outputs, y, smoothing: grid_loss(outputs, y),
        grid_precision,
        lambda p: (1, 5 + p.classes, drawing.SCENE // 8, drawing.SCENE // 8),
    ),
    **{
        name: Task(
            _detection,
            lambda p, dropout: detector(p, style_of(p, dropout)),
            lambda problem, outputs, y, smoothing: outputs,
            detector_precision,
            None,
        )
        for name in DETECTORS
    },
}
"""By name."""
