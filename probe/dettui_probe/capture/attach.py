"""Puts the hooks on, and takes every one of them off again."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Sequence
from typing import Final

from dettui_probe.capture.activations import named_hooks
from dettui_probe.capture.anchors import anchor_hooks
from dettui_probe.capture.assignment import assignment_patches
from dettui_probe.capture.entrances import entrances_of, whole_of
from dettui_probe.capture.foreign import ForeignSteps
from dettui_probe.capture.inert import LiveHook
from dettui_probe.capture.patches import patch_all
from dettui_probe.capture.surest import AnswerWatch
from dettui_probe.capture.torchlib import (
    Optimizer,
    nn,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from dettui_probe.capture.watcher import Watcher, Wishes
from dettui_probe.contract import Contract
from dettui_probe.heard import listen
from dettui_probe.run import Run

_captures: Final[weakref.WeakKeyDictionary[Run, Capture]] = weakref.WeakKeyDictionary()


class Capture:
    """The hooks of one run on one model."""

    def __init__(self, run: Run, model: nn.Module, wishes: Wishes) -> None:
        self.model = model
        self.watcher = Watcher(run, model, wishes)
        self.ear = listen()
        self.ear.follow_workers()
        self.watcher.hear(self.ear)
        with contextlib.ExitStack() as undo:  # whatever fails halfway, nothing of ours stays on
            self._install(undo)
            self._undo = undo.pop_all()

    def _install(self, undo: contextlib.ExitStack) -> None:
        watcher, model = self.watcher, self.model
        undo.callback(watcher.held_out.close)
        answers = AnswerWatch(model, watcher)
        backbone = _backbone_of(model)
        if backbone is not None:
            undo.callback(backbone.register_forward_pre_hook(LiveHook(watcher.backbone_begins)).remove)
        for entrance in entrances_of(model):
            begins = entrance.register_forward_pre_hook(LiveHook(watcher.forward_begins), with_kwargs=True)
            undo.callback(begins.remove)
            undo.callback(entrance.register_forward_hook(LiveHook(watcher.forward_ended)).remove)
        for handle in (
            register_optimizer_step_pre_hook(watcher.optimizer_begins),
            register_optimizer_step_post_hook(watcher.optimizer_ended),
        ):
            undo.callback(handle.remove)
        for layer, hook in named_hooks(model, watcher.activated):
            undo.callback(layer.register_forward_hook(LiveHook(hook)).remove)
        for part, live in (*answers.hooks(), *anchor_hooks(model, LiveHook(watcher.anchors_made))):
            undo.callback(part.register_forward_hook(live).remove)
        undo.callback(ForeignSteps(watcher).undo)
        for patch in (*patch_all(watcher), *assignment_patches(model, watcher), *answers.patches()):
            undo.callback(patch.undo)

    def detach(self) -> None:
        """Take off every hook, put back every function, and hand over what is left.  Idempotent."""
        self._undo.close()
        self.watcher.close()

    def abandon(self) -> None:
        """As ``detach``, with nothing handed over: this was not the model that is trained."""
        self._undo.close()
        self.watcher.abandon()


def attach(
    run: Run,
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    *,
    class_names: Sequence[str] = (),
    budget: float = 0.01,
    guessed: bool = False,
    contract: Contract | None = None,
    when_over: Callable[[], None] | None = None,
) -> Capture:
    """Watch the training of *model* for *run*, spending at most *budget* (a share of each step).

    Optimizers that are not given are found at their first step.  A second call with the same model only adds its
    optimizers; one with another model moves the run to that model.  *guessed*: nobody said that *model* is all that
    is trained, or that it is the one; what was seen of a model guessed before is forgotten.  *contract*: how boxes
    and class ids have to arrive, where the user says so.  *when_over* is called once another model is trained in the
    place of *model*.
    """
    capture = _captures.get(run)
    if capture is not None and capture.model is not model:
        before, now = whole_of(capture.model), whole_of(model)
        if now is not before:
            text = f"now watching a {type(now).__name__} instead of the {type(before).__name__} before"
            run.event("watch", text)
        if guessed:
            capture.abandon()
        else:
            capture.detach()
        capture = None
    if capture is None:
        capture = _captures[run] = Capture(run, model, Wishes(budget, guessed, contract, when_over))
        run.at_finish(capture.detach)
        run.at_finish(capture.ear.close)
    for given in _as_list(optimizer):
        if not capture.watcher.parameters.is_ours(given):
            capture.watcher.parameters.add(given)
    return capture


def capture_of(run: Run) -> Capture | None:
    """The hooks of *run*, if it has some."""
    return _captures.get(run)


def watched_model(run: Run) -> nn.Module | None:
    """The model that is watched for *run*, if one is."""
    capture = capture_of(run)
    return None if capture is None else capture.model


def _as_list(optimizer: Optimizer | Sequence[Optimizer] | None) -> Sequence[Optimizer]:
    if optimizer is None:
        return ()
    return [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)


def _backbone_of(model: nn.Module) -> nn.Module | None:
    """The submodule that detectors of every family call "backbone"."""
    return next((module for name, module in model.named_modules() if name.rpartition(".")[2] == "backbone"), None)
