"""What is read off a loop: one row a step, whatever the loop looks like."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import Capture, attach
from dettui_probe.run import Run

ToldReader = Callable[[], Any]


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 8, generator=generator), torch.tensor([0, 1, 1, 2])


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> list[float]:
    losses = []
    for step in range(steps):
        features, labels = batch(step)
        loss = functional.cross_entropy(model(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_one_row_a_step_with_the_loss_that_the_script_saw(run: Run, told: ToldReader) -> None:
    model = classifier()
    attach(run, model)
    losses = train(model, torch.optim.SGD(model.parameters(), lr=0.1))
    rows = told().rows
    assert [row.step for row in rows] == [1, 2, 3]
    assert [row.values[tags.LOSS_TOTAL] for row in rows] == pytest.approx(losses)


def test_settings_of_every_param_group_are_told(run: Run, told: ToldReader) -> None:
    model = classifier()
    groups = [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[2].parameters(), "weight_decay": 0.25}]
    attach(run, model)
    train(model, torch.optim.AdamW(groups, lr=0.125), 1)
    values = told().rows[0].values
    assert (values["lr/pg0"], values["lr/pg1"], values["weight_decay/pg1"]) == (0.5, 0.125, 0.25)
    assert values["momentum/pg0"] == 0.9


def test_gradient_norm_is_the_one_before_clipping_and_the_limit_is_told(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    features, labels = batch()
    functional.cross_entropy(model(features), labels).backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    optimizer.step()
    values = told().rows[0].values
    assert values[tags.GRAD_NORM] == pytest.approx(norm.item())
    assert values[tags.GRAD_CLIP] == 1e-3
    assert values["layer/grad_norm/0.weight"] > 1e-3


def test_update_ratio_is_the_length_of_the_step_over_that_of_the_weights(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3, bias=False)
    before = model.weight.detach().clone()
    attach(run, model)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 1)
    expected = (model.weight.detach() - before).norm() / before.norm()
    values = told().rows[0].values
    assert values[tags.UPDATE_RATIO] == pytest.approx(expected.item(), rel=1e-5)
    assert values[tags.UPDATE_UNCHANGED] == 0


def test_an_optimizer_of_rate_zero_leaves_every_tensor_unchanged(run: Run, told: ToldReader) -> None:
    model = classifier()
    attach(run, model)
    train(model, torch.optim.SGD(model.parameters(), lr=0.0), 1)
    assert told().values(tags.UPDATE_UNCHANGED) == [1.0]


def test_gradients_that_repeat_agree_and_gradients_that_turn_disagree(run: Run, told: ToldReader) -> None:
    model = nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    attach(run, model, optimizer)
    for sign in (1.0, 1.0, -1.0):
        optimizer.zero_grad()
        (sign * model(torch.ones(1, 2)).sum()).backward()
        optimizer.step()
    assert told().values(tags.GRAD_AGREEMENT) == pytest.approx([1.0, -1.0])


def test_exact_zeros_and_non_finite_gradients_are_counted(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    attach(run, model, optimizer)
    features, _ = batch()
    (model(features) * 0).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    (model(features) * float("inf")).sum().backward()
    optimizer.step()
    now = told()
    assert now.values(tags.GRAD_ZERO)[0] == 1.0
    assert now.values(tags.GRAD_NONFINITE) == [0, 4]


def test_accumulation_counts_micro_steps_and_undoes_the_division(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    losses = []
    for micro_step in range(4):
        features, labels = batch(micro_step)
        loss = functional.cross_entropy(model(features), labels)
        losses.append(loss.item())
        (loss / 4).backward()
    optimizer.step()
    values = told().rows[0].values
    assert values[tags.MICRO_STEPS] == 4
    assert values[tags.LOSS_TOTAL] == pytest.approx(sum(losses) / 4)


def test_losses_that_are_summed_over_micro_steps_are_averaged_too(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    losses = []
    for micro_step in range(2):
        features, labels = batch(micro_step)
        losses.append(functional.cross_entropy(model(features), labels))
        losses[-1].backward()
    optimizer.step()
    assert told().values(tags.LOSS_TOTAL) == pytest.approx([sum(loss.item() for loss in losses) / 2])


def test_a_loop_that_never_steps_becomes_visible(run: Run, told: ToldReader) -> None:
    model = classifier()
    attach(run, model)
    for micro_step in range(40):
        features, labels = batch(micro_step)
        functional.cross_entropy(model(features), labels).backward()
    now = told()
    assert now.values(tags.MICRO_STEPS) == [16, 32]
    assert {row.step for row in now.rows} == {0}


def test_a_loop_that_never_calls_backward_is_told_once(run: Run, told: ToldReader) -> None:
    model = classifier()
    attach(run, model)
    for step in range(50):
        model(batch(step)[0])
    assert told().kinds() == ["no_backward"]


def test_changes_in_place_after_the_forward_pass_do_not_reach_the_record(run: Run, told: ToldReader) -> None:
    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(8, 1)

        def forward(self, features: Tensor) -> dict[str, Tensor]:
            return {"loss_a": self.body(features).mean() + 2, "loss_b": self.body(features).pow(2).mean()}

    model = Detector()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    terms = model(batch()[0])
    before = {name: term.item() for name, term in terms.items()}
    loss = terms["loss_a"] + terms["loss_b"]
    loss.backward()
    with torch.no_grad():
        terms["loss_a"].mul_(100)
        loss.mul_(100)
    optimizer.step()
    values = told().rows[0].values
    assert values["loss/loss_a"] == pytest.approx(before["loss_a"])
    assert values[tags.LOSS_TOTAL] == pytest.approx(before["loss_a"] + before["loss_b"])


def test_classes_and_head_come_from_the_cross_entropy(run: Run, told: ToldReader) -> None:
    model = classifier()
    attach(run, model)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 1)
    now = told()
    (targets,) = (counts for counts in now.counts if counts.kind == "targets")
    assert (targets.classes, targets.counts) == ([0, 1, 2], [1, 2, 1])
    assert (now.models[0].family, now.models[0].num_classes) == ("classification", 3)


def test_two_optimizers_that_step_together_make_one_step(run: Run, told: ToldReader) -> None:
    model = classifier()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.SGD(model[2].parameters(), lr=0.1)
    attach(run, model)
    for step in range(4):
        features, labels = batch(step)
        loss = functional.cross_entropy(model(features), labels)
        first.zero_grad()
        second.zero_grad()
        loss.backward()
        first.step()
        second.step()
    now = told()
    assert [row.step for row in now.rows] == [1, 2, 3, 4]
    assert now.values(tags.UPDATE_UNCHANGED)[1:] == [0, 0, 0]
    assert now.values(tags.MISSING_PARAMS)[-1] == 0


def test_a_parameter_that_no_optimizer_holds_is_named(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    model[2] = nn.Linear(16, 3)
    train(model, optimizer, 1)
    now = told()
    assert now.models[0].missing == ["2.weight", "2.bias"]
    assert now.models[0].strangers == 2
    assert now.values(tags.MISSING_PARAMS) == [2]


def test_an_optimizer_that_has_not_stepped_yet_is_found_before_anything_is_called_missing(
    run: Run, told: ToldReader
) -> None:
    model = classifier()
    often = torch.optim.SGD(model[0].parameters(), lr=0.1)
    rarely = torch.optim.SGD(model[2].parameters(), lr=0.1)
    attach(run, model, often)
    train(model, often, 1)
    assert told().values(tags.MISSING_PARAMS) == [0]
    assert rarely.param_groups


def test_training_in_eval_mode_is_told(run: Run, told: ToldReader) -> None:
    model = classifier().eval()
    attach(run, model)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 1)
    assert not told().models[0].in_training_mode


def test_an_evaluation_between_two_steps_is_in_no_time_of_a_step(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    train(model, optimizer, 1)
    model.eval()
    with torch.no_grad():
        model(batch()[0])
    assert run.recorder.phase == "idle"
    model.train()
    train(model, optimizer, 1)
    assert [row.step for row in told().rows] == [1, 2]


@pytest.mark.parametrize("returned", ["tuple", "list", "none"])
def test_models_may_return_anything(run: Run, told: ToldReader, returned: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(8, 1)

        def forward(self, features: Tensor, targets: object = None) -> object:
            self.last = self.body(features).mean()
            return {"tuple": (self.last, features), "list": [self.last], "none": None}[returned]

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    for targets in (None, torch.ones(3), {"boxes": torch.ones(1, 4)}, [torch.ones(2)], [None], [{"boxes": [[1]]}]):
        model(batch()[0], targets=targets)
        model.last.backward()
        optimizer.step()
    now = told()
    assert len(now.rows) == 6
    assert "probe_fault" not in now.kinds()


def test_a_second_watch_of_the_same_model_changes_nothing(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert attach(run, model) is attach(run, model, optimizer)
    train(model, optimizer, 2)
    assert [row.step for row in told().rows] == [1, 2]


def test_detaching_puts_everything_back(run: Run) -> None:
    def state() -> tuple[object, ...]:
        scaler = torch.amp.GradScaler
        clip = torch.nn.utils.clip_grad._clip_grads_with_norm_
        hooks = torch.optim.optimizer if hasattr(torch.optim, "optimizer") else None
        return torch.autograd.backward, clip, scaler.scale, scaler.step, nn.Module.__call__, hooks

    model = classifier()
    before = state()
    attach(run, model)
    assert state() != before
    run.finish()
    assert state() == before
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_copies_and_pickles_of_the_model_leave_the_hooks_behind(run: Run, told: ToldReader) -> None:
    model = classifier()
    attach(run, model)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(file, weights_only=False)]
    for copied in copies:
        train(copied, torch.optim.SGD(copied.parameters(), lr=0.1), 1)
    assert told().rows == []
    assert b"dettui" not in file.getvalue()


def test_a_fault_of_ours_is_told_once_and_switches_its_part_off(
    run: Run, told: ToldReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dettui_probe.capture.gradients import GradientNorms

    def broken(*_: object) -> None:
        raise ZeroDivisionError("forced")

    monkeypatch.setattr(GradientNorms, "read", broken)
    model = classifier()
    attach(run, model)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 5)
    now = told()
    assert now.kinds() == ["probe_fault"]
    assert len(now.values(tags.LOSS_TOTAL)) == 5
    assert now.values(tags.GRAD_NORM) == []


def test_a_fault_in_decoding_leaves_the_rest_of_the_row(
    run: Run, told: ToldReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dettui_probe.capture import updates

    def broken(*_: object) -> None:
        raise ZeroDivisionError("forced")

    monkeypatch.setattr(updates, "_write", broken)
    model = classifier()
    attach(run, model)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 3)
    now = told()
    assert len(now.values(tags.GRAD_NORM)) == 3
    assert now.values(tags.UPDATE_RATIO) == []


def test_amp_scale_is_undone_and_a_skipped_step_is_told(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    attach(run, model, optimizer)
    seen = []
    for factor in (1.0, float("inf"), 1.0):
        features, labels = batch()
        loss = functional.cross_entropy(model(features), labels) * factor
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        seen.append((loss.item(), sum(float(p.grad.norm() ** 2) for p in model.parameters()) ** 0.5 / 1024))
        scaler.step(optimizer)
        scaler.update()
    now = told()
    assert [row.step for row in now.rows] == [1, 1, 2]
    assert now.values(tags.AMP_SKIPPED) == [0, 1, 0]
    assert now.values(tags.AMP_SCALE) == [1024, 1024, 512]
    assert now.rows[0].values[tags.LOSS_TOTAL] == pytest.approx(seen[0][0])
    assert now.rows[0].values[tags.GRAD_NORM] == pytest.approx(seen[0][1], rel=1e-4)


def test_a_backward_pass_of_another_model_belongs_to_no_step(run: Run, told: ToldReader) -> None:
    model, other = classifier(), classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    train(other, torch.optim.SGD(other.parameters(), lr=0.1), 2)
    train(model, optimizer, 1)
    now = told()
    assert [row.step for row in now.rows] == [1]
    assert now.models[0].strangers == 0


def test_a_wrapped_model_may_be_watched_inside_or_outside(run: Run, told: ToldReader) -> None:
    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, *args: Any) -> Any:
            return self.module(*args)

    inner = classifier()
    capture: Capture = attach(run, inner)
    wrapper = Wrapper(inner)
    train(wrapper, torch.optim.SGD(wrapper.parameters(), lr=0.1), 2)
    assert [row.step for row in told().rows] == [1, 2]
    assert capture.model is inner


def test_a_closure_may_call_backward_inside_the_step(run: Run, told: ToldReader) -> None:
    model = classifier()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    attach(run, model, optimizer)
    features, labels = batch()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(features), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    optimizer.step(closure)
    now = told()
    assert [row.step for row in now.rows] == [1, 2]
    assert len(now.values(tags.UPDATE_RATIO)) == 2
    assert "probe_fault" not in now.kinds()
