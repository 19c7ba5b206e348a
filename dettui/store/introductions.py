"""What a run says about itself, made safe: the one place where its strings and its sizes become ours."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dettui.domain.run import ModelInfo, RunInfo
from dettui.store.text import MAX_TEXT, clean, clean_lines, clean_mapping
from dettui_probe import wire

_MAX_ARGUMENTS = 200
_MAX_NAMES = 10_000
_MAX_CLASSES = 100_000  # a head with more is none: whoever counts by class must not fill the memory
_LATEST = 4e9  # seconds since the epoch, in 2096: what no calendar can print is no time


def run_info(hello: wire.Hello) -> RunInfo:
    """Who the run is."""
    return RunInfo(
        id=clean(hello.run),
        name=clean(hello.name) or clean(hello.run),
        host=clean(hello.host),
        pid=hello.pid,
        rank=hello.rank,
        world=hello.world,
        started=_moment(hello.started),
        argv=tuple(clean(argument, MAX_TEXT) for argument in hello.argv[:_MAX_ARGUMENTS]),
        cwd=clean(hello.cwd, MAX_TEXT),
        config=clean_mapping(hello.config),
        class_names=names(hello.class_names),
        total_steps=hello.total_steps,
        steps_per_epoch=hello.steps_per_epoch,
        group=clean(hello.group),
        start_step=max(hello.start_step, 0),
    )


def names(of_classes: Sequence[str]) -> tuple[str, ...]:
    """The names of its classes."""
    return tuple(clean(name) for name in of_classes[:_MAX_NAMES])


def model_info(model: wire.Model) -> ModelInfo:
    """What it trains."""
    return ModelInfo(
        family=clean(model.family),
        num_classes=_class_id(model.num_classes),
        background=_class_id(model.background),
        parameters=model.parameters,
        trainable=model.trainable,
        held=model.held,
        missing=tuple(clean(name) for name in model.missing[:64]),
        strangers=model.strangers,
        optimizer=clean(model.optimizer),
        in_training_mode=model.in_training_mode,
        box_format=clean(model.box_format),
        box_scale=clean(model.box_scale),
    )


def clean_beat(beat: wire.Beat) -> wire.Beat:
    """*beat* with safe strings."""
    thinned = {clean(name): every for name, every in list(beat.thinned.items())[:_MAX_ARGUMENTS]}
    return msgspec.structs.replace(beat, phase=clean(beat.phase), thinned=thinned)


def tag_names(tags: wire.Tags) -> tuple[str, ...]:
    """Names of its columns."""
    return tuple(clean(name) for name in tags.names)


def clean_event(event: wire.Event) -> wire.Event:
    """*event* with safe strings."""
    return msgspec.structs.replace(
        event, kind=clean(event.kind), text=clean(event.text, MAX_TEXT), data=clean_mapping(event.data)
    )


def _moment(time: float) -> float:
    """*time* where it is one; 0 else, and for NaN."""
    return time if 0.0 <= time <= _LATEST else 0.0


def _class_id(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= _MAX_CLASSES else None


def clean_bye(bye: wire.Bye) -> wire.Bye:
    """*bye* with safe strings; the traceback keeps its lines."""
    return msgspec.structs.replace(bye, reason=clean(bye.reason), text=clean_lines(bye.text))
