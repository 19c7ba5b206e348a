"""Which call makes the loss: a criterion module, a function of ``torch.nn.functional``, or the model itself.

``torch.nn.functional`` looks its kernels up when it is called, so that a wrapped kernel is seen however the script
imported the function, and the function itself stays as torch made it, for ``torch.compile`` too.  Kernels are wrapped,
and modules hooked, only between an answer of the model and whatever follows: see ``HeldOut``.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from dettui_probe.capture.entrances import CalledParts, entrances_of
from dettui_probe.capture.inert import LiveHook
from dettui_probe.capture.torchlib import StorageWeakRef, Tensor, as_mapping, is_scalar, nn, tensors_in, torch

_KERNELS: Final = (
    (torch._C._nn, "cross_entropy_loss", 1),
    (torch._C._nn, "nll_loss_nd", 1),
    (torch._C._nn, "mse_loss", 0),
    (torch._C._nn, "l1_loss", 0),
    (torch._C._nn, "smooth_l1_loss", 0),
    (torch._C._nn, "huber_loss", 0),
    (torch._C._nn, "binary_cross_entropy", 1),
    (torch._C._nn, "soft_margin_loss", 0),
    (torch, "binary_cross_entropy_with_logits", 2),
)
"""What the loss functions end in.  Each is called with the input, the target, and the settings, among which the
reduction has this place."""
_MOST_CRITERIA: Final = 256
_MEAN: Final = 1  # at::Reduction
_COMBINED: Final = ("AddBackward0", "SubBackward0")
_SCALED: Final = ("MulBackward0", "DivBackward0", "NegBackward0")


class Field(NamedTuple):
    """The model returns its loss: under this name, at this place, or as all it returns (None)."""

    key: object


class Kernel(NamedTuple):
    """A function, with the settings that it was called with; tensors among them by their memory."""

    name: str
    settings: tuple[object, ...]

    @property
    def is_mean(self) -> bool:
        """Whether it averages over the batch."""
        place = next(place for _, name, place in _KERNELS if name == self.name)
        return self.settings[place : place + 1] == (_MEAN,)


class Criterion(NamedTuple):
    """A module that is called on the answer."""

    module: nn.Module


Maker: TypeAlias = Field | Kernel | Criterion


class Call(NamedTuple):
    """One call that made a scalar after the model had answered."""

    maker: Maker
    on_answer: bool  # given the memory of the answer itself
    width: tuple[int, ...]  # shape of a row of its first argument

    def is_as(self, learnt: Call) -> bool:
        """Whether this is the call that was *learnt* from training."""
        if type(self.maker) is not type(learnt.maker) or self.maker != learnt.maker:
            return False
        return self.on_answer or (not learnt.on_answer and self.width == learnt.width)


def scalars_of(answer: object) -> Iterator[tuple[Field, Tensor]]:
    """The numbers that the model returned, each of which may be its loss."""
    if is_scalar(answer):
        yield Field(None), answer  # type: ignore[misc]
        return
    mapping = as_mapping(answer)
    places = mapping.items() if mapping is not None else enumerate(answer) if isinstance(answer, list | tuple) else ()
    yield from ((Field(key), value) for key, value in places if is_scalar(value))


def field_of(answer: object, field: Field) -> Tensor | None:
    """What the model returned there; None where that is no number."""
    return next((value for place, value in scalars_of(answer) if place == field), None)


class Answer:
    """The memory of what the model returned, which is neither held nor, while this lives, mistaken for another."""

    def __init__(self, answer: object) -> None:
        self._memory = {memory_of(tensor) for tensor in _tensors(answer)}

    def is_among(self, args: Sequence[object]) -> bool:
        """Whether one of *args* is, or shows, what was returned."""
        return any(memory_of(tensor) in self._memory for arg in args for tensor in _tensors(arg))


def _tensors(value: object) -> Iterator[Tensor]:
    mapping = as_mapping(value)
    inner = [value] if mapping is None else list(mapping.values())
    yield from (tensor for tensor in tensors_in(inner if mapping is not None else _opened(value)) if _is_plain(tensor))


def _opened(value: object) -> Sequence[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_plain(tensor: Tensor) -> bool:
    """Neither a tensor of somebody else's kind nor one without memory."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided


class Memory(NamedTuple):
    """Of a tensor: known again, and not mistaken for another, without being held."""

    storage: StorageWeakRef


def memory_of(tensor: Tensor) -> Memory:
    return Memory(StorageWeakRef(tensor.untyped_storage()))  # type: ignore[no-untyped-call]


