"""The script of every training of the zoo: what a user would write, with torch's own optimizers and schedulers."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import torch
from bench.faults.composed.augmenting import augmented
from bench.faults.composed.changes import Changes, Gradients
from bench.faults.composed.composition import DETECTORS, Composition, Habits, Problem
from bench.faults.composed.tasks import held_out_loss, loss_of, network_of, score_of, sets_of
from bench.faults.plan import Examples, Sets
from torch import Tensor, nn, optim
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from dettui_probe import Run

SNAPSHOTS: Final = 8  # of a run, for the held-out loss behind it
LEAST_APART: Final = 20  # steps between evaluations: an epoch of a few batches is not evaluated each time
EMA_DECAY: Final = 0.97
PRETRAINING: Final = 150  # steps
SIBLING: Final = 600_000  # added to a seed: other data of the same kind
HEAD_SHARE: Final = 3.0  # LR of the head over that of the body, where they differ

State = dict[str, Tensor]


@dataclass
class Trained:
    """What a training leaves behind."""

    losses: list[float] = field(default_factory=list)  # of every optimizer step
    snapshots: list[tuple[int, State]] = field(default_factory=list)  # of what is evaluated, and where
    scores: list[float] = field(default_factory=list)  # that the script was told, where it evaluates


class Rows(Dataset[Any]):
    """Examples one by one."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> tuple[Tensor, Any]:
        return self.examples.x[row], self.examples.y[row]


def _collated(batch: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, Any]:
    x, y = zip(*batch, strict=True)
    return torch.stack(x), list(y) if isinstance(y[0], dict) else torch.stack(y)


# --- optimizer and schedule ---------------------------------------------------------------------------------------


def make_optimizer(habits: Habits, network: nn.Module) -> optim.Optimizer:
    """Over what is not frozen."""
    groups = parameter_groups(habits, network)
    if habits.optimizer == "sgd":
        return optim.SGD(
            groups, habits.lr, momentum=habits.momentum, weight_decay=habits.weight_decay, nesterov=habits.nesterov
        )
    kinds = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop, "adagrad": optim.Adagrad,
             "nadam": optim.NAdam}  # fmt: skip
    optimizer: optim.Optimizer = kinds[habits.optimizer](groups, habits.lr, weight_decay=habits.weight_decay)
    return optimizer


def parameter_groups(habits: Habits, network: nn.Module) -> list[dict[str, Any]]:
    """All in one; weights apart from what does not decay; or the body at a lower LR than the head."""
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    if habits.groups == "no_decay":
        chosen, own = [p for _, p in named if p.dim() <= 1], {"weight_decay": 0.0}
    elif habits.groups == "slow_body":
        chosen, own = [p for name, p in named if name.startswith(("body", "backbone"))], {"lr": habits.lr / HEAD_SHARE}
    else:
        chosen, own = [], {}
    taken = {id(parameter) for parameter in chosen}
    groups = [{"params": [p for _, p in named if id(p) not in taken]}, {"params": chosen, **own}]
    return [group for group in groups if group["params"]]


def make_scheduler(habits: Habits, optimizer: optim.Optimizer, steps: int) -> Any:
    """Stepped after every optimizer step; the one on a plateau after every epoch.  None: a constant LR."""
    peaks = [group["lr"] for group in optimizer.param_groups]
    cycles = habits.optimizer in ("sgd", "adam", "adamw", "nadam")
    warmup = steps // 10
    made: dict[str, Callable[[], Any]] = {
        "constant": lambda: None,
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, steps),
        "warmup_cosine": lambda: lr_scheduler.SequentialLR(
            optimizer,
            [
                lr_scheduler.LinearLR(optimizer, 0.05, total_iters=warmup),
                lr_scheduler.CosineAnnealingLR(optimizer, steps - warmup),
            ],
            [warmup],
        ),
        "step": lambda: lr_scheduler.StepLR(optimizer, math.ceil(steps / 3), 0.3),
        "one_cycle": lambda: lr_scheduler.OneCycleLR(
            optimizer, [1.5 * peak for peak in peaks], steps, cycle_momentum=cycles
        ),
        "exponential": lambda: lr_scheduler.ExponentialLR(optimizer, 0.05 ** (1 / steps)),
        "plateau": lambda: lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=3),
        "linear": lambda: lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=steps),
    }
    return made[habits.schedule]()


