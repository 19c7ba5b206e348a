"""How often do the rules cry wolf?  ``python tests/bench/silence.py [runs] [seed]`` trains that many small networks
that learn (default 72; torch, one thread, a few seconds each) and reports every warning raised on them.

Programs x optimizers x schedules x batch sizes are drawn with the seed.  Each run sends what a probe would send of
the loss, LR, gradients and updates; evaluation every 20 steps, with the lifecycle in between.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from scenarios.build import Setting, run_messages
from scenarios.play import Played, play

from dettui_probe import tags

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Program:
    """A network, its data and its loss."""

    name: str
    model: Callable[[], nn.Module]
    batches: Callable[[torch.Generator, int], Iterator[Batch]]
    loss: Callable[[Tensor, Tensor], Tensor]
    family: str | None = None
    classes: int | None = None


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    optimizer: str
    lr: float
    schedule: str
    batch: int
    steps: int


# --- programs: synthetic data that can be learnt ------------------------------------------------------------------


def blobs(generator: torch.Generator, size: int, noise: float = 1.0, classes: int = 10) -> Iterator[Batch]:
    """Gaussian clusters in 20 dimensions; more noise, more overlap."""
    centres = torch.randn(classes, 20, generator=generator)
    while True:
        y = torch.randint(classes, (size,), generator=generator)
        yield centres[y] + noise * torch.randn(size, 20, generator=generator), y


def overlapping_blobs(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """A task whose floor is well above zero."""
    return blobs(generator, size, noise=2.0)


def easy_blobs(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """A task whose loss goes to nothing."""
    return blobs(generator, size, noise=0.2)


def long_tailed(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """Classes in proportion 1, 1/2, 1/4, ..."""
    centres = torch.randn(6, 20, generator=generator)
    odds = 0.5 ** torch.arange(6)
    while True:
        y = torch.multinomial(odds, size, replacement=True, generator=generator)
        yield centres[y] + 0.8 * torch.randn(size, 20, generator=generator), y


def small_set(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """512 fixed points, shuffled anew each epoch, with a last batch that may be small."""
    source = blobs(generator, 512)
    x, y = next(source)
    while True:
        for part in torch.randperm(512, generator=generator).split(size):
            yield x[part], y[part]


def shapes(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """16 x 16 images with a bright square, bar or cross somewhere."""
    stamps = torch.zeros(3, 5, 5)
    stamps[0], stamps[1][2], stamps[2][2], stamps[2][:, 2] = 1.0, 1.0, 1.0, 1.0
    while True:
        y = torch.randint(3, (size,), generator=generator)
        x = 0.3 * torch.randn(size, 1, 16, 16, generator=generator)
        at = torch.randint(11, (size, 2), generator=generator)
        for i in range(size):
            x[i, 0, at[i, 0] : at[i, 0] + 5, at[i, 1] : at[i, 1] + 5] += stamps[y[i]]
        yield x, y


def located_shapes(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """The same images; target: class and position, as a detector would have."""
    stamps = torch.zeros(3, 5, 5)
    stamps[0], stamps[1][2], stamps[2][2], stamps[2][:, 2] = 1.0, 1.0, 1.0, 1.0
    while True:
        y = torch.randint(3, (size,), generator=generator)
        x = 0.3 * torch.randn(size, 1, 16, 16, generator=generator)
        at = torch.randint(11, (size, 2), generator=generator)
        for i in range(size):
            x[i, 0, at[i, 0] : at[i, 0] + 5, at[i, 1] : at[i, 1] + 5] += stamps[y[i]]
        yield x, torch.cat([y[:, None].float(), at / 11.0], dim=1)


def waves(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """Regression of a sine surface with noise."""
    while True:
        x = 4 * torch.rand(size, 2, generator=generator) - 2
        y = torch.sin(2 * x[:, :1]) * x[:, 1:] + 0.1 * torch.randn(size, 1, generator=generator)
        yield x, y


def characters(generator: torch.Generator, size: int) -> Iterator[Batch]:
    """Strings of a second-order Markov chain over 12 letters."""
    odds = torch.softmax(2.5 * torch.randn(144, 12, generator=generator), dim=1)
    state = torch.randint(12, (size, 2), generator=generator)
    while True:
        text = [state[:, 0], state[:, 1]]
        for _ in range(16):
            text.append(torch.multinomial(odds[text[-2] * 12 + text[-1]], 1, generator=generator)[:, 0])
        whole = torch.stack(text, dim=1)
        state = whole[:, -2:]
        yield whole[:, :-1], whole[:, 1:]


class CharModel(nn.Module):
    """Embedding, GRU, head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body, self.head = nn.Embedding(12, 24), nn.GRU(24, 48, batch_first=True), nn.Linear(48, 12)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embed(x))[0])  # type: ignore[no-any-return]


