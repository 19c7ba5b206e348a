"""In what runs differ: what they were told, what they train, where they run.  Only what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dettui.charts.numbers import MISSING, count
from dettui.domain.frame import RunFrame


class Difference(NamedTuple):
    """One thing that is not the same everywhere: each value with the places of the runs that have it."""

    name: str
    values: Mapping[str, tuple[int, ...]]  # indices of the runs


def differences(runs: Sequence[RunFrame]) -> tuple[Difference, ...]:
    """What differs between *runs*, in the order: configuration, arguments, model, place."""
    facts = [dict(_facts(run)) for run in runs]
    names = dict.fromkeys(name for fact in facts for name in fact)
    found = []
    for name in names:
        values: dict[str, list[int]] = {}
        for index, fact in enumerate(facts):
            values.setdefault(fact.get(name, MISSING), []).append(index)
        if len(values) > 1:
            found.append(Difference(name, {value: tuple(indices) for value, indices in values.items()}))
    return tuple(found)


def _facts(run: RunFrame) -> Iterator[tuple[str, str]]:
    yield from _flat("", run.info.config)
    yield from _arguments(run.info.argv[1:], set(run.info.config))
    if run.info.argv:
        yield "script", run.info.argv[0]
    yield from _plan(run)
    yield from _model(run)
    yield "host", run.info.host
    yield "directory", run.info.cwd


def _flat(prefix: str, config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", f"{value:g}" if isinstance(value, float) else str(value)


def _arguments(arguments: Sequence[str], known: set[str]) -> Iterator[tuple[str, str]]:
    """Options with their values, less those that the configuration tells already; then the rest as they stand."""
    rest: list[str] = []
    name = ""
    for argument in (*arguments, "--"):
        if name and not argument.startswith("--"):
            yield name, argument
            name = ""
            continue
        if name:
            yield name, "given"
            name = ""
        if argument.startswith("--") and "=" in argument:
            option, _, value = argument.partition("=")
            if option.lstrip("-").replace("-", "_") not in known:
                yield option, value
        elif argument.startswith("--"):
            bare = argument.lstrip("-").replace("-", "_")
            name = argument if bare and bare not in known else ""
        elif argument:
            rest.append(argument)
    if rest:
        yield "arguments", " ".join(rest)


def _plan(run: RunFrame) -> Iterator[tuple[str, str]]:
    if run.info.total_steps is not None:
        yield "total steps", count(run.info.total_steps)
    if run.info.steps_per_epoch is not None:
        yield "steps per epoch", count(run.info.steps_per_epoch)
    if run.info.world > 1:
        yield "ranks", count(run.info.world)
    if run.info.class_names:
        yield "classes", ", ".join(run.info.class_names)


def _model(run: RunFrame) -> Iterator[tuple[str, str]]:
    model = run.model
    if model is None:
        return
    yield "model", model.family
    yield "optimizer", model.optimizer
    yield "parameters", count(model.parameters)
    yield "trainable", count(model.trainable)
    if model.num_classes is not None:
        yield "size of the head", count(model.num_classes)
