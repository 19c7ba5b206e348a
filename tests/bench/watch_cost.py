"""What ``watch`` costs a step: ABBA blocks of watched and bare steps in one process, medians.

    BENCH_SECONDS=60 python tests/bench/watch_cost.py [detector resnet18 transformer mlp]

Beside it ``wandb.watch(log="gradients")`` with its default interval and with ``log_freq=1``, where wandb is installed.
One torch thread, no GPU needed.  A block's cost is its mean step; a quadruple's cost is watched / bare - 1; the table
shows the median over quadruples and the middle half of them.

The probe measures the first steps of a run in full, from an allowance that it spends once.  So its *start* (every
watched step until the first thinning, against as many bare ones) and its *steady state* after it are two figures:
the one is seconds a run, the other a share of every step.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Step = Callable[[], None]
WARM_UP_STEPS = 4
START_BLOCK = 8
START_AT_MOST_S = 110.0


class Subject(NamedTuple):
    """A model with one training step of it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: Step


def _classifying(model: nn.Module, inputs: Tensor, classes: int) -> Subject:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    labels = torch.arange(len(inputs)) % classes

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return Subject(model, optimizer, step)


def mlp() -> Subject:
    """0.66 M parameters, 22 tensors."""
    widths = [256] * 11
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return _classifying(nn.Sequential(*layers, nn.Linear(256, 10)), torch.randn(256, 256), 10)


def resnet18() -> Subject:
    """11.2 M parameters, 62 tensors, batch 16 x 3 x 64 x 64."""
    from torchvision.models import resnet18 as build

    return _classifying(build(num_classes=10), torch.randn(16, 3, 64, 64), 10)


class _Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, 256)
        layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
        self.head = nn.Linear(256, 1000)

    def forward(self, tokens: Tensor) -> Tensor:
        scores: Tensor = self.head(self.encoder(self.embedding(tokens)).mean(dim=1))
        return scores


def transformer() -> Subject:
    """10 M parameters, about 150 tensors, batch 8 x 64 tokens."""
    return _classifying(_Transformer(), torch.randint(0, 1000, (8, 64)), 1000)


def detector() -> Subject:
    """Faster R-CNN over a tiny backbone, batch 4 x 3 x 128 x 128: about 100 ms a step on a free core."""
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    widths = [3, 16, 32, 64]
    convs = [nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths)]
    body = nn.Sequential(*(part for conv in convs for part in (conv, nn.ReLU())))
    body.out_channels = widths[-1]  # type: ignore[assignment]
    model = FasterRCNN(
        body,
        num_classes=4,
        min_size=128,
        max_size=128,
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=50,
        box_batch_size_per_image=32,
        rpn_anchor_generator=AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 5, 2),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images = [torch.rand(3, 128, 128) for _ in range(4)]
    boxes = torch.tensor([[10.0, 10, 50, 60], [60, 60, 110, 120], [20, 70, 50, 110]])
    targets = [{"boxes": boxes, "labels": torch.tensor([1, 2, 3])} for _ in images]

    def step() -> None:
        optimizer.zero_grad()
        sum(model(images, targets).values()).backward()  # type: ignore[union-attr]
        optimizer.step()

    return Subject(model, optimizer, step)


def block(step: Step, steps: int) -> float:
    """Median seconds of a step."""
    times = []
    for _ in range(steps):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


class Cost(NamedTuple):
    """Seconds a step."""

    wall_s: float
    cpu_s: float  # of all threads of the process; what other processes do to the machine is not in it


def mean_block(step: Step, steps: int) -> Cost:
    """Mean cost of a step: thinned measurements are in it as often as they happen."""
    started, started_cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return Cost((time.perf_counter() - started) / steps, (time.process_time() - started_cpu) / steps)


class Watching(NamedTuple):
    """A watched subject: whether its start is over, and how to stop."""

    is_settled: Callable[[], bool]
    stop: Callable[[], None]


