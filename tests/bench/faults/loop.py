"""The training loop of every program of the bench: what a user would write, with a name for each place in it."""

from __future__ import annotations

import copy
import itertools
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import torch
from bench.faults.plan import Examples, Gradients, Plan, Sets
from bench.faults.recipe import make_optimizer, make_scheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

if TYPE_CHECKING:
    from dettui_probe import Run


LONGEST_SAVE_S: Final = 30.0


@dataclass
class Outcome:
    """How a training ended; what decides whether a fault did harm."""

    score: float  # the last one that the script saw
    best: float  # of those it saw
    hidden: float  # on examples that nobody trained on, prepared as the program means them to be
    first_loss: float
    last_loss: float
    seconds_per_step: float
    grown_mib: float  # resident memory, from a tenth of the run to its end
    steps: int
    error: str = ""


class Training:
    """One plan on its way.  ``run`` trains under the probe."""

    def __init__(self, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.recipe = plan, plan.recipe
        clean = plan.program.data(plan.seed)
        self.hidden = clean.hidden
        self.sets = clean
        for change in plan.on_sets:
            self.sets = change(self.sets)
        self.model = plan.program.model(plan.shape)
        if plan.pretrain:
            self._pretrain(clean)
        for change_model in plan.on_model:
            self.model = change_model(self.model)
        self.optimizer = make_optimizer(self.recipe, self.model.parameters())
        for change_optimizer in plan.on_optimizer:
            self.optimizer = change_optimizer(self.optimizer, self.model)
        self.scheduler = make_scheduler(self.recipe, self.optimizer)
        self.scaler = None if plan.amp is None else torch.amp.GradScaler("cpu", **plan.amp)
        self.order = torch.Generator().manual_seed(plan.seed)
        self.losses: list[float] = []
        self.scores: list[float] = []

    def _pretrain(self, sets: Sets) -> None:
        """Before the recorded run, as whoever published the weights did."""
        optimizer = torch.optim.AdamW(self.model.parameters(), 2e-3)
        loss_of = self.plan.program.loss
        for _ in range(self.plan.pretrain):
            batch = sets.training.at(torch.randint(len(sets.training), (self.recipe.batch,)))
            optimizer.zero_grad()
            loss_of(self.model, batch.x, batch.y).backward()
            optimizer.step()

    # --- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Train to the end, or to the exception that the fault provokes."""
        self.watched, error, started = self._watch(), "", time.perf_counter()
        warm_mib = 0.0
        batches = self._batches()
        for step in range(1, self.recipe.steps + 1):
            try:
                self._step(step, batches)
            except (ArithmeticError, AssertionError, IndexError, RuntimeError, TypeError, ValueError) as raised:
                self.watched.end("exception", 1, f"{type(raised).__name__}: {raised}")  # as the interpreter would
                error = f"{type(raised).__name__}: {raised}"[:200]
                break
            if step == self.recipe.steps // 10:
                warm_mib = _resident_mib()
            if step % max(self.recipe.steps // self.recipe.evaluations, 1) == 0 or step == self.recipe.steps:
                self._evaluate(step)
            if step == self.plan.restart_at:
                self.watched = self._restart(self.watched)
        seconds = (time.perf_counter() - started) / max(len(self.losses), 1)
        save_checkpoint(self.watched)
        self.watched.finish()
        return self._outcome(seconds, _resident_mib() - warm_mib, error)

    def _watch(self) -> Run:
        import dettui_probe as probe

        recipe, program = self.recipe, self.plan.program
        return probe.watch(
            self.model,
            self.optimizer,
            class_names=program.class_names,
            total_steps=recipe.steps,
            steps_per_epoch=max(len(self.sets.training) // recipe.batch // recipe.accumulate, 1),
            config={key: value for key, value in asdict(recipe).items() if isinstance(value, int | float | str)},
            budget=self.plan.budget,
        )

    def _step(self, step: int, batches: Iterator[Examples]) -> None:
        plan, recipe = self.plan, self.recipe
        time.sleep(0)  # as a loader with workers does: lets other threads have the interpreter
        plan.training_mode(self.model, step)
        for _ in range(recipe.accumulate):
            batch = next(batches)
            x, y = batch.x, batch.y
            for change in plan.on_batch:
                x, y = change(step, x, y)
            loss = (plan.loss or plan.program.loss)(self.model, x, y)
            for change_loss in plan.on_loss:
                loss = change_loss(step, loss, self.model)
            self.losses.append(float(loss.detach()))
            self._backward(loss / recipe.accumulate if recipe.divide else loss)
        for look in plan.on_gradients:
            look(Gradients(step, self.model, self.optimizer))
        if recipe.clip is not None:
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        if plan.steps_at(step):
            self._optimizer_step()
        if plan.zeroes_at(step):
            self.optimizer.zero_grad()
        if not isinstance(self.scheduler, ReduceLROnPlateau) and plan.schedules_at(step):
            self.scheduler.step()

    def _backward(self, loss: Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def _optimizer_step(self) -> None:
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def _batches(self) -> Iterator[Examples]:
        """Batches without end; every pass over the training set is announced as an epoch."""
        training, size = self.sets.training, self.recipe.batch
        for epoch in itertools.count(1):
            self.watched.event("epoch", f"epoch {epoch}")
            rows = torch.randperm(len(training), generator=self.order) if self.recipe.shuffle else None
            rows = torch.arange(len(training)) if rows is None else rows
            for change in self.plan.on_order:
                rows = change(rows, training)
            whole = max(len(rows) // size, 1)
            for part in rows[: whole * size].split(size):
                yield training.at(part)

    def _evaluate(self, step: int) -> None:
        self.model.eval()
        self.plan.prepare_evaluation(self.model)
        with suppress(AssertionError, IndexError, RuntimeError, ValueError), torch.no_grad():
            scores = self.plan.program.scores(self.model, self.sets.evaluation)
            self.scores.append(next(iter(scores.values())))
            self.watched.log(step, **{f"eval/{name}": value for name, value in scores.items()})
            if isinstance(self.scheduler, ReduceLROnPlateau):
                self.scheduler.step(scores.get("loss", -self.scores[-1]))
        self.plan.after_evaluation(self.model)

    def _restart(self, run: Run) -> Run:
        """The process ends and is started again from its checkpoint."""
        checkpoint = copy.deepcopy((self.model.state_dict(), self.optimizer.state_dict()))
        run.event("checkpoint", "saved")
        save_checkpoint(run)
        run.finish()
        self.model = self.plan.program.model(self.plan.shape)
        self.model.load_state_dict(checkpoint[0])
        self.optimizer = make_optimizer(self.recipe, self.model.parameters())
        scheduler = make_scheduler(self.recipe, self.optimizer)
        if self.plan.on_restart:
            self.scheduler = scheduler
            for change in self.plan.on_restart:
                change(self.optimizer, self.scheduler)
        else:
            self.optimizer.load_state_dict(checkpoint[1])
            scheduler.load_state_dict(self.scheduler.state_dict())
            self.scheduler = scheduler
        return self._watch()

    # --- the end --------------------------------------------------------------------------------------------------

    def _outcome(self, seconds: float, grown_mib: float, error: str) -> Outcome:
        count = max(min(len(self.losses) // 20, 20), 1)
        return Outcome(
            score=self.scores[-1] if self.scores else float("nan"),
            best=max(self.scores, default=float("nan")),
            hidden=self._hidden_score(),
            first_loss=float(torch.tensor(self.losses[:count]).median()) if self.losses else float("nan"),
            last_loss=float(torch.tensor(self.losses[-count:]).median()) if self.losses else float("nan"),
            seconds_per_step=seconds,
            grown_mib=grown_mib,
            steps=len(self.losses) // self.recipe.accumulate,
            error=error,
        )

    @torch.no_grad()
    def _hidden_score(self) -> float:
        self.model.eval()
        with suppress(AssertionError, IndexError, RuntimeError, ValueError):
            return next(iter(self.plan.program.scores(self.model, self.hidden).values()))
        return float("nan")


def save_checkpoint(run: Run) -> None:
    """The time that a script takes to save its weights.

    Steps of a few milliseconds on a machine that does ten other things outrun the probe's writer; a real run ends with
    something that gives it time.
    """
    deadline = time.monotonic() + LONGEST_SAVE_S
    while run.active and run.recorder.waiting and time.monotonic() < deadline:
        time.sleep(0.02)


def _resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(plan: Plan) -> Outcome:
    """Train *plan* under the probe, with the log where ``$DETTUI_RUNS`` says."""
    return Training(plan).run()


__all__ = ["Optimizer", "Outcome", "Training", "train"]
