"""The held-out loss of scripts that evaluate by hand: told where it is what training minimises, and nowhere else."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as scripts have it
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dettui_probe import tags
from dettui_probe.capture import attach, held_out
from dettui_probe.capture.criterion import SEARCHED
from dettui_probe.capture.held_out import EVAL_LOSS
from dettui_probe.recorder import Gathered
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
LossOf = Callable[[nn.Module, Tensor, Tensor], Tensor]
WIDTH, CLASSES = 6, 3


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        answers: Tensor = self.head(self.body(inputs))
        return answers


class WithLoss(Net):
    """Returns answers and loss, as language models do."""

    def forward(self, inputs: Tensor, targets: Tensor) -> Any:  # type: ignore[override]
        answers = super().forward(inputs)
        return {"loss": F.cross_entropy(answers, targets), "logits": answers}


class Halved(nn.Module):
    """Divides by a number of its own."""

    def forward(self, answers: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(answers, targets) / 2


class Focal(nn.Module):
    """A criterion of somebody's own, with modules in it."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.each = nn.CrossEntropyLoss(reduction="none")
        self.reduction = reduction

    def forward(self, answers: Tensor, targets: Tensor) -> Tensor:
        losses: Tensor = self.each(answers, targets)
        focal = (1 - (-losses).exp()) ** 2 * losses
        return focal.mean() if self.reduction == "mean" else focal.sum()


def batches(*sizes: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    source = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, WIDTH, generator=source), torch.randint(CLASSES, (size,), generator=source))
        for size in sizes
    ]


class Script(NamedTuple):
    """A training with an evaluation after every step."""

    loss_of: LossOf
    evaluated: LossOf
    model: nn.Module
    quiet: Callable[[], AbstractContextManager[Any]] = torch.no_grad
    sizes: Sequence[int] = (8, 8, 5)
    micro_steps: int = 1
    divisor: float = 1.0

    def train(self, steps: int = 4) -> list[float]:
        """The means that the script makes of its evaluations itself."""
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        made = []
        for step in range(steps):
            self.model.train()
            for inputs, targets in batches(*[8] * self.micro_steps, seed=step):
                loss = self.loss_of(self.model, inputs, targets)
                (loss / self.divisor if self.divisor != 1.0 else loss).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            made.append(self.evaluate())
        return made

    def evaluate(self) -> float:
        total = 0.0
        self.model.eval()
        held_out = batches(*self.sizes, seed=99)
        with self.quiet():
            for inputs, targets in held_out:
                total += self.evaluated(self.model, inputs, targets).item() * len(inputs)
        return total / sum(len(inputs) for inputs, _ in held_out)


def as_made(loss: Callable[..., Tensor]) -> LossOf:
    return lambda model, inputs, targets: loss(model(inputs), targets)


def squares(reduction: str = "mean") -> LossOf:
    return lambda model, inputs, targets: F.mse_loss(
        F.one_hot(targets, CLASSES).float(), model(inputs), reduction=reduction
    )


def returned(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    loss: Tensor = model(inputs, targets)["loss"]
    return loss


def through_log(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    return F.nll_loss(F.log_softmax(model(inputs), dim=1), targets)


def heard(run: Run) -> list[float]:
    """The losses of evaluations that were put so far, as the writer thread finds them."""
    found: list[float] = []
    while (item := run.recorder.take()) is not None:
        parts = [item] if not hasattr(item, "resolve") else list(item.resolve())
        assert not [part for part in parts if getattr(part, "kind", "") == "probe_fault"]
        found += [part.values[EVAL_LOSS] for part in parts if isinstance(part, Gathered)]
    return found


def watched(run: Run, script: Script, steps: int = 4) -> tuple[list[float], list[float]]:
    """What the script made of its evaluations, and what was heard of them."""
    attach(run, script.model, budget=1.0)
    made = script.train(steps)
    run.finish()
    return made, heard(run)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def same(loss_of: LossOf, model: nn.Module | None = None, **settings: Any) -> Script:
    return Script(loss_of, loss_of, model or Net(), **settings)


HEARD: dict[str, Callable[[], Script]] = {
    "criterion": lambda: same(as_made(nn.CrossEntropyLoss())),
    "settings": lambda: same(as_made(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), label_smoothing=0.1))),
    "another module of the same": lambda: Script(as_made(nn.CrossEntropyLoss()), as_made(cross_entropy), Net()),
    "function": lambda: same(as_made(F.cross_entropy)),
    "imported by name": lambda: same(as_made(cross_entropy)),
    "target first": lambda: same(squares()),
    "sum": lambda: same(squares("sum"), sizes=(8, 8)),
    "a view": lambda: same(lambda model, x, y: F.cross_entropy(model(x).view(-1, CLASSES), y.view(-1))),
    "a copy": lambda: same(through_log),
    "own criterion": lambda: same(as_made(Focal())),
    "own divisor": lambda: same(as_made(Halved())),
    "own sum": lambda: same(as_made(Focal("sum")), sizes=(8, 8)),
    "field": lambda: same(returned, WithLoss()),
    "accumulation": lambda: same(as_made(F.cross_entropy), micro_steps=4, divisor=4.0),
    "accumulated field": lambda: same(returned, WithLoss(), micro_steps=2, divisor=2.0),
    "inference mode": lambda: same(as_made(F.cross_entropy), quiet=torch.inference_mode),
    "gradients left on": lambda: same(as_made(F.cross_entropy), quiet=nullcontext),
}