def freeze(network: nn.Module) -> None:
    """The first half of the body, as whoever fine-tunes does."""
    body = getattr(network, "backbone", getattr(network, "body", network))
    parameters = list(body.parameters())
    for parameter in parameters[: max(len(parameters) // 2, 1)]:
        parameter.requires_grad_(False)


# --- the training -------------------------------------------------------------------------------------------------


def changed_sets(problem: Problem, changes: Changes) -> Sets:
    """The data as the script has them."""
    sets = sets_of(problem)
    for change in changes.on_sets:
        sets = change(sets)
    return sets


class Training:
    """A composition on its way, with or without a run that hears of it, and with *changes* where a mistake is made."""

    def __init__(
        self,
        problem: Problem,
        habits: Habits,
        pretrained: State | None = None,
        changes: Changes | None = None,
    ) -> None:
        changes = Changes() if changes is None else changes
        seed = problem.seed + changes.other_seed
        torch.manual_seed(seed)
        self.problem, self.habits, self.changes = problem, habits, changes
        self.sets = changed_sets(problem, changes)
        self.network = network_of(problem, habits)
        if pretrained is not None:
            self.network.load_state_dict(pretrained)
        if habits.frozen:
            freeze(self.network)
        for change in changes.on_network:
            change(self.network)
        self.optimizer = make_optimizer(habits, self.network)
        for change_optimizer in changes.on_optimizer:
            change_optimizer(self.optimizer, self.network)
        self.scheduler = self._scheduler()
        self.average = _average(self.network) if habits.ema else None
        self.draw = torch.Generator().manual_seed(seed + 1)
        self.loader = DataLoader(
            Rows(self.sets.training),
            habits.batch,
            shuffle=changes.shuffles,
            drop_last=True,
            collate_fn=_collated,
            generator=torch.Generator().manual_seed(seed),
        )
        if not len(self.loader):
            raise ValueError(f"{len(self.sets.training)} examples make no batch of {habits.batch}")
        self.trained = Trained()

    def _scheduler(self) -> Any:
        if self.changes.scheduler is not None:
            return self.changes.scheduler(self.optimizer, self.problem.steps)
        return make_scheduler(self.habits, self.optimizer, self.problem.steps)

    @property
    def evaluated(self) -> nn.Module:
        """The network, or its moving average."""
        return self.network if self.average is None else self.average.module

    @property
    def epoch_steps(self) -> int:
        """Optimizer steps of an epoch."""
        return max(len(self.loader) // self.habits.accumulate, 1)

    def run(self, tell: Callable[[int, dict[str, float]], None] = lambda step, values: None) -> Trained:
        """Train to the end; *tell* hears of losses and evaluations."""
        steps, batches = self.problem.steps, self._batches()
        rests = max(self.epoch_steps, LEAST_APART * self.habits.accumulate)
        self._keep(0)
        self.changes.to_training(self.network)
        for step in range(1, steps + 1):
            self._step(step, batches)
            tell(step, {"train/loss": self.trained.losses[-1]})
            if step % rests == 0 or step == steps:
                self._end_epoch(step, rests, tell)
            if step % max(steps // SNAPSHOTS, 1) == 0 or step == steps:
                self._keep(step)
        return self.trained

    def _batches(self) -> Iterator[tuple[Tensor, Any]]:
        for _ in itertools.count():
            yield from self.loader

    def _step(self, step: int, batches: Iterator[tuple[Tensor, Any]]) -> None:
        habits, changes, total = self.habits, self.changes, 0.0
        time.sleep(0)  # as a loader with workers does: lets other threads have the interpreter
        if changes.zeroes_at(step):
            self.optimizer.zero_grad()
        for _ in range(habits.accumulate):
            loss = self._batch_loss(step, *next(batches))
            (loss / habits.accumulate if changes.divides else loss).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach()) / habits.accumulate
        for look in changes.on_gradients:
            look(Gradients(step, self.network, self.optimizer))
        if habits.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), habits.clip)
        self.optimizer.step()
        if self.scheduler is not None and habits.schedule != "plateau":
            self.scheduler.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.trained.losses.append(total)

    def _batch_loss(self, step: int, x: Tensor, y: Any) -> Tensor:
        for change in self.changes.on_batch:
            x, y = change(step, x, y)
        loss = self._loss(*augmented(self.problem, self.habits, x, y, self.draw))
        for change_loss in self.changes.on_loss:
            loss = change_loss(loss)
        return loss

    def _loss(self, x: Tensor, y: Any, other: Any, share: float) -> Tensor:
        """Of a batch, or of one that was mixed with the targets of an *other*."""
        smoothing = self.habits.label_smoothing
        if self.problem.task in DETECTORS or other is None:
            return loss_of(self.problem, self.network, x, y, smoothing)
        answers = self.network(x)
        first, second = (
            nn.functional.cross_entropy(answers, targets, label_smoothing=smoothing) for targets in (y, other)
        )
        return share * first + (1 - share) * second

    def _end_epoch(self, step: int, steps: int, tell: Callable[[int, dict[str, float]], None]) -> None:
        loss = sum(self.trained.losses[-steps:]) / len(self.trained.losses[-steps:])
        if self.habits.evaluates:
            mode = self.changes.evaluates_in_training_mode
            scores = score_of(self.problem, self.evaluated, self.sets.evaluation, training_mode=mode)
            self.trained.scores.append(next(iter(scores.values())))
            if self.problem.task not in DETECTORS:
                loss = held_out_loss(self.problem, self.evaluated, self.sets.evaluation, training_mode=mode)
                scores = {**scores, "loss": loss}
            tell(step, {f"val/{name}": value for name, value in scores.items()})
            self.changes.to_training(self.network)
        if self.habits.schedule == "plateau":
            self.scheduler.step(loss)

    def _keep(self, step: int) -> None:
        self.trained.snapshots.append((step, copy.deepcopy(self.evaluated.state_dict())))


def _average(network: nn.Module) -> AveragedModel:
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)


