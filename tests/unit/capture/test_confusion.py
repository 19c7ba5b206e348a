"""Classes that an evaluation calls by other names than training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.confusion import MOST_CLASSES, Confusion, renamed
from dettui_probe.capture.record import Sheet
from dettui_probe.recorder import Row
from dettui_probe.run import Run

CLASSES = 5
TURNED = {0: 1, 1: 2, 2: 0}  # by which name the inputs of a class are answered


def drawn(count: int = 400, classes: int = CLASSES) -> Tensor:
    return torch.randint(classes, (count,), generator=torch.Generator().manual_seed(1))


def scores_for(answers: Tensor, classes: int = CLASSES, noise: float = 0.0) -> Tensor:
    """Scores by which *answers* win, with so much *noise* on them."""
    scores = functional.one_hot(answers, classes).float()
    return scores + noise * torch.randn(scores.shape, generator=torch.Generator().manual_seed(2))


def turned(targets: Tensor, names: dict[int, int]) -> Tensor:
    answers = targets.clone()
    for asked, answered in names.items():
        answers[targets == asked] = answered
    return answers


def names_after(*calls: tuple[Tensor, Tensor], kernel: str = "cross_entropy_loss") -> dict[int, int] | None:
    """What is found of an evaluation in which *kernel* was called so; None where it was not even counted."""
    confusion = Confusion()
    for call in calls:
        confusion.add(kernel, call)
    reading = confusion.reading()
    return None if reading is None else dict(renamed(reading.tensors[0]))


@pytest.mark.parametrize("names", [TURNED, {3: 4, 4: 3}, {0: 1, 1: 2, 2: 3, 3: 4, 4: 0}])
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_classes_in_another_order_are_told(names: dict[int, int], noise: float) -> None:
    targets = drawn()
    assert names_after((scores_for(turned(targets, names), noise=noise), targets)) == names


def test_passes_are_added_up_and_the_last_one_may_be_small() -> None:
    targets = drawn()
    answers = scores_for(turned(targets, TURNED))
    assert names_after(*zip(answers.split(33), targets.split(33), strict=True)) == TURNED


@pytest.mark.parametrize(
    "names",
    [
        {},
        {0: 1},  # one class is taken for another one, which is known by its own name
        {0: 1, 2: 3},
        {0: 4, 1: 4, 2: 4, 3: 4},  # everything is answered as one class
        {0: 1, 2: 1, 3: 4},
    ],
)
def test_classes_that_are_mixed_up_are_silent(names: dict[int, int]) -> None:
    targets = drawn()
    assert names_after((scores_for(turned(targets, names), noise=0.3), targets)) == {}


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_network_that_guesses_is_silent(noise: float) -> None:
    assert names_after((scores_for(drawn().flip(0), noise=noise), drawn())) == {}


def test_sums_are_exact_under_autocast() -> None:
    targets, confusion = drawn(3001), Confusion()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        confusion.add("cross_entropy_loss", (scores_for(targets), targets))
    reading = confusion.reading()
    assert reading is not None and float(reading.tensors[0][-1, -1]) == 3001


def test_classes_of_a_handful_of_inputs_are_not_judged() -> None:
    targets = torch.tensor([0] * 4 + [1] * 4 + [2] * 60)
    assert names_after((scores_for(turned(targets, {0: 1, 1: 0})), targets)) == {}


def test_places_without_a_class_do_not_count() -> None:
    targets = drawn()
    answers = turned(targets, TURNED)
    assert names_after((scores_for(answers), torch.where(targets == 4, -100, targets))) == TURNED


def test_maps_are_looked_at_in_places() -> None:
    targets = drawn(4 * 80 * 80).reshape(4, 80, 80)
    scores = functional.one_hot(turned(targets, TURNED), CLASSES).movedim(-1, 1).float()
    assert names_after((scores, targets)) == TURNED


def several(names: list[int]) -> tuple[Tensor, Tensor]:
    """Scores and targets of inputs that have one class or more, the answers under *names*."""
    targets = (torch.rand(300, CLASSES, generator=torch.Generator().manual_seed(3)) < 0.3).float()
    return 4.0 * targets[:, names] - 2.0, targets


def test_columns_in_another_order_are_told_and_their_own_are_not() -> None:
    kernel = "binary_cross_entropy_with_logits"
    assert names_after(several([2, 0, 1, 3, 4]), kernel=kernel) == {0: 1, 1: 2, 2: 0}
    assert names_after(several([0, 1, 2, 3, 4]), kernel=kernel) == {}
    scores, targets = several([2, 0, 1, 3, 4])
    assert names_after((scores.sigmoid(), targets), kernel="binary_cross_entropy") == {0: 1, 1: 2, 2: 0}


@pytest.mark.parametrize(
    ("scores", "targets", "kernel"),
    [
        (torch.randn(8, 3), torch.randn(8, 3), "mse_loss"),
        (torch.randn(8, 1), torch.rand(8, 1), "binary_cross_entropy"),
        (torch.randn(8, MOST_CLASSES + 1), torch.randint(3, (8,)), "cross_entropy_loss"),
        (torch.randn(8), torch.randint(3, (8,)), "cross_entropy_loss"),
        (torch.randn(8, 3, 4), torch.randint(3, (8,)), "nll_loss_nd"),
    ],
)
def test_what_are_no_classes_is_not_counted(scores: Tensor, targets: Tensor, kernel: str) -> None:
    assert names_after((scores, targets), kernel=kernel) is None


# --- in a script --------------------------------------------------------------------------------------------------


class Known(nn.Module):
    """Answers what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(2.0))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.sure * functional.one_hot(inputs, CLASSES).float()