@pytest.mark.parametrize("name", HEARD)
def test_the_mean_of_an_evaluation_is_that_of_the_script(run: Run, name: str) -> None:
    made, told = watched(run, HEARD[name]())
    assert told == pytest.approx(made[1:] if name.startswith("own") else made)  # which is looked for after step 1


def log_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(model(inputs), targets)


def two_terms(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    answers = model(inputs)
    return F.cross_entropy(answers, targets) + 0.1 * F.mse_loss(answers, torch.zeros_like(answers))


def twice(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    answers = model(inputs)
    F.cross_entropy(answers, targets.flip(0))
    return F.cross_entropy(answers, targets)


class Tempered(Net):
    """Another module that answers the same kind of question."""


def of_another(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    model(inputs)
    return F.cross_entropy(Tempered().eval()(inputs), targets)


def of_copy(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    return log_loss(copy.deepcopy(model), inputs, targets)


SMOOTHED = nn.CrossEntropyLoss(label_smoothing=0.1)
UNHEARD: dict[str, Callable[[], Script]] = {
    "sum of terms": lambda: Script(two_terms, log_loss, Net()),
    "sum of terms in both": lambda: same(two_terms),
    "scaled": lambda: same(as_made(F.cross_entropy), divisor=4.0),
    "weighted": lambda: Script(lambda *all: 0.5 * log_loss(*all), log_loss, Net()),
    "other settings": lambda: Script(as_made(SMOOTHED), log_loss, Net()),
    "other reduction": lambda: Script(log_loss, as_made(lambda a, t: F.cross_entropy(a, t, reduction="sum")), Net()),
    "other function": lambda: Script(log_loss, squares(), Net()),
    "other criterion": lambda: Script(as_made(Focal()), as_made(Focal()), Net()),
    "sum over another batch size": lambda: same(squares("sum"), sizes=(4, 4)),
    "two calls a pass": lambda: Script(log_loss, twice, Net()),
    "another model's answer": lambda: Script(log_loss, of_another, Net()),
    "a copy of the model": lambda: Script(log_loss, of_copy, Net()),
}


@pytest.mark.parametrize("name", UNHEARD)
def test_what_is_not_certainly_the_training_loss_is_not_told(run: Run, name: str) -> None:
    _, told = watched(run, UNHEARD[name]())
    assert told == []


def test_passes_that_turn_out_to_be_of_training_are_none_of_an_evaluation(run: Run) -> None:
    """Fine-tuned in evaluation mode after a step in training mode."""
    model = Net()
    attach(run, model, budget=1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step, (inputs, targets) in enumerate(batches(*[8] * 5)):
        model.train(step == 0)
        log_loss(model, inputs, targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    run.finish()
    assert heard(run) == []


def test_of_two_loaders_the_last_is_told(run: Run) -> None:
    """The training set first, as many do: what is held out comes after it."""
    script = same(log_loss)
    attach(run, script.model, budget=1.0)
    made = []
    for _ in range(3):
        script.train(1)
        made.append(script._replace(sizes=(8, 3)).evaluate())
    run.finish()
    assert heard(run) == pytest.approx(made)


def test_a_loss_that_is_made_otherwise_after_an_evaluation_takes_it_back(run: Run) -> None:
    model = Net()
    attach(run, model, budget=1.0)
    for loss_of in (log_loss, two_terms):
        script = Script(loss_of, log_loss, model)
        script.train(SEARCHED + 1)
    run.finish()
    assert len(heard(run)) == SEARCHED


def test_the_value_comes_with_the_step_after_the_evaluation(run: Run) -> None:
    script = same(log_loss)
    attach(run, script.model, budget=1.0)
    script.train(3)
    items = []
    while (item := run.recorder.take()) is not None:
        items += list(item.resolve()) if hasattr(item, "resolve") else [item]
    assert [item.step for item in items if isinstance(item, Gathered)] == [2, 3]


def test_evaluations_too_short_to_pay_for_it_are_not_listened_to(
    run: Run, monkeypatch: pytest.MonkeyPatch, untouched: list[Any]
) -> None:
    monkeypatch.setattr(held_out, "ALLOWANCE_S", 1e-9)
    script = same(log_loss)
    attach(run, script.model, budget=1e-9)
    (first, *_) = script.train(3)
    with torch.no_grad():
        script.model.eval()(torch.randn(8, WIDTH))
    assert kernels() == untouched
    run.finish()
    assert heard(run) == pytest.approx([first])  # on credit


# --- nothing of the script is changed ---------------------------------------------------------------------------------


def weights_after(run: Run | None, make: Callable[[], Script]) -> tuple[list[float], list[Tensor], Tensor]:
    torch.manual_seed(1)
    script = make()
    if run is not None:
        attach(run, script.model, budget=1.0)
    made = script.train(6)
    return made, [value.clone() for value in script.model.state_dict().values()], torch.get_rng_state()


@pytest.mark.parametrize("name", ["criterion", "function", "own criterion", "field", "inference mode", "accumulation"])
def test_results_are_those_of_an_unwatched_training_to_the_bit(run: Run, name: str) -> None:
    plain_made, plain, plain_state = weights_after(None, HEARD[name])
    made, weights, state = weights_after(run, HEARD[name])
    assert made == plain_made
    assert all(torch.equal(one, other) for one, other in zip(plain, weights, strict=True))
    assert torch.equal(state, plain_state)


def kernels() -> list[Any]:
    owner = torch._C._nn
    return [owner.cross_entropy_loss, owner.mse_loss, torch.binary_cross_entropy_with_logits, owner.nll_loss_nd]


@pytest.fixture
def untouched() -> Iterator[list[Any]]:
    before = kernels()
    yield before
    assert kernels() == before


def test_torch_is_as_it_was_while_the_model_is_trained(run: Run, untouched: list[Any]) -> None:
    script = same(log_loss)
    attach(run, script.model, budget=1.0)
    script.train(2)
    answers = script.model.train()(torch.randn(8, WIDTH))  # an evaluation came before this step
    assert kernels() != untouched
    F.cross_entropy(answers, torch.zeros(8, dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD(script.model.parameters(), lr=0.1).step()
    script.model(torch.randn(8, WIDTH))
    assert kernels() == untouched


def test_torch_is_as_it_was_after_a_run_that_ended_in_an_evaluation(run: Run, untouched: list[Any]) -> None:
    script = same(as_made(Focal()))
    attach(run, script.model, budget=1.0)
    script.train(2)
    run.finish()


def test_errors_of_the_script_are_its_own(run: Run, untouched: list[Any]) -> None:
    script = same(log_loss)
    attach(run, script.model, budget=1.0)
    script.train(2)
    with torch.no_grad():
        answers = script.model.eval()(torch.randn(8, WIDTH))
        with pytest.raises(ValueError, match="batch_size"):
            F.cross_entropy(answers, torch.zeros(5, dtype=torch.long))
    run.finish()


def test_a_loss_that_nobody_propagates_keeps_no_graph(run: Run) -> None:
    """Once another pass has begun."""
    model = Net()
    attach(run, model, budget=1.0)
    loss = log_loss(model, *batches(8)[0])
    gone = weakref.ref(loss)
    del loss
    with torch.no_grad():
        model.eval()(torch.randn(8, WIDTH))
    assert gone() is None


def test_training_loss_and_evaluation_are_of_one_kind(run: Run, told: ToldReader) -> None:
    """On the same inputs, with weights that do not move, both are the same number."""
    model = nn.Linear(WIDTH, CLASSES)
    attach(run, model, budget=1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    inputs, targets = batches(8)[0]
    totals: list[float] = []
    losses: list[float] = []
    for _ in range(3):
        for _ in range(4):
            (log_loss(model, inputs, targets) / 4).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            log_loss(model, inputs, targets)
    run.finish()
    while (item := run.recorder.take()) is not None:
        for part in item.resolve() if hasattr(item, "resolve") else ():
            totals += [part.values[tags.LOSS_TOTAL]] if tags.LOSS_TOTAL in getattr(part, "values", {}) else []
            losses += [part.values[EVAL_LOSS]] if isinstance(part, Gathered) else []
    assert losses == pytest.approx(totals)
