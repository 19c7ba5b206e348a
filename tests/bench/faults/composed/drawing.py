"""The examples of the zoo, drawn anew for every seed: which pictures, tables and texts there are is drawn as well."""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import torch
from bench.faults.composed.composition import Problem
from bench.faults.composed.detectors import SIDE as SCENE
from bench.faults.plan import Examples
from bench.faults.programs import common
from bench.faults.programs.detection import overlaps
from torch import Tensor
from torch.nn import functional

CHANNELS: Final = 3
SIDE: Final = 12
COLUMNS: Final = 12  # of a table
LENGTH: Final = 14  # of a text
WORDS: Final = 24  # of a text whose next token is told
GRATINGS: Final = 2  # every second composition of pictures is of gratings, the others of patterns


stamps = cache(common.stamps)


def finish(problem: Problem, x: Tensor) -> Tensor:
    """Pixels as the script feeds them: 0 to 1 as they are, or standardised."""
    low, high = x.quantile(0.001), x.quantile(0.999)
    return ((x - low) / (high - low)).clamp(0, 1) if problem.unit_inputs else (x - x.mean()) / x.std()


# --- pictures of one class, or of several labels ------------------------------------------------------------------


def class_pictures(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """One of the classes each: gratings of their direction, or smooth patterns that are shifted."""
    y = torch.randint(problem.classes, (count,), generator=draw)
    shown = _gratings(y, problem, draw) if problem.seed % GRATINGS else _patterns(problem, draw)[y]
    shown = _shifted(shown, draw, 2)
    colour = 0.6 + 0.8 * torch.rand(count, CHANNELS, 1, 1, generator=draw)
    return Examples(finish(problem, _noisy(problem, colour * shown, draw)), y)


def label_pictures(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """Any of the patterns at once."""
    y = (torch.rand(count, problem.classes, generator=draw) < 0.3).float()
    patterns = _patterns(problem, draw)
    shown = torch.einsum("nk,kchw->nchw", y, patterns)
    return Examples(finish(problem, _noisy(problem, _shifted(shown, draw, 1), draw)), y)


def _noisy(problem: Problem, x: Tensor, draw: torch.Generator) -> Tensor:
    return x + (0.3 + 0.9 * problem.noise) * torch.randn(x.shape, generator=draw)


def _patterns(problem: Problem, draw: torch.Generator) -> Tensor:
    """Smooth random ones of unit deviation; shape (classes, CHANNELS, SIDE, SIDE)."""
    coarse = torch.randn(problem.classes, CHANNELS, 5, 5, generator=draw)
    smooth = functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")
    return smooth / smooth.std(dim=(1, 2, 3), keepdim=True)


def _gratings(y: Tensor, problem: Problem, draw: torch.Generator) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    angle = (y + 0.4 * torch.rand(len(y), generator=draw) - 0.2) * math.pi / problem.classes
    pace = 0.7 + 0.6 * torch.rand(len(y), generator=draw)
    phase = 2 * math.pi * torch.rand(len(y), generator=draw)
    along = angle.cos()[:, None, None] * columns + angle.sin()[:, None, None] * rows
    return 1.4 * torch.sin(pace[:, None, None] * along + phase[:, None, None])[:, None]


def _shifted(x: Tensor, draw: torch.Generator, most: int) -> Tensor:
    """Each picture rolled by up to *most* pixels in both directions."""
    rows, columns = torch.randint(-most, most + 1, (2, len(x)), generator=draw).tolist()
    return torch.stack([part.roll((row, column), (1, 2)) for part, row, column in zip(x, rows, columns, strict=True)])


# --- pictures of things -------------------------------------------------------------------------------------------


def masked(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """Shapes of any class but 0, the ground; y (n, SIDE, SIDE) names the class of every pixel."""
    x = (0.2 + 0.4 * problem.noise) * torch.randn(count, CHANNELS, SIDE, SIDE, generator=draw)
    y = torch.zeros(count, SIDE, SIDE, dtype=torch.long)
    paint = torch.randn(problem.classes, CHANNELS, 1, generator=draw)
    for i in range(count):
        for _ in range(2):
            kind, size, top, left = _place(problem.classes - 1, 4, 8, SIDE, draw)
            mask = stamps(size)[kind % 6] > 0
            x[i, :, top : top + size, left : left + size][:, mask] += paint[1 + kind]
            y[i, top : top + size, left : left + size][mask] = 1 + kind
    return Examples(finish(problem, x), y)


def spoilt(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """Pictures with noise, y without: sums of a few patterns."""
    basis = functional.interpolate(torch.randn(12, 1, 5, 5, generator=draw), size=(SIDE, SIDE), mode="bicubic")
    y = torch.einsum("nk,kchw->nchw", torch.randn(count, 12, generator=draw) / 3, basis)
    y = y / y.std()
    x = y + (0.4 + 0.6 * problem.noise) * torch.randn(y.shape, generator=draw)
    if not problem.unit_inputs:
        return Examples(x, y)
    return Examples((0.5 + x / 8).clamp(0, 1), (0.5 + y / 8).clamp(0, 1))


def single_boxes(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """One bright shape each; y (n, 4) its corners xyxy as shares of the picture."""
    x = (0.15 + 0.35 * problem.noise) * torch.randn(count, CHANNELS, SIDE, SIDE, generator=draw)
    y = torch.zeros(count, 4)
    for i in range(count):
        kind, size, top, left = _place(6, 4, 9, SIDE, draw)
        x[i, :, top : top + size, left : left + size] += stamps(size)[kind] * (
            0.8 + 0.6 * torch.rand(CHANNELS, 1, 1, generator=draw)
        )
        y[i] = torch.tensor([left, top, left + size, top + size]) / SIDE
    return Examples(finish(problem, x), y)


def scenes(problem: Problem, draw: torch.Generator, count: int, first_label: int = 0) -> Examples:
    """Pictures of 0 to 1 with one to three shapes; boxes xyxy in pixels, class ids from *first_label* on."""
    grain = 0.03 + 0.09 * problem.noise
    ground = 0.25 + 0.25 * torch.rand(count, CHANNELS, 1, 1, generator=draw)
    x = ground + grain * torch.randn(count, CHANNELS, SCENE, SCENE, generator=draw)
    targets = [_furnish(problem, image, draw, first_label) for image in x]
    x = x.clamp(0, 1)
    standardised = problem.task == "grid" and not problem.unit_inputs
    return Examples((x - x.mean()) / x.std() if standardised else x, targets)


def _furnish(problem: Problem, image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        kind, size, top, left = _place(problem.classes, 11, 22, SCENE, draw)
        box = [left, top, left + size, top + size]
        if overlaps(box, boxes):
            continue
        colour = 0.6 + 0.4 * torch.rand(CHANNELS, 1, generator=draw)
        image[:, top : top + size, left : left + size][:, stamps(size)[kind] > 0] = colour
        boxes.append(box)
        labels.append(first_label + kind)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _place(kinds: int, least: int, beyond: int, side: int, draw: torch.Generator) -> tuple[int, int, int, int]:
    """Kind, size, top and left of a thing."""
    kind = int(torch.randint(kinds, (1,), generator=draw))
    size = int(torch.randint(least, beyond, (1,), generator=draw))
    top, left = torch.randint(side - size + 1, (2,), generator=draw).tolist()
    return kind, size, top, left


# --- tables -------------------------------------------------------------------------------------------------------


def _columns(problem: Problem, draw: torch.Generator, count: int) -> Tensor:
    """Some of them correlated, some skewed; standardised, or of 0 to 1."""
    x = torch.randn(count, COLUMNS, generator=draw)
    x = x @ (torch.eye(COLUMNS) + 0.3 * torch.randn(COLUMNS, COLUMNS, generator=draw))
    x[:, ::4] = x[:, ::4].exp().clamp(max=12.0)
    if problem.unit_inputs:
        return (x - x.amin(0)) / (x.amax(0) - x.amin(0))
    return (x - x.mean(0)) / x.std(0)


def class_table(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """Classes are those whose middle is nearest, two middles a class, behind some noise."""
    x = _columns(problem, draw, count)
    signals = (x - x.mean(0)) / x.std(0) @ torch.randn(COLUMNS, 4, generator=draw) / 2
    middles = torch.randn(2 * problem.classes, 4, generator=draw)
    blurred = signals + 0.4 * problem.noise * torch.randn(signals.shape, generator=draw)
    return Examples(x, torch.cdist(blurred, middles).argmin(1) % problem.classes)


def value_table(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """A smooth function of a few columns, with noise; y (n, 1) standardised."""
    x = _columns(problem, draw, count)
    signals = (x - x.mean(0)) / x.std(0) @ torch.randn(COLUMNS, 3, generator=draw) / 3
    y = signals[:, 0] + torch.sin(2 * signals[:, 1]) + 0.5 * signals[:, 2] * signals[:, 0]
    y = y / y.std() + 0.6 * problem.noise * torch.randn(count, generator=draw)
    return Examples(x, ((y - y.mean()) / y.std())[:, None])


# --- texts --------------------------------------------------------------------------------------------------------


def tokens_of(problem: Problem) -> int:
    """Size of the vocabulary; token 0 stands for an unknown word."""
    return 1 + WORDS if problem.task == "next_token" else 1 + 6 * problem.classes


def tags_of(problem: Problem) -> int:
    """Number of answers for each token."""
    return tokens_of(problem) if problem.task == "next_token" else problem.classes


def tagged(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """The tag of a word is its own, moved on by one behind a word of the first kind; a few tags are wrong."""
    x = torch.randint(1, tokens_of(problem), (count, LENGTH), generator=draw)
    own = (x - 1) % problem.classes
    before = torch.cat([torch.ones(count, 1, dtype=torch.long), own[:, :-1]], 1)
    y = (own + (before == 0).long()) % problem.classes
    wrong = torch.rand(x.shape, generator=draw) < 0.15 * problem.noise
    return Examples(x, torch.where(wrong, torch.randint(problem.classes, x.shape, generator=draw), y))


def texts(problem: Problem, draw: torch.Generator, count: int) -> Examples:
    """A Markov chain of words, each followed by one of a few others; y is x moved on by one."""
    odds = torch.randn(WORDS, WORDS, generator=draw) * (3.0 - 1.2 * problem.noise)
    chain = odds.softmax(1)
    words = torch.randint(WORDS, (count, 1), generator=draw)
    for _ in range(LENGTH):
        words = torch.cat([words, torch.multinomial(chain[words[:, -1]], 1, generator=draw)], 1)
    return Examples(1 + words[:, :-1], 1 + words[:, 1:])
