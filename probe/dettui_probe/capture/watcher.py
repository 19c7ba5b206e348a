"""Follows a training loop from call to call: what begins, what ends, and when a step is complete.

A step is complete at the end of an optimizer step.  Where several optimizers step after one backward pass, the last
of them completes it.  Where none is seen to step and the weights change all the same, somebody changes them by hand:
then every backward pass is a step, complete when the next pass begins.  Every method that torch calls is behind a
fence and on the clock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

from dettui_probe import identity, tags, wire
from dettui_probe.capture.assignment import Site
from dettui_probe.capture.budget import Budget
from dettui_probe.capture.clock import Phase, StepClock
from dettui_probe.capture.collector import Collector
from dettui_probe.capture.criterion import SEARCHED, Criterion
from dettui_probe.capture.entrances import Passes, entrances_of, whole_of
from dettui_probe.capture.heirs import Heirs
from dettui_probe.capture.held_out import HeldOut
from dettui_probe.capture.inputs import Inputs
from dettui_probe.capture.memory import MEMORY
from dettui_probe.capture.parameters import Parameters
from dettui_probe.capture.ranks import Company
from dettui_probe.capture.record import Post, Reading, Sheet
from dettui_probe.capture.rivals import Rivals
from dettui_probe.capture.surest import Read
from dettui_probe.capture.torchlib import Optimizer, Tensor, fresh_vector, nn, tensors_in, torch
from dettui_probe.contract import Contract
from dettui_probe.heard import Ear
from dettui_probe.run import MAX_TEXT, Run

T = TypeVar("T")

PATIENCE: Final = 16  # backward passes without an optimizer step that are taken for gradient accumulation
FORWARDS_WITHOUT_BACKWARD: Final = 20
EARLY_STEPS: Final = 2
"""Steps whose targets are told before the model sees them: some kill the process (a NaN in a box makes RoIAlign read
beyond its memory), and then there is no later."""
MODE_DEPENDENT: Final = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
"""Layers that do something else in training."""


class Wishes(NamedTuple):
    """What the caller asked for."""

    budget: float = 0.01  # share of a step that watching may take
    guessed: bool = False  # nobody said that the model is all that is trained
    contract: Contract | None = None  # pinned by the user
    when_over: Callable[[], None] | None = None  # called once another model is trained in this one's place


class Watcher:
    """The state of one watched loop, on the training thread."""

    def __init__(self, run: Run, model: nn.Module, wishes: Wishes) -> None:
        self._recorder = run.recorder
        self._model = model
        self._passes = Passes(model)
        self._fence = run.fence("steps")
        self._budget = Budget(wishes.budget)
        self._collector = Collector(self._budget, run)
        self._row = self._collector.instrument("row")
        self._memory = self._collector.instrument("memory")
        self._hearing = self._collector.instrument("warnings")
        self._warnings: Reading | None = None
        self._inputs = Inputs(model, self._collector, wishes.contract)
        self._criterion = Criterion(self.loss_begins, self.loss_ended, entrances_of(model))
        self.held_out = HeldOut(model, self._collector, self._loss_called, wishes.budget)
        self._in_evaluation = False  # the newest forward pass was one of an evaluation
        self._awaits_loss = False  # the model has answered, and nothing was propagated back yet
        self._eval_passes = self._eval_passes_in_training_mode = (
            0  # forward passes without gradients since the last step
        )
        self.parameters = Parameters(model, self._collector, guessed=wishes.guessed)
        self._post = Post()
        self._thread: int | None = None
        self._clock = StepClock(perf_counter())
        self._probe_s = 0.0  # our own time in the current step
        self._trained_before = False  # a forward pass in training mode was seen
        self._in_eval_mode = False  # of the forward pass that the coming step belongs to
        self._mode_matters = any(isinstance(module, MODE_DEPENDENT) for module in whole_of(model).modules())
        self._unclaimed = 0  # forward passes in evaluation mode: no training, unless backward follows
        self._in_forward = False
        self._in_backward = False
        self._forwards = 0  # since the last step
        self._micro_steps = 0  # backward passes since the last step
        self._usual_micro_steps = 1
        self._backwards_ever = 0
        self._forwards_ever = 0
        self._stepped: list[Optimizer] = []  # since the last backward pass
        self._closer: Optimizer | None = None  # the optimizer that completes a step; None while there is but one
        self._pending = False  # an optimizer stepped, and another one is still expected to
        self._awaits_closure = False  # an optimizer of ours steps, and calls backward itself
        self._optimizer_calls = 0
        self._rivals = Rivals()
        self._heirs = Heirs(wishes.when_over)
        self._scaled: tuple[Tensor, Tensor] | None = None  # as GradScaler.scale returned it, and what it was given
        self._amp_scale: Tensor | None = None
        self._amp_skipped = 0
        self._clip: object = None
        self._told_dropped = False
        self._closed = False
        self._lit = True  # whether the coming step is measured at all
        self._company: Company | None = None  # where there are other ranks

    # --- called by torch ----------------------------------------------------------------------------------------

    def forward_begins(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Before the forward pass of the watched model, or of one of its parts that are called one by one."""
        if self._fence.run(_asks_for_shapes, args):
            return
        entry = self._passes.enter(module)
        if entry == "begins":
            self._call(self._forward_begins, args, kwargs, torch.is_grad_enabled())
        elif entry:
            self._call(self._forward_goes_on, torch.is_grad_enabled())

    def forward_ended(self, module: nn.Module, _args: Sequence[Any], output: object) -> None:
        """After the forward pass of the watched model, or of that part."""
        if self._passes.leave(module):
            if self._in_forward:
                self._call(self._forward_ended, output)
            elif self._in_evaluation:
                self._aside(self.held_out.evaluation_answered, output)

    def backbone_begins(self, _module: nn.Module, args: Sequence[Any]) -> None:
        """Before the forward pass of the model's backbone."""
        if self._in_forward and self._lit and self._forwards == 1 and self._inputs.wants_input(self._coming_step):
            self._call(self._backbone_begins, args)

    def activated(self, name: str, layer: nn.Module, output: object) -> None:
        """After the forward pass of a sigmoid or tanh *layer*."""
        if self._in_forward and self._lit and self._forwards == 1 and self._inputs.wants_activations(self._coming_step):
            self._call(self._activated, name, layer, output)

    def loss_begins(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Before a module is called that may be the loss; whether it was given targets that the model was not."""
        if not self._awaits_loss or not self._lit or not self._inputs.wants_targets_of_loss(self._coming_step):
            return False
        self._call(self._loss_begins, args, kwargs)
        return self._inputs.loss_has_targets

    def loss_ended(self, output: object) -> None:
        """After that module made *output* of them."""
        if self._forwards and self._lit and not self._in_forward and not self._in_backward:
            self._call(self._loss_ended, output)

    def backward_begins(self, tensors: Sequence[Tensor]) -> None:
        """Before ``torch.autograd.backward``."""
        self._call(self._backward_begins, tensors)

    def backward_ended(self) -> None:
        """After ``torch.autograd.backward``."""
        self._call(self._backward_ended)

    def optimizer_begins(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        """Before ``step`` of any optimizer of the process."""
        self._call(self._optimizer_begins, optimizer)

    def optimizer_ended(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        """After ``step`` of any optimizer of the process."""
        self._call(self._optimizer_ended, optimizer)

    def assigned(self, site: Site, matches: Sequence[Tensor]) -> None:
        """Before a detector uses the *matches* of its anchors, or proposals, with the objects."""
        if self._in_forward and self._lit and self._inputs.wants_assignment(self._coming_step):
            self._call(self._assigned, site, matches)

    def anchors_made(self, _module: nn.Module, _args: Sequence[Any], output: object) -> None:
        """After the forward pass of a module that makes anchors."""
        if self._in_forward and self._lit and self._forwards == 1 and self._inputs.wants_anchors(self._coming_step):
            self._call(self._anchors_made, output)

    def wants_answers(self) -> bool:
        """Whether ``answered`` has anything to do now."""
        return self._in_forward and self._lit and self._inputs.wants_surest(self._coming_step)

    def answered(self, read: Read) -> None:
        """Before a detector holds its answers against the objects; *read* tells the surest of them."""
        if self.wants_answers():
            self._call(self._answered, read)

    def clipped(self, max_norm: object) -> None:
        """Before gradients are clipped to *max_norm*."""
        self._clip = max_norm

    def loss_scaled(self, scaled: object, loss: object, scale: Tensor | None) -> None:
        """After ``GradScaler.scale``."""
        self._call(self._loss_scaled, scaled, loss, scale)

    def amp_step(self, optimizer: Optimizer, take_step: Callable[[], T]) -> T:
        """Around ``GradScaler.step``: where the optimizer was not called, the step was skipped."""
        calls = self._optimizer_calls
        result = take_step()
        if self._optimizer_calls == calls:
            self._call(self._step_skipped)
        return result

    def hear(self, ear: Ear) -> None:
        """Tell the warnings that *ear* heard."""
        self._warnings = Reading((), lambda _, sheet: _tell_warnings(ear, sheet))

    def close(self) -> None:
        """Hand over what is left, when the run ends."""
        self._fence.run(self._close)

    def abandon(self) -> None:
        """End without a word."""
        self._closed = True
        self._fence.run(self._criterion.detach)
        self._fence.run(self.held_out.close)

    # --- behind the fence ---------------------------------------------------------------------------------------

    def _call(self, callback: Callable[..., None], *args: Any) -> None:
        """*callback* behind the fence, on the clock; on the thread that trains, and on no other."""
        if not self._fence.open:
            return
        started = perf_counter()
        thread = threading.get_ident()
        if self._thread is None:
            self._thread = thread
            self._fence.run(self._meet_the_others)
        if thread == self._thread:
            self._fence.run(callback, *args)
            self._probe_s += perf_counter() - started

    def _aside(self, callback: Callable[..., None], *args: Any) -> None:
        """The same off the clock: what listening to an evaluation costs is held against the evaluation."""
        before = self._probe_s
        self._call(callback, *args)
        self._probe_s = before

    def _loss_called(self, callback: Callable[..., None], *args: Any) -> None:
        """Something that may be the loss was called."""
        (self._aside if self._in_evaluation else self._call)(callback, *args)

    def _meet_the_others(self) -> None:
        """By now a script knows its rank."""
        place = identity.place(os.environ)
        if place.world > 1:
            self._company = Company(self._model, self._collector, place.rank)

    def _enter(self, phase: Phase) -> None:
        self._clock.enter(phase, perf_counter())
        self._recorder.phase = phase

    @property
    def _steps_done(self) -> int:
        """In this process: what is read at which steps counts from its start, also after a resume."""
        return self._recorder.step - self._recorder.before

    @property
    def _coming_step(self) -> int:
        return self._steps_done + 1

    def _forward_begins(self, args: Sequence[Any], kwargs: Mapping[str, Any], with_grad: bool) -> None:
        self._await_loss(False)
        self._complete_pending_step()
        self._in_evaluation = False
        training = self._model.training
        if not with_grad or (self._trained_before and not training):
            self._enter("idle")
            self._in_forward = False
            self._unclaimed += with_grad
            self._evaluation_begins(args, kwargs, training)
            return
        if self._in_eval_mode and training:  # gradients were taken in an evaluation, and no step came of them
            self._forget_cycle()
        self._heirs.ours_is_called()
        self._unclaimed, self._in_eval_mode = 0, not training
        self._trained_before = self._trained_before or training
        self._in_forward, self._in_backward = True, False
        self._enter("forward")
        self._forwards += 1
        self._forwards_ever += 1
        self.held_out.forward_begins(self._coming_step, args, kwargs)
        if self._lit:
            self._inputs.forward_begins(self._coming_step, args, kwargs, first=self._forwards == 1)
            if self._company is not None and self._forwards == 1:
                self._company.forward_begins(self._coming_step, args, kwargs)
            if self._coming_step <= EARLY_STEPS and self._forwards == 1:
                self._tell_targets_early(self._coming_step)
        if self._forwards_ever == FORWARDS_WITHOUT_BACKWARD and not self._backwards_ever:
            self._tell_no_backward()

    def _forward_goes_on(self, with_grad: bool) -> None:
        """Another part is called in a pass that has begun."""
        if with_grad and self._forwards:
            self._await_loss(False)
            self._in_forward = True
            self._enter("forward")

    def _evaluation_begins(self, args: Sequence[Any], kwargs: Mapping[str, Any], training: bool) -> None:
        self._eval_passes += 1
        self._eval_passes_in_training_mode += training and self._mode_matters
        self._in_evaluation = True
        self._inputs.evaluation_begins(args, kwargs)
        self.held_out.evaluation_begins(args, kwargs)

    def _activated(self, name: str, layer: nn.Module, output: object) -> None:
        self._inputs.activated(name, layer, output)

    def _tell_targets_early(self, step: int) -> None:
        early = self._inputs.early_words()
        if early:
            sheet = Sheet(self._recorder.before + step, time.time(), {}, False)
            self._introduce(step)
            self._recorder.put_urgent(self._post.record(sheet, early))

    def _introduce(self, step: int) -> None:
        introduction = self.parameters.introduction(step, self._inputs.contract)
        if introduction is not None:
            self._recorder.put(introduction)

    def _backbone_begins(self, args: Sequence[Any]) -> None:
        self._inputs.backbone_begins(args)

    def _assigned(self, site: Site, matches: Sequence[Tensor]) -> None:
        self._inputs.assigned(site, matches)

    def _anchors_made(self, output: object) -> None:
        self._inputs.anchors_made(output)

    def _answered(self, read: Read) -> None:
        self._inputs.answered(read)

    def _forward_ended(self, output: object) -> None:
        self._in_forward = False
        if self._lit:
            self._inputs.forward_ended(self._coming_step, output, first=self._forwards == 1)
            self.held_out.answered(self._coming_step, output)
            self._await_loss(self._inputs.wants_targets_of_loss(self._coming_step))

    def _await_loss(self, awaits: bool) -> None:
        self._awaits_loss = awaits
        if awaits and self._coming_step <= SEARCHED:
            self._criterion.open()
        else:
            self._criterion.close()

    def _loss_begins(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._inputs.loss_begins(args, kwargs)

    def _loss_ended(self, output: object) -> None:
        self._inputs.loss_ended(self._coming_step, output)

    def _backward_begins(self, tensors: Sequence[Tensor]) -> None:
        self._await_loss(False)
        self._passes.end()
        self._rivals.backward_begins()
        scaled, self._scaled = self._scaled, None
        if self._unclaimed and not self._forwards:
            self._forwards, self._unclaimed, self._in_eval_mode = self._unclaimed, 0, True
            self.held_out.passes_were_of_training()
        if self._lit and not self._in_backward:
            self.parameters.backward_begins(self._coming_step)
        if self._in_backward:  # activation checkpointing
            return
        if not self._forwards:
            self._heirs.others_backward(self._steps_done)
            return
        self._complete_pending_step()
        self._in_backward = True
        self._enter("backward")
        self._micro_steps += 1
        self._backwards_ever += 1
        losses = [scaled[1] if scaled is not None and tensor is scaled[0] else tensor for tensor in tensors]
        if self._lit:
            self._inputs.backward_begins(self._coming_step, losses, self._forwards)
            self.held_out.backward_begins(self._coming_step, losses)
            if self._company is not None:
                self._company.backward_begins(tensors)

    def _backward_ended(self) -> None:
        if not self._in_backward:
            return
        self._in_backward = False
        self._enter("optimizer")
        if self._company is not None and self._lit:
            self._company.backward_ended()
        if self._lit and self._micro_steps >= self._usual_micro_steps:
            self.parameters.backward_ended(self._coming_step, self._amp_scale)
        if self.parameters.are_changed_by_hand:
            self.parameters.optimizer_begins(self._coming_step, self._inputs.contract)
            self._pending = True
            return
        awaited, self._awaits_closure = self._awaits_closure, False
        self._update_begins(awaited)
        late = self._micro_steps - max(PATIENCE, 4 * self._usual_micro_steps)
        if self._backwards_ever == 1:
            self.parameters.look_for_changes()
        if late >= 0 and late % PATIENCE == 0:
            self.parameters.look_for_changes()
            self._emit()

    def _optimizer_begins(self, optimizer: Optimizer) -> None:
        self._optimizer_calls += 1
        self._heirs.stepped(optimizer)
        ours = self.parameters.adopt(optimizer, after_backward=self._micro_steps > 0)
        if self._is_within_a_step():
            self._update_begins(ours)
        else:
            self._awaits_closure = ours

    def _update_begins(self, ours: bool) -> None:
        """The gradients of the step are there, and an optimizer is about to use them."""
        if ours and self._lit and not self._pending:
            self.parameters.optimizer_begins(self._coming_step, self._inputs.contract)

    def _optimizer_ended(self, optimizer: Optimizer) -> None:
        self._awaits_closure = False
        if not self.parameters.is_ours(optimizer):
            self._rivals.other_stepped()
            return
        self._rivals.ours_stepped()
        self._stepped.append(optimizer)
        if not self._is_within_a_step():
            return
        self._pending = True
        if self._closer is None or optimizer is self._closer:
            self._complete_step()

    def _is_within_a_step(self) -> bool:
        """False where one more optimizer steps after the step that it belongs to was told.  Where backward is never
        seen (gradients made by hand), every optimizer step is one."""
        return self._micro_steps > 0 or not self._backwards_ever

    def _loss_scaled(self, scaled: object, loss: object, scale: Tensor | None) -> None:
        if isinstance(scaled, Tensor) and isinstance(loss, Tensor) and scale is not None and scaled is not loss:
            self._scaled = (scaled, loss)
            self._amp_scale = scale.detach().clone()

    def _step_skipped(self) -> None:
        self._amp_skipped += 1
        self._emit()
        self._forget_cycle()

    # --- steps --------------------------------------------------------------------------------------------------

    def _complete_pending_step(self) -> None:
        """The next pass begins: whichever optimizer stepped last is the one that completes a step."""
        if self._stepped:
            self._closer = self._stepped[-1] if len(self._stepped) > 1 else self._closer
            self._stepped.clear()
        if self._pending:
            self._complete_step()

    def _complete_step(self) -> None:
        self._pending = False
        if self._lit:
            self.parameters.step_ends(self._coming_step, self._stepped)
            if self._company is not None:
                self._company.step_ends(self._coming_step, self.parameters.optimizers)
        self._recorder.step += 1
        self._usual_micro_steps = max(self._micro_steps, 1)
        self._emit()
        self._forget_cycle()

    def _forget_cycle(self) -> None:
        self._forwards = self._micro_steps = 0
        self._clip = None

    def _emit(self) -> None:
        """Put the row of the newest step; the phases count from zero again."""
        self._recorder.release()
        self._enter("data")
        step = self._steps_done
        values: dict[str, float] = dict(self._clock.close_step())
        step_s = values[tags.TIME_STEP]
        if self._lit:
            self._inputs.close_step()
            self.held_out.close_step(step)
            self.parameters.close_step(step)
            self._row.run(self._put_row, step, values)
        self._settle(step_s)
        self._lit = self._row.due(self._coming_step)
        self._tell_if_dropped()

    def _put_row(self, step: int, values: dict[str, float]) -> None:
        values.update(self._own_values())
        if self._amp_scale is not None:
            self._collector.keep(self._row, Reading([fresh_vector([self._amp_scale])], _decode_amp_scale))
        if self._memory.due(step):
            self._collector.keep(self._memory, MEMORY)
        if self._hearing.due(step):
            self._collector.keep(self._hearing, self._warnings)
        company = self._company
        if company is not None:
            values.update(company.close_step())
        detailed = self.parameters.detailed(step) and (company is None or company.kept_tags is None)
        sheet = Sheet(
            self._recorder.step, time.time(), values, detailed, company.kept_tags if company is not None else None
        )
        self._recorder.put(self._post.record(sheet, self._collector.close_step(sheet)))

    def _own_values(self) -> dict[str, float]:
        values = {tags.MICRO_STEPS: float(self._micro_steps), tags.PROBE_OVERHEAD: self._budget.overhead}
        if rivals := self._rivals.take():
            values[tags.RIVAL_STEPS] = float(rivals)
        values[tags.EVAL_MODE] = float(self._in_eval_mode and self._mode_matters)
        if self._eval_passes:
            values[tags.EVAL_PASSES] = float(self._eval_passes)
            values[tags.EVAL_PASSES_TRAINING] = float(self._eval_passes_in_training_mode)
            self._eval_passes = self._eval_passes_in_training_mode = 0
        if isinstance(self._clip, int | float):
            values[tags.GRAD_CLIP] = float(self._clip)
        if self._amp_scale is not None:
            values[tags.AMP_SKIPPED] = float(self._amp_skipped)
            self._amp_skipped = 0
        return values

    def _settle(self, step_s: float) -> None:
        news = self._budget.settle(step_s, self._probe_s, self._post.unread)
        self._probe_s = 0.0
        self._recorder.overhead = self._budget.overhead
        self._recorder.thinned = self._budget.thinned
        if news:
            what = ", ".join(f"{name} every {every} steps" for name, every in news.items())
            self._tell(
                "thinned", f"to stay within {self._budget.share:.1%} of the step, and to be read in time: {what}", news
            )

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._criterion.detach()
        self._complete_pending_step()
        if self._forwards:  # a pass that never got to its step: where the script raised in it, it tells why
            self._introduce(self._steps_done)
            self._emit()
        sheet = Sheet(self._recorder.step, time.time(), {}, False)
        last_words = [*self._inputs.last_words(), *self.held_out.last_words()]
        if self._warnings is not None:
            last_words.append((self._hearing, self._warnings))
        self._recorder.put(self._post.record(sheet, last_words))

    # --- events -------------------------------------------------------------------------------------------------

    def _tell(self, kind: str, text: str, data: Mapping[str, Any] | None = None) -> None:
        self._recorder.put(wire.Event(self._recorder.step, time.time(), kind, text, dict(data or {})))

    def _tell_no_backward(self) -> None:
        text = f"{FORWARDS_WITHOUT_BACKWARD} forward passes in training mode and no backward pass yet"
        self._tell("no_backward", text)

    def _tell_if_dropped(self) -> None:
        if self._post.courier.dropped and not self._told_dropped:
            self._told_dropped = True
            self._tell(
                "dropped", "the measurements of a step were dropped: they could not be carried off, or read, in time"
            )


def _asks_for_shapes(args: Sequence[Any]) -> bool:
    """As Keras does of a model that it builds: with tensors that hold nothing."""
    return any(tensor.is_meta for tensor in tensors_in(args))


def _tell_warnings(ear: Ear, sheet: Sheet) -> None:
    for heard in ear.take():
        sheet.tell("warning", heard.text[:MAX_TEXT], category=heard.category, place=heard.place, in_worker=heard.worker)


def _decode_amp_scale(arrived: Sequence[Tensor], sheet: Sheet) -> None:
    sheet.values[tags.AMP_SCALE] = float(arrived[0])