class Taps:
    """Listens, while open, to the calls that make scalars.

    Whatever is heard goes through *offer*, which never raises; *heard* is given who made a scalar, of what, and the
    scalar.
    """

    def __init__(
        self, offer: Callable[..., None], heard: Callable[[Criterion | Kernel, Sequence[object], Tensor], None]
    ) -> None:
        self._heard = heard
        self._module_hook = LiveHook(functools.partial(offer, self._module_ran))
        kernel_ran = functools.partial(offer, self._kernel_ran)
        self._kernels = {name: _Tap(owner, name, kernel_ran) for owner, name, _ in _KERNELS if hasattr(owner, name)}
        self._open: list[Callable[[], None]] = []

    def open(self, maker: Maker | None, criteria: Sequence[nn.Module] = ()) -> None:
        """Listen to *maker*, or, where it is not known, to the functions and to these *criteria*."""
        for module in (maker.module,) if isinstance(maker, Criterion) else criteria:
            self._open.append(module.register_forward_hook(self._module_hook).remove)
        for name, tap in self._kernels.items():
            if maker is None or (isinstance(maker, Kernel) and maker.name == name):
                self._open.append(tap.take_off)
                tap.put_on()

    def close(self) -> None:
        """Leave everything as it was."""
        while self._open:
            self._open.pop()()

    def _module_ran(self, module: nn.Module, args: Sequence[object], result: object) -> None:
        if type(result) is Tensor and is_scalar(result):
            self._heard(Criterion(module), args, result)

    def _kernel_ran(self, name: str, args: Sequence[object], kwargs: dict[str, object], result: object) -> None:
        if type(result) is Tensor and is_scalar(result):
            settings = [_setting(value) for value in (*args[2:], *kwargs.keys(), *kwargs.values())]
            self._heard(Kernel(name, tuple(settings)), args[:2], result)


def _setting(value: object) -> object:
    return memory_of(value) if isinstance(value, Tensor) and _is_plain(value) else value


def possible_criteria(model: nn.Module) -> list[nn.Module]:
    """The modules of the process that have nothing to train and are called beside *model*.

    Looks at every object that Python tracks, some 50 ms in a large process.  A hook on all modules would see them, too,
    but torch warns of it wherever a compiled module is called; and compiled ones are left as they are.
    """
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), nn.Module)]
    inside = [*entrances_of(model), model, *(one for one in found if type(one).__name__ == "OptimizedModule")]
    known = {id(part) for whole in inside if not isinstance(whole, CalledParts) for part in whole.modules()}
    beside = [
        one for one in found if id(one) not in known and not isinstance(one, CalledParts | torch.jit.ScriptModule)
    ]
    return [one for one in beside if _may_be_a_loss(one)][:_MOST_CRITERIA]


def _may_be_a_loss(module: nn.Module) -> bool:
    """False for what can be trained, and for the layers of torch."""
    home = type(module).__module__
    is_layer = home.startswith("torch.nn.") and not home.endswith(".loss")
    return not is_layer and next(module.parameters(), None) is None


class _Tap:
    """A function of torch, wrapped again and again, always by the same wrapper: compiled code may have met it."""

    def __init__(self, owner: Any, name: str, ran: Callable[..., None]) -> None:
        self._owner, self._name, self._ran = owner, name, ran
        self._original: Any = None
        self._wrapper: Any = None

    def put_on(self) -> None:
        present = getattr(self._owner, self._name)
        if present is not self._original:
            self._original, self._wrapper = present, self._wrapped(present)
        setattr(self._owner, self._name, self._wrapper)

    def take_off(self) -> None:
        """Where somebody wrapped us since, theirs stays, and calls us to no effect."""
        if getattr(self._owner, self._name) is self._wrapper:
            setattr(self._owner, self._name, self._original)

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        name, ran = self._name, self._ran

        @functools.wraps(original)
        def kernel(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if not torch.compiler.is_compiling():
                ran(name, args, kwargs, result)
            return result

        return kernel


def is_averaged(maker: Maker, node: Any) -> bool:
    """Whether the scalar that *maker*, and *node* of autograd, made is a mean: it does not grow with the batch."""
    return maker.is_mean if isinstance(maker, Kernel) else _is_mean(node)


def _is_mean(node: Any) -> bool:
    name, made_of = node.name(), [made for made, _ in node.next_functions if made is not None]
    if name.startswith("MeanBackward") or getattr(node, "_saved_reduction", None) == _MEAN:
        return True
    if name in _COMBINED or (name in _SCALED and len(made_of) == 1):
        return bool(made_of) and all(map(_is_mean, made_of))
    return False
