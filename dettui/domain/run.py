"""A run: one training job, as its probe introduced it and as its host sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class RunState(str, Enum):
    """What a run is doing.  Computed by whoever looks, never stored as a flag."""

    STARTING = "starting"  # known, no step yet
    RUNNING = "running"
    STALLED = "stalled"  # alive, no step for max(10 s, 8 median steps)
    GIL_BLOCKED = "gil_blocked"  # alive, and not even the writer thread gets a turn
    STOPPED = "stopped"  # SIGSTOP
    DISK_WAIT = "disk_wait"  # uninterruptible sleep
    FINISHED = "finished"
    CRASHED = "crashed"  # said goodbye with a traceback
    KILLED = "killed"  # gone without a word
    LOST = "lost"  # the link to its host is down
    UNKNOWN = "unknown"  # a recording without an end, or a process of another host

    @property
    def is_over(self) -> bool:
        """True where no further step will come."""
        return self in (RunState.FINISHED, RunState.CRASHED, RunState.KILLED)


@dataclass(frozen=True)
class Liveness:
    """The state of a run's process, and why we think so."""

    state: RunState
    reason: str = ""  # one line: "SIGKILL, out of memory", the last line of the traceback, ...
    exit_code: int | None = None


@dataclass(frozen=True)
class RunInfo:
    """Who a run is.  Everything here comes from its hello, so it may be hostile: strings are already stripped
    of control characters and bounded in length."""

    id: str
    name: str
    host: str = ""
    pid: int = 0
    rank: int = 0
    world: int = 1
    started: float = 0.0
    argv: tuple[str, ...] = ()
    cwd: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    total_steps: int | None = None
    steps_per_epoch: int | None = None
    group: str = ""  # that the user named; "" where nobody did
    start_step: int = 0  # steps that a checkpoint brought along, as the script said


@dataclass(frozen=True)
class ModelInfo:
    """What is being trained."""

    family: str = "unknown"
    num_classes: int | None = None
    background: int | None = None
    parameters: int = 0
    trainable: int = 0
    held: int = 0
    missing: tuple[str, ...] = ()
    strangers: int = 0
    optimizer: str = ""
    in_training_mode: bool = True
    box_format: str = ""  # that the head reads; "" where unknown
    box_scale: str = ""  # "pixels", or "unit" for shares of the image; "" where unknown