def put_by(run: Run, names: dict[int, int], *, joined: bool) -> list[Any]:
    """What is put of a training with an evaluation whose classes are answered by other *names*, pass by pass, or with
    the answers of all passes *joined* before they are compared."""
    model, targets = Known(), drawn(64)
    attach(run, model, budget=1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(3):
        functional.cross_entropy(model(targets), targets).backward()
        optimizer.step()
        held_out = drawn(200)
        parts = turned(held_out, names).split(50)
        with torch.no_grad():
            model.eval()
            answers = [model(part) for part in parts]
            if joined:
                functional.cross_entropy(torch.cat(answers), held_out)
        if not joined:
            with torch.no_grad():
                for part, wanted in zip(parts, held_out.split(50), strict=True):
                    functional.cross_entropy(model(part), wanted)
        model.train()
    run.finish()
    items: list[Any] = []
    while (item := run.recorder.take()) is not None:
        items += list(item.resolve()) if hasattr(item, "resolve") else [item]
    return items


@pytest.mark.parametrize("joined", [True, False])
def test_the_names_that_a_script_evaluates_by_are_told(run: Run, joined: bool) -> None:
    items = put_by(run, TURNED, joined=joined)
    rows = [item.values for item in items if isinstance(item, Row) and tags.EVAL_RENAMED in item.values]
    assert [(row[tags.EVAL_CLASSES], row[tags.EVAL_RENAMED]) for row in rows] == [(5, 3)] * 3
    texts = [item.text for item in items if getattr(item, "kind", "") == "renamed_classes"]
    assert len(texts) == 3 and all("0 as 1, 1 as 2, 2 as 0" in text for text in texts)


def test_a_sheet_of_a_sound_evaluation_tells_of_no_names() -> None:
    confusion, sheet = Confusion(), Sheet(1, 0.0, {}, False)
    confusion.add("cross_entropy_loss", (scores_for(drawn()), drawn()))
    reading = confusion.reading()
    assert reading is not None
    reading.decode(reading.tensors, sheet)
    assert sheet.values == {tags.EVAL_CLASSES: CLASSES, tags.EVAL_RENAMED: 0} and sheet.messages == []