def pairs(make: Callable[[], Subject], turn_on: Callable[[Subject], Watching], seconds: float) -> list[Cost]:
    """Extra cost of watched blocks over bare ones, as shares, for as many ABBA quadruples as *seconds* allow.

    Two subjects of the same make, one watched for good, one never: hooks need no going on and off.
    """
    plain, watched = make(), make()
    watching = turn_on(watched)
    step_s = block(plain.step, WARM_UP_STEPS)
    block(watched.step, WARM_UP_STEPS)
    start(plain.step, watched.step, watching)
    steps = max(4, int(0.5 / step_s))
    costs = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(costs) < 4:
        first, second = mean_block(plain.step, steps), mean_block(watched.step, steps)
        third, fourth = mean_block(watched.step, steps), mean_block(plain.step, steps)
        ratios = [(b + c) / (a + d) - 1 for a, b, c, d in zip(first, second, third, fourth, strict=True)]
        costs.append(Cost(*ratios))
    watching.stop()
    return costs


def start(plain: Step, watched: Step, watching: Watching) -> None:
    """Step both until the start is over, and print what it cost."""
    steps, bare, extra, begun = 0, Cost(0.0, 0.0), Cost(0.0, 0.0), time.perf_counter()
    while not watching.is_settled() and time.perf_counter() - begun < START_AT_MOST_S:
        one, other = mean_block(plain, START_BLOCK), mean_block(watched, START_BLOCK)
        steps += START_BLOCK
        bare = Cost(*(a + START_BLOCK * b for a, b in zip(bare, one, strict=True)))
        extra = Cost(*(a + START_BLOCK * (c - b) for a, b, c in zip(extra, one, other, strict=True)))
    if steps:
        end = "" if watching.is_settled() else ", and not over yet"
        print(
            f"    start: {steps} steps, {extra.wall_s:+.2f} s wall ({extra.wall_s / bare.wall_s:+.1%}), "
            f"{extra.cpu_s:+.2f} s cpu ({extra.cpu_s / bare.cpu_s:+.1%}){end}"
        )


def turn_on_nothing(subject: Subject) -> Watching:
    """Leave *subject* alone."""
    return Watching(lambda: True, lambda: None)


def turn_on_probe(subject: Subject) -> Watching:
    """Watch *subject*."""
    import dettui_probe

    run = dettui_probe.watch(subject.model, subject.optimizer)

    def stop() -> None:
        print(f"    the probe's own account: {run.recorder.overhead:.2%}, thinned {dict(run.recorder.thinned)}")
        run.finish()

    return Watching(lambda: bool(run.recorder.thinned), stop)


def turn_on_wandb(log_freq: int) -> Callable[[Subject], Watching]:
    """``wandb.watch(log="gradients")``, offline."""

    def turn_on(subject: Subject) -> Watching:
        import wandb

        run = wandb.init(mode="offline", dir=tempfile.mkdtemp(), settings=wandb.Settings(silent=True))
        run.watch(subject.model, log="gradients", log_freq=log_freq)
        return Watching(lambda: True, run.finish)

    return turn_on


def row(name: str, what: str, costs: list[Cost]) -> str:
    """One line of the table: median and middle half of the extra wall time, and of the extra processor time."""
    columns = []
    for shares in zip(*costs, strict=True):
        low, middle, high = statistics.quantiles(shares, n=4)
        columns.append(f"{middle:+8.2%} [{low:+7.2%}, {high:+7.2%}]")
    return f"{name:12} {what:26} wall {columns[0]}   cpu {columns[1]}   n={len(costs)}"


def main() -> None:
    """Print the table."""
    home = tempfile.mkdtemp(prefix="dt")
    os.environ.setdefault("DETTUI_HOME", home)
    os.environ.setdefault("DETTUI_RUNS", home)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    subjects = {"detector": detector, "resnet18": resnet18, "transformer": transformer, "mlp": mlp}
    chosen = sys.argv[1:] or list(subjects)
    seconds = float(os.environ.get("BENCH_SECONDS", "20"))
    for name in chosen:
        make = subjects[name]
        step_s = block(make().step, WARM_UP_STEPS)
        print(f"{name}: {step_s * 1e3:.1f} ms a step, {make.__doc__}")
        print(row(name, "nothing (the noise)", pairs(make, turn_on_nothing, seconds / 2)))
        print(row(name, "dettui_probe.watch, steady", pairs(make, turn_on_probe, seconds)))
        if _has_wandb():
            print(row(name, "wandb.watch", pairs(make, turn_on_wandb(1000), seconds / 2)))
            print(row(name, "wandb.watch(log_freq=1)", pairs(make, turn_on_wandb(1), seconds / 2)))


def _has_wandb() -> bool:
    import importlib.util

    return importlib.util.find_spec("wandb") is not None


if __name__ == "__main__":
    main()
