"""Optimizers that are none of torch's and call none of its hooks: fastai's and Keras's own."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from dettui_probe.after_import import after_import
from dettui_probe.capture.patches import Patch
from dettui_probe.capture.torchlib import Optimizer
from dettui_probe.fence import Fence, Ledger

Groups = list[dict[str, Any]]


class Listener(Protocol):
    """What is told of the steps.  Neither of these raises."""

    def optimizer_begins(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None: ...

    def optimizer_ended(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None: ...


class Kind(NamedTuple):
    """The optimizers of one library, and how to read them as one of torch's."""

    module: str
    owner: str
    method: str  # that takes the step
    groups: Callable[[Any, Sequence[Any]], Groups]  # of the optimizer and the method's arguments
    name: Callable[[Any], str]


class StandIn:
    """What the instruments read of an optimizer, for one that has it under other names."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.param_groups: Groups = []
        self.state: Mapping[Any, Any] = {}


def name_of(optimizer: Optimizer | StandIn) -> str:
    """What the user calls *optimizer*."""
    return optimizer.name if isinstance(optimizer, StandIn) else type(optimizer).__name__


class ForeignSteps:
    """Tells *listener* the steps of those optimizers, from when their library is imported until ``undo``."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._patches: list[Patch] = []
        self._waiting = [after_import(kind.module, functools.partial(self._wrap, kind)) for kind in KINDS]

    def _wrap(self, kind: Kind) -> None:
        owner = getattr(sys.modules[kind.module], kind.owner, None)
        if hasattr(owner, kind.method):
            self._patches.append(
                Patch(owner, kind.method, lambda original: _told(original, kind, self._listener)),
            )

    def undo(self) -> None:
        """Take every wrapper off, and wait for no library any longer."""
        for give_up in self._waiting:
            give_up()
        for patch in self._patches:
            patch.undo()


def _told(original: Callable[..., Any], kind: Kind, listener: Listener) -> Callable[..., Any]:
    known: weakref.WeakKeyDictionary[Any, StandIn] = weakref.WeakKeyDictionary()
    fence: Final = Fence(kind.module, Ledger(lambda part, text: None))
    # Another version of the library may be made otherwise: the steps are then told by the weights that change.

    def stand_in_for(optimizer: Any, args: Sequence[Any]) -> Any:
        stand_in = known.get(optimizer) or known.setdefault(optimizer, StandIn(kind.name(optimizer)))
        stand_in.param_groups = kind.groups(optimizer, args)
        return stand_in

    def step(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        stand_in = fence.run(stand_in_for, optimizer, args)
        if stand_in is not None:
            listener.optimizer_begins(stand_in, (), {})
        result = original(optimizer, *args, **kwargs)
        if stand_in is not None:
            listener.optimizer_ended(stand_in, (), {})
        return result

    return step


def _fastai_groups(optimizer: Any, _args: Sequence[Any]) -> Groups:
    return [
        _known(params=list(params), lr=hyper.get("lr"), momentum=hyper.get("mom"), weight_decay=hyper.get("wd"))
        for params, hyper in zip(optimizer.param_lists, optimizer.hypers, strict=True)
    ]


def _fastai_name(optimizer: Any) -> str:
    """It is put together from functions; the last one takes the step: ``adam_step``."""
    step = getattr(optimizer.cbs[-1], "__name__", "")
    names = {"momentum_step": "SGD", "sgd_step": "SGD", "rms_prop_step": "RMSProp", "qhadam_step": "QHAdam",
             "radam_step": "RAdam"}  # fmt: skip
    return names.get(step, step.removesuffix("_step").capitalize() or type(optimizer).__name__)


def _keras_groups(optimizer: Any, args: Sequence[Any]) -> Groups:
    _, variables, rate = args
    params, rate = [_value(variable) for variable in variables], _value(rate)
    momentum = getattr(optimizer, "beta_1", None) or getattr(optimizer, "momentum", None)
    return [_known(params=params, lr=rate, momentum=momentum, weight_decay=optimizer.weight_decay)]


def _value(variable: Any) -> Any:
    return getattr(variable, "value", variable)


def _known(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


KINDS: Final = (
    Kind("fastai.optimizer", "Optimizer", "step", _fastai_groups, _fastai_name),
    Kind(
        "keras.src.backend.torch.optimizers.torch_parallel_optimizer",
        "TorchParallelOptimizer",
        "_backend_update_step",
        _keras_groups,
        lambda optimizer: type(optimizer).__name__,
    ),
)
