"""From arrays to the messages that a probe would send for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dettui_probe import wire

Dense: TypeAlias = ArrayLike  # a scalar for every step, or one value a step
Sparse: TypeAlias = Mapping[int, float]  # step -> value
Values: TypeAlias = Dense | Sparse

START = 1_700_000_000.0
ROWS_PER_BATCH = 50


@dataclass(frozen=True)
class Setting:
    """What a run says of itself besides its series."""

    name: str = "scenario"
    run: str = "scenario"
    boot: str = "00000000000000aa"
    family: str | None = "torchvision.FasterRCNN"  # None: no Model message
    num_classes: int | None = 4  # of the head, background included
    background: int | None = 0
    parameters: int = 100_000
    trainable: int = 100_000
    held: int = 100_000
    missing: tuple[str, ...] = ()
    strangers: int = 0
    optimizer: str = "SGD"
    in_training_mode: bool = True
    box_format: str = ""
    box_scale: str = ""
    class_names: tuple[str, ...] = ("background", "circle", "square", "triangle")
    total_steps: int | None = None
    steps_per_epoch: int | None = None
    first_step: int = 1
    start_step: int = 0  # as the script said
    step_s: float = 0.1
    targets: Sequence[float] = ()  # expected boxes per step and class id; () sends no Counts
    predictions: Sequence[float] = ()
    events: Sequence[wire.Event] = ()
    reason: str | None = "finished"  # of the goodbye; None: the run is still going
    config: Mapping[str, object] = field(default_factory=dict)


def run_messages(steps: int, *, setting: Setting | None = None, **series: Values) -> list[wire.AnyMessage]:
    """A run of *steps* steps: Hello, Tags, Model, then its rows, counts and events in order of step, then Bye.

    Tags hold slashes, hence ``run_messages(300, **{"loss/total": curve, "lr/pg0": 0.01, "eval/mAP": {100: 0.2}})``.
    """
    setting = setting or Setting()
    dense = {tag: _column(values, steps) for tag, values in series.items() if not isinstance(values, Mapping)}
    sparse = {tag: values for tag, values in series.items() if isinstance(values, Mapping)}
    names = [*dense, *sparse]
    opening: list[wire.AnyMessage] = [hello(setting), wire.Tags(0, names)]
    if setting.family is not None:
        opening.append(model(setting))
    body = [*_batches(dense, sparse, steps, setting), *_counts(steps, setting), *setting.events]
    body.sort(key=_step_of)
    closing = [] if setting.reason is None else [_bye(steps, setting)]
    return [*opening, *body, *closing]


def hello(setting: Setting) -> wire.Hello:
    """The introduction of the run."""
    return wire.Hello(
        version=(wire.MAJOR, wire.MINOR), run=setting.run, boot=setting.boot, rank=0, world=1, name=setting.name,
        host="testhost", host_boot="b", pid=1234, pid_start=1, started=START, argv=["train.py"], cwd="/data",
        python="python3", probe_version="0.1.0", config=dict(setting.config), class_names=list(setting.class_names),
        total_steps=setting.total_steps, steps_per_epoch=setting.steps_per_epoch,
        start_step=setting.start_step,
    )  # fmt: skip


def model(setting: Setting, step: int = 0) -> wire.Model:
    """What is being trained."""
    return wire.Model(
        step=step, time=START, family=setting.family or "unknown", num_classes=setting.num_classes,
        background=setting.background, parameters=setting.parameters, trainable=setting.trainable, held=setting.held,
        missing=list(setting.missing), strangers=setting.strangers, optimizer=setting.optimizer,
        in_training_mode=setting.in_training_mode, box_format=setting.box_format, box_scale=setting.box_scale,
    )  # fmt: skip


def resumed(
    messages: Sequence[wire.AnyMessage], setting: Setting, steps: int, **series: Values
) -> list[wire.AnyMessage]:
    """*messages* without their goodbye, followed by a second boot of the same run."""
    again = replace(setting, boot="00000000000000bb")
    return [m for m in messages if not isinstance(m, wire.Bye)] + run_messages(steps, setting=again, **series)


def _column(values: Dense, steps: int) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(values, dtype=np.float64), (steps,))


def _batches(
    dense: Mapping[str, NDArray[np.float64]], sparse: Mapping[str, Sparse], steps: int, setting: Setting
) -> Iterator[wire.Batch]:
    grid = np.arange(setting.first_step, setting.first_step + steps, dtype=np.int64)
    if dense:
        table = np.stack(list(dense.values()), axis=1)
        for low in range(0, steps, ROWS_PER_BATCH):
            rows = slice(low, low + ROWS_PER_BATCH)
            yield wire.Batch([block(list(range(len(dense))), grid[rows], table[rows], setting.step_s)])
    for column, points in enumerate(sparse.values(), start=len(dense)):
        for step, value in points.items():
            yield wire.Batch([block([column], np.array([step]), np.array([[value]]), setting.step_s)])


def block(columns: list[int], steps: NDArray[np.int64], values: NDArray[np.float64], step_s: float = 0.1) -> wire.Block:
    """One block: *steps* of shape (T,), *values* of shape (T, K)."""
    times = START + steps * step_s
    return wire.Block(
        columns, steps.astype("<i8").tobytes(), times.astype("<f8").tobytes(), values.astype("<f8").tobytes()
    )


def _counts(steps: int, setting: Setting) -> Iterator[wire.Counts]:
    """Expected counts, rounded so that their sums stay exact."""
    for kind, rates in (("targets", setting.targets), ("predictions", setting.predictions)):
        told = np.zeros(len(rates), dtype=np.int64)
        for low in range(0, steps, ROWS_PER_BATCH) if len(rates) else ():
            done = min(low + ROWS_PER_BATCH, steps)
            due = np.round(np.asarray(rates) * done).astype(np.int64)
            step = setting.first_step + done - 1
            yield wire.Counts(
                step, START + step * setting.step_s, kind, list(range(len(rates))), [int(n) for n in due - told]
            )
            told = due


def _bye(steps: int, setting: Setting) -> wire.Bye:
    last = setting.first_step + steps - 1
    return wire.Bye(START + last * setting.step_s, last, setting.reason or "finished", 0)


def _step_of(message: wire.AnyMessage) -> int:
    if isinstance(message, wire.Batch):
        return int(np.frombuffer(message.blocks[0].steps, dtype="<i8")[-1])
    return int(getattr(message, "step", 0))
