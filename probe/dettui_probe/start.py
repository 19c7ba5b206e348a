"""Starting the one run of this process, and ending it with the process."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from dettui_probe import identity, places, registry, wire
from dettui_probe.encode import Encoder, as_step, plain
from dettui_probe.ending import EndWatch, farewell_of
from dettui_probe.fence import Fence, Ledger
from dettui_probe.live import LivePath, to_a_listener
from dettui_probe.outlets import Outlets
from dettui_probe.run import Run
from dettui_probe.runlog import RunLog
from dettui_probe.settling import Settled, Settling
from dettui_probe.writer import Writer

SYNC_S: Final = 30.0
MAX_ARGS: Final = 256
MAX_CLASSES: Final = 16_384


class _Process:
    """The run of this process.  A run that forked away belongs to the parent: the child keeps the silenced one."""

    run: Run | None = None
    pid: int = 0
    ending: EndWatch | None = None
    waiting: ClassVar[list[Callable[[Run], None]]] = []  # for the next run to begin


def current_run() -> Run | None:
    """The run of this process; None where none was started, or where it is finished."""
    return _Process.run


def when_started(greet: Callable[[Run], None]) -> None:
    """Call *greet* once, with the next run of this process, as soon as it has begun."""
    _Process.waiting.append(greet)


def start_run(
    name: str | None = None,
    class_names: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    *,
    group: str | None = None,
    start_step: int = 0,
) -> Run:
    """The run of this process, started where there is none yet: a second call returns the same one.

    Returns a run that does nothing in the forked child of a process that has one, and where starting fails.
    Never raises and never waits for anybody.
    """
    present = _Process.run
    if present is not None and (present.active or _Process.pid != os.getpid()):
        return present
    told = _Told(tuple(class_names), config or {}, total_steps, steps_per_epoch, group, start_step)
    fence = Fence("start", Ledger(lambda part, text: None))
    run = fence.run(_start, name, told) or Run("", name or "")
    _Process.run, _Process.pid = run, os.getpid()
    return run


class _Told(NamedTuple):
    """What the script says of its run beside its name."""

    class_names: Sequence[str]
    config: Mapping[str, Any]
    total_steps: int | None
    steps_per_epoch: int | None
    group: str | None
    start_step: int

    @property
    def steps_before(self) -> int:
        """Optimizer steps before this process; 0 for what is no number of steps."""
        return max(as_step(self.start_step) or 0, 0)


def _start(name: str | None, told: _Told) -> Run:
    def introduce(place: identity.Place) -> wire.Hello:
        called = identity.run_name(os.environ, name, place.world, places.runs_dir())
        return _hello(called, place, told)

    hello = introduce(identity.place(os.environ))
    run = Run(hello.run, hello.name)
    run.recorder.step = run.recorder.before = told.steps_before
    run.begin(_writer(run, hello, introduce))
    _watch_the_end(run)
    while _Process.waiting:
        _Process.waiting.pop()(run)
    return run


def _hello(called: identity.RunName, place: identity.Place, told: _Told) -> wire.Hello:
    process = identity.process()
    return wire.Hello(
        version=(wire.MAJOR, wire.MINOR),
        run=called.id,
        boot=os.urandom(8).hex(),
        rank=place.rank,
        world=place.world,
        name=called.name,
        host=process.host,
        host_boot=process.host_boot,
        pid=process.pid,
        pid_start=process.pid_start,
        started=time.time(),
        argv=[argument[:1024] for argument in sys.argv[:MAX_ARGS]],
        cwd=str(Path.cwd()),
        python=sys.executable,
        probe_version=_version(),
        config=plain(told.config),
        class_names=[str(class_name)[:256] for class_name in told.class_names[:MAX_CLASSES]],
        total_steps=told.total_steps,
        steps_per_epoch=told.steps_per_epoch,
        launch=identity.launch(os.environ, place.world),
        attempt=identity.attempt(os.environ),
        pid_ns=process.pid_ns,
        start_step=told.steps_before,
        group=str(told.group or os.environ.get("DETTUI_GROUP", ""))[:256],
    )


def _version() -> str:
    from dettui_probe import __version__  # noqa: PLC0415 - the package imports this module

    return __version__


def _writer(run: Run, hello: wire.Hello, introduce: Callable[[identity.Place], wire.Hello]) -> Writer:
    encoder = Encoder(hello, Fence("values", run.ledger, patience=20))

    def settle(known: wire.Hello) -> Settled | None:
        place = identity.place(os.environ)
        if place == (known.rank, known.world):
            return None
        hello = introduce(place)
        run.id = hello.run
        return Settled(hello, _outlets(run, hello))

    return Writer(run.recorder, encoder, _outlets(run, hello), run.ledger, Settling(hello, settle))


def _outlets(run: Run, hello: wire.Hello) -> Outlets:
    log = _open_log(hello)
    entry = _entry(hello, log)
    _announce(entry)
    strand = (hello.run, hello.boot, hello.rank)
    lives = [(LivePath(*strand), Fence("live", run.ledger))]
    named = os.environ.get("DETTUI_CONNECT")
    if named:
        lives.append((LivePath(*strand, to_a_listener(named)), Fence("connect", run.ledger)))
    return Outlets(log, lives, entry, _sync_s(os.environ))


def _sync_s(env: Mapping[str, str]) -> float:
    """$DETTUI_SYNC_S: seconds between fdatasyncs, 0 for never."""
    try:
        return float(env["DETTUI_SYNC_S"])
    except (KeyError, ValueError):
        return SYNC_S


def _open_log(hello: wire.Hello) -> RunLog | None:
    """The log in the first directory that can be written; None where there is none, and only the agent hears."""
    for parent in (places.runs_dir(), places.runtime_dir() / "runs"):
        try:
            return RunLog(parent / hello.run, hello.rank, hello.boot)
        except OSError:
            continue
    return None


def _entry(hello: wire.Hello, log: RunLog | None) -> registry.Entry:
    return registry.Entry(
        run=hello.run,
        name=hello.name,
        rank=hello.rank,
        world=hello.world,
        boot=hello.boot,
        pid=hello.pid,
        pid_start=hello.pid_start,
        host=hello.host,
        host_boot=hello.host_boot,
        log="" if log is None else str(log.path),
        python=hello.python,
        started=hello.started,
        argv=hello.argv,
        cwd=hello.cwd,
        pid_ns=hello.pid_ns,
    )


def _announce(entry: registry.Entry) -> None:
    try:
        registry.publish(entry)
    except OSError:
        return  # the log tells who it is; only discovery is lost


def _watch_the_end(run: Run) -> None:
    ending = EndWatch(lambda error: run.event("exception", farewell_of(error).text))
    ending.start()
    run.at_finish(ending.stop)
    if _Process.ending is None:
        atexit.register(_end_with_the_process)
        os.register_at_fork(after_in_child=_become_a_child)
    _Process.ending = ending


def _end_with_the_process() -> None:
    run, ending = _Process.run, _Process.ending
    if run is not None and ending is not None and _Process.pid == os.getpid():
        run.end(*ending.farewell)


def _become_a_child() -> None:
    if _Process.run is not None:
        _Process.run.abandon()
