"""The places where torch is wrapped while a run is watched, because it offers no hook there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from dettui_probe.capture.torchlib import Optimizer, Tensor, torch

T = TypeVar("T")


class Listener(Protocol):
    """What is told of the wrapped calls.  None of these raises."""

    def backward_begins(self, tensors: Sequence[Tensor]) -> None: ...

    def backward_ended(self) -> None: ...

    def clipped(self, max_norm: object) -> None: ...

    def loss_scaled(self, scaled: object, loss: object, scale: Tensor | None) -> None: ...

    def amp_step(self, optimizer: Optimizer, take_step: Callable[[], T]) -> T: ...


class Patch:
    """One attribute that is replaced by a wrapper of itself until ``undo``."""

    def __init__(self, owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._owner = owner
        self._name = name
        self._original = getattr(owner, name)
        self._wrapper = functools.wraps(self._original)(wrap(self._original))
        setattr(owner, name, self._wrapper)

    def undo(self) -> None:
        """Put the original back.  Where somebody wrapped us since, theirs stays, and calls us to no effect."""
        if getattr(self._owner, self._name, None) is self._wrapper:
            setattr(self._owner, self._name, self._original)


def patch_all(listener: Listener) -> list[Patch]:
    """Wrap ``torch.autograd.backward``, gradient clipping and ``GradScaler``."""
    scaler = torch.amp.GradScaler
    return [
        Patch(torch.autograd, "backward", lambda original: _backward(original, listener)),
        _clip_patch(listener),
        Patch(scaler, "scale", lambda original: _scale(original, listener)),
        Patch(scaler, "step", lambda original: _scaler_step(original, listener)),
    ]


def _backward(original: Callable[..., None], listener: Listener) -> Callable[..., None]:
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
        listener.backward_begins((tensors,) if isinstance(tensors, Tensor) else tuple(tensors))
        original(tensors, *args, **kwargs)
        listener.backward_ended()

    return backward


def _clip_patch(listener: Listener) -> Patch:
    """``clip_grad_norm_`` looks up a helper in its module, so that this also sees it where it was imported by name.
    Before torch 2.6 there is no such helper."""
    module = torch.nn.utils.clip_grad

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def clip(parameters: Any, max_norm: Any, *args: Any, **kwargs: Any) -> Any:
            listener.clipped(max_norm)
            return original(parameters, max_norm, *args, **kwargs)

        return clip

    if hasattr(module, "_clip_grads_with_norm_"):
        return Patch(module, "_clip_grads_with_norm_", wrap)
    return Patch(torch.nn.utils, "clip_grad_norm_", wrap)


def _scale(original: Callable[..., Any], listener: Listener) -> Callable[..., Any]:
    def scale(self: Any, outputs: Any) -> Any:
        scaled = original(self, outputs)
        listener.loss_scaled(scaled, outputs, getattr(self, "_scale", None))
        return scaled

    return scale


def _scaler_step(original: Callable[..., Any], listener: Listener) -> Callable[..., Any]:
    def step(self: Any, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        return listener.amp_step(optimizer, lambda: original(self, optimizer, *args, **kwargs))

    return step
