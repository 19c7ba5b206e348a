"""The mode without a line of code: finds the model that a script trains, and watches it from that very call on.

Until it is found, every outermost call of a module passes through here; afterwards ``nn.Module.__call__`` is as torch
made it, as it is while any such call lasts.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe import identity
from dettui_probe.capture.attach import attach, capture_of, watched_model
from dettui_probe.capture.coverage import params_of
from dettui_probe.capture.entrances import CalledParts, common_owner, entrances_of, is_part, whole_of
from dettui_probe.capture.patches import Patch
from dettui_probe.capture.torchlib import Optimizer, nn, register_optimizer_step_post_hook, torch
from dettui_probe.contract import Contract
from dettui_probe.fence import Fence, Ledger
from dettui_probe.start import current_run, start_run
from dettui_probe.unwatched import is_unwatched

MOST_SEARCHES: Final = 8
"""For what a called module is a part of: each looks at every object of the process."""
UNEXPLAINED: Final = 2
"""Optimizer steps before which nothing was called in training mode: a script that never asks for it, or a head on a
frozen body that is kept in evaluation mode."""
MOST_RUNS: Final = 64
"""Of one process: a script that trains more models than that is searching, and its later ones go unwatched."""


class Wanted(NamedTuple):
    """What the command line asked for."""

    name: str | None = None
    budget: float = 0.01
    total_steps: int | None = None
    contract: Contract | None = None


CALLS: Final = 64
"""Of a guess, after which it is settled though no optimizer of torch has stepped: fastai and Keras have their own."""


class Search:
    """Waits for the outermost module that is called in training mode, with gradients, and with something to train; in
    evaluation mode where no other explains the steps of an optimizer.

    The first such call need not be of the model: trainers call a part, or a model that they replace later, to learn
    its strides or sizes.  So the one found is a guess until it is called again after an optimizer's step.  Until then
    it gives way to a module that it is a part of, and to one that is called before a step and after it while the guess
    is not: whoever takes no part in a step is not what is trained.  Where another part of the same module is called
    before the first step, such as the head behind the encoder, both are watched as parts of it.

    Where the script trains another model when it is done with the one that was found, as it does for its next fold or
    for the student of a teacher, the run is finished and another one begins with that model: the *number*-th, after the
    one that is *left*.
    """

    def __init__(self, wanted: Wanted, left: nn.Module | None = None, number: int = 1) -> None:
        self._wanted = wanted
        self._left = left
        self._number = number
        self._fence: Final = Fence("launcher", Ledger(lambda part, text: None))
        self._guess: nn.Module | None = None
        self._begun: tuple[nn.Module, tuple[Any, ...], dict[str, Any]] | None = None  # the first call of the guess
        self._others: dict[nn.Module, int] = {}  # called since the guess was: after how many steps
        self._searches = 0
        self._steps = 0  # of any optimizer, since the guess was made
        self._calls = 0  # of the guess
        self._stepped: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._counting = register_optimizer_step_post_hook(lambda optimizer, *_: self._step_ended(optimizer))
        self._listen()

    def _listen(self) -> None:
        self._patch = Patch(nn.Module, "__call__", self._wrap)

    def _wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if not torch.compiler.is_compiling():  # nothing of ours becomes part of a compiled graph
                self._fence.run(self._consider, module, args, kwargs)
            return original(module, *args, **kwargs)

        return call

    def _consider(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if is_unwatched():
            return
        if self._script_watches():
            self._end()
        elif module is self._left:
            if _trains(module):  # it was not over
                self._end()
        elif self._may_be_trained(module):
            self._patch.undo()
            if self._guess is None:
                self._begun = (module, args, kwargs)
            if self._is_settled(module):
                self._end()
            else:
                self._listen_after(module)

    def _may_be_trained(self, module: nn.Module) -> bool:
        """In training mode; in evaluation mode as well where optimizers step and nothing was called in the other."""
        if _trains(module):
            return True
        unexplained = self._guess is None and self._steps >= UNEXPLAINED
        return (unexplained or module is self._guess) and _could_learn(module) and self._is_stepped(module)

    def _is_stepped(self, module: nn.Module) -> bool:
        """Whether an optimizer that stepped holds parameters of *module*: one that makes a picture, or a point of a
        latent space, steps as well, and the network that it asks is not trained."""
        held = {id(param) for optimizer in self._stepped for param in params_of([optimizer])}
        return any(id(param) in held for param in module.parameters())

    def _script_watches(self) -> bool:
        """Whether the script chose what is watched: it knows better."""
        run = current_run()
        watched = None if run is None else watched_model(run)
        return watched is not None and watched is not self._guess and watched is not self._left

    def _is_settled(self, module: nn.Module) -> bool:
        """Whether the call of *module* tells that the right one is watched, which may become *module* by it."""
        guess = self._guess
        if guess is None or is_part(whole_of(guess), module) or self._is_called_as_a_whole_now(module):
            self._watch(module)
            return False
        if _is_one_of(entrances_of(guess), module):
            self._others.clear()
            self._begun = None  # another pass begins
            self._calls += 1
            return self._steps > 0 or self._calls >= CALLS
        if any(is_part(module, entrance) for entrance in entrances_of(guess)):
            return False
        if module not in self._others and not self._steps:
            self._watch_with(guess, module)
        if self._others.setdefault(module, self._steps) < self._steps:
            self._watch(module)
            return True
        return False

    def _is_called_as_a_whole_now(self, module: nn.Module) -> bool:
        return isinstance(self._guess, CalledParts) and whole_of(self._guess) is module

    def _watch_with(self, guess: nn.Module, module: nn.Module) -> None:
        """Watch *module* beside the guess, where both are parts of another one.  Its pass had begun with the guess."""
        self._searches += 1
        owner = common_owner(whole_of(guess), module) if self._searches <= MOST_SEARCHES else None
        if owner is None:
            return
        self._watch(CalledParts(owner, [*entrances_of(guess), module]))
        run = current_run()
        capture = None if run is None else capture_of(run)
        if capture is not None and self._begun is not None:
            first, args, kwargs = self._begun
            capture.watcher.forward_begins(first, args, kwargs)
            capture.watcher.forward_ended(first, args, None)

    def _watch(self, module: nn.Module) -> None:
        self._guess, self._steps, self._calls = module, 0, 0
        self._others.clear()
        wanted = self._wanted
        if self._left is not None:
            self._leave()
        run = start_run(self._name(), total_steps=wanted.total_steps)
        if run.active:
            over = self._follow if self._may_be_followed() else None
            attach(run, module, budget=wanted.budget, guessed=True, contract=wanted.contract, when_over=over)

    def _leave(self) -> None:
        """Finish the run of the model before."""
        self._left, run = None, current_run()
        if run is not None:
            run.event("watch", "another model is trained from here on: it is a run of its own")
            run.finish()

    def _name(self) -> str | None:
        name = self._wanted.name
        return name if name is None or self._number == 1 else f"{name} {self._number}"

    def _may_be_followed(self) -> bool:
        """Whether another run may begin in this process: one whose id is given, or that ranks have in common, is all
        that there is."""
        alone = identity.place(os.environ).world == 1 and not os.environ.get("DETTUI_RUN")
        return alone and self._number < MOST_RUNS

    def _follow(self) -> None:
        run = current_run()
        Search(self._wanted, None if run is None else watched_model(run), self._number + 1)

    def _listen_after(self, module: nn.Module) -> None:
        """Go on once the call of *module* has ended: what it calls inside are its parts."""

        def ended(*_: object) -> None:
            handle.remove()
            self._listen()

        handle = module.register_forward_hook(ended)

    def _step_ended(self, optimizer: Optimizer) -> None:
        self._stepped.add(optimizer)
        self._steps += 1
        self._begun = None

    def _end(self) -> None:
        self._patch.undo()
        self._counting.remove()
        self._guess = self._begun = None
        self._others.clear()


def _trains(module: nn.Module) -> bool:
    return module.training and _could_learn(module)


def _could_learn(module: nn.Module) -> bool:
    return torch.is_grad_enabled() and any(param.requires_grad for param in module.parameters())


def _is_one_of(modules: Sequence[nn.Module], module: nn.Module) -> bool:
    return any(module is one for one in modules)