class Attention(nn.Module):
    """One transformer block over the characters."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(12, 32), nn.Parameter(0.02 * torch.randn(17, 32))
        self.block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True, norm_first=True)
        self.head = nn.Linear(32, 12)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.head(self.block(self.embed(x) + self.place[: x.shape[1]], src_mask=mask, is_causal=True))  # type: ignore[no-any-return]


def mlp(outputs: int = 10, inputs: int = 20, dropout: float = 0.0) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs)
    )


def cnn(outputs: int = 3, norm: bool = False) -> nn.Module:
    norms = (nn.BatchNorm2d(8), nn.BatchNorm2d(16)) if norm else (nn.Identity(), nn.Identity())
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), norms[0], nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), norms[1], nn.ReLU(), nn.Flatten(),
        nn.Linear(256, outputs),
    )  # fmt: skip


def characters_loss(out: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(out.flatten(0, 1), y.flatten())


def detector_loss(out: Tensor, y: Tensor) -> Tensor:
    """Class and position, as a detector adds its terms."""
    return nn.functional.cross_entropy(out[:, :3], y[:, 0].long()) + nn.functional.smooth_l1_loss(out[:, 3:], y[:, 1:])


CROSS_ENTROPY = nn.functional.cross_entropy
PROGRAMS = (
    Program("mlp", mlp, blobs, CROSS_ENTROPY, "classification", 10),
    Program("mlp_overlap", mlp, overlapping_blobs, CROSS_ENTROPY, "classification", 10),
    Program("mlp_easy", mlp, easy_blobs, CROSS_ENTROPY),
    Program("mlp_dropout", lambda: mlp(dropout=0.5), blobs, CROSS_ENTROPY),
    Program("mlp_long_tail", lambda: mlp(6), long_tailed, CROSS_ENTROPY),
    Program("mlp_small_set", mlp, small_set, CROSS_ENTROPY),
    Program("cnn", cnn, shapes, CROSS_ENTROPY, "classification", 3),
    Program("cnn_bn", lambda: cnn(norm=True), shapes, CROSS_ENTROPY),
    Program("detector", lambda: cnn(5, norm=True), located_shapes, detector_loss),
    Program("regression", lambda: mlp(1, 2), waves, nn.functional.mse_loss),
    Program("char_gru", CharModel, characters, characters_loss),
    Program("char_attention", Attention, characters, characters_loss),
)
LRS = {"sgd": (0.02, 0.1), "adam": (1e-3, 3e-3), "adamw": (1e-3, 3e-3)}
SCHEDULES = ("constant", "cosine", "step", "one_cycle", "plateau", "restarts")


def recipes(count: int, seed: int) -> Iterator[tuple[Program, Recipe]]:
    """Every program in turn, each with a drawn recipe."""
    draw = random.Random(seed)
    for i in range(count):
        optimizer = draw.choice(sorted(LRS))
        yield (
            PROGRAMS[i % len(PROGRAMS)],
            Recipe(
                optimizer=optimizer,
                lr=draw.choice(LRS[optimizer]),
                schedule=draw.choice(SCHEDULES),
                batch=draw.choice((4, 16, 64)),
                steps=draw.choice((500, 900, 1500)),
            ),
        )


# --- training and recording -----------------------------------------------------------------------------------


def make_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """As the recipe says; SGD with the usual momentum."""
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), recipe.lr, momentum=0.9, weight_decay=1e-4)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(model.parameters(), recipe.lr)


def lr_factor(recipe: Recipe, step: int) -> float:
    """LR over its peak for the schedules that are a function of the step."""
    done = step / recipe.steps
    if recipe.schedule == "cosine":
        return min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * done))
    if recipe.schedule == "step":
        return 0.1 ** ((done >= 0.5) + (done >= 0.8))
    if recipe.schedule == "one_cycle":
        rise = 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * min(done / 0.3, 1.0)))
        return rise if done < 0.3 else 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7)) + 1e-5
    if recipe.schedule == "restarts":
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * ((3 * done) % 1)))
    return 1.0


def train(program: Program, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """The series of one run, shape (steps,) each."""
    torch.manual_seed(seed)
    model = program.model()
    optimizer = make_optimizer(recipe, model)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=100, factor=0.1)
    generator = torch.Generator().manual_seed(seed)
    data = program.batches(generator, recipe.batch)
    rows: dict[str, list[float]] = {}
    before: Tensor | None = None
    for step in range(recipe.steps):
        if recipe.schedule != "plateau":
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * lr_factor(recipe, step)
        x, y = next(data)
        loss = program.loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        weights = [p.detach().clone() for p in model.parameters()]
        optimizer.step()
        if recipe.schedule == "plateau":
            plateau.step(loss.item())
        row = measured(model, weights, gradient, before)
        before = gradient
        for tag, value in {tags.LOSS_TOTAL: loss.item(), tags.LR + "0": optimizer.param_groups[0]["lr"], **row}.items():
            rows.setdefault(tag, []).append(value)
    return {tag: np.array(values) for tag, values in rows.items()}


def measured(model: nn.Module, weights: list[Tensor], gradient: Tensor, before: Tensor | None) -> dict[str, float]:
    """What the probe measures of one step."""
    pairs = list(zip(weights, model.parameters(), strict=True))
    ratios = [float((new.detach() - old).norm() / old.norm()) for old, new in pairs if float(old.norm()) > 0]
    same = [bool(torch.equal(new, old)) for old, new in pairs]
    agreement = 0.0 if before is None else float(nn.functional.cosine_similarity(gradient, before, dim=0))
    return {
        tags.GRAD_NORM: float(gradient.norm()),
        tags.GRAD_AGREEMENT: agreement,
        tags.UPDATE_RATIO: float(np.median(ratios)) if ratios else float("nan"),
        tags.UPDATE_UNCHANGED: float(np.mean(same)),
        tags.GRAD_ZERO: float((gradient == 0).float().mean()),
        tags.WEIGHT_NORM: float(torch.cat([w.flatten() for w in weights]).norm()),
    }


def learnt(loss: np.ndarray) -> bool:
    """True where the run is healthy by its outcome: finite throughout, and down by a fifth or more at its end."""
    return bool(np.isfinite(loss).all() and np.median(loss[-50:]) < 0.8 * np.median(loss[:10]))


def judge(program: Program, recipe: Recipe, seed: int) -> Played | None:
    """Train, then let the rules watch; None where the run did not learn, so that nothing can be said of silence."""
    series = train(program, recipe, seed)
    if not learnt(series[tags.LOSS_TOTAL]):
        return None
    setting = Setting(family=program.family, num_classes=program.classes, background=None, total_steps=recipe.steps)
    return play(run_messages(recipe.steps, setting=setting, **series))


def main() -> None:
    """Trains, watches, and prints one line for each run that raised anything."""
    count, seed = (int(sys.argv[1]) if len(sys.argv) > 1 else 72), (int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    torch.set_num_threads(1)
    warned: Counter[str] = Counter()
    news: Counter[str] = Counter()
    healthy = loud = 0
    for i, (program, recipe) in enumerate(recipes(count, seed)):
        played = judge(program, recipe, 1000 * seed + i)
        if played is None:
            print(f"{i:3} {program.name} {recipe}\n    did not learn: left out", flush=True)
            continue
        healthy += 1
        kinds = played.kinds()
        loud += bool(kinds)
        warned.update(kinds)
        news.update(played.kinds(info=True) - kinds)
        for finding in played.findings:
            if finding.severity != "info":
                proof = "; ".join(e.text for e in finding.evidence)
                print(
                    f"{i:3} {program.name} {recipe}\n    {finding.kind} at {finding.raised_at_step}: {proof}",
                    flush=True,
                )
    print(f"\n{loud} of {healthy} healthy runs raised a warning {dict(warned)}; news only: {dict(news)}")


if __name__ == "__main__":
    main()