def pretrained(problem: Problem, dropout: float, steps: int = PRETRAINING) -> State:
    """Weights from an earlier training on a like problem whose data are others."""
    torch.manual_seed(problem.seed + 2)
    network = network_of(problem, Habits(dropout=dropout))
    untouched = copy.deepcopy(network.state_dict())
    optimizer = optim.Adam(network.parameters(), 2e-3)
    examples = sets_of(replace(problem, seed=problem.seed + SIBLING)).training
    for _ in range(steps):
        batch = examples.at(torch.randint(len(examples), (8,)))
        optimizer.zero_grad()
        loss_of(problem, network, batch.x, batch.y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learnt = network.state_dict()
    return {name: untouched[name] if name.startswith("head.") else value for name, value in learnt.items()}


def watched(training: Training, composition: Composition) -> Callable[[int, dict[str, float]], None]:
    """Call ``watch`` where the script of *composition* does; what is to be told to the run, as often as it logs."""
    if composition.telling == "launched":
        return lambda step, values: None
    import dettui_probe as probe

    run = probe.watch(training.network, training.optimizer, budget=composition.budget, **_said(training, composition))
    return _logger(run, composition)


def _said(training: Training, composition: Composition) -> dict[str, Any]:
    if composition.telling != "logged":
        return {}
    return {"total_steps": composition.problem.steps, "steps_per_epoch": training.epoch_steps}


def _logger(run: Run, composition: Composition) -> Callable[[int, dict[str, float]], None]:
    def tell(step: int, values: dict[str, float]) -> None:
        if composition.telling == "logged" and (step % composition.log_every == 0 or "train/loss" not in values):
            run.log(step, values)

    return tell
