"""One run as the training script holds it: log, event, finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time as now
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from dettui_probe import wire
from dettui_probe.fence import Fence, Ledger
from dettui_probe.recorder import CAPACITY, Overheard, Recorder, Row

if TYPE_CHECKING:
    from dettui_probe.writer import Writer

URGENT_KINDS: Final = frozenset({"nonfinite", "exception"})
MAX_TEXT: Final = 16_384


class Run:
    """A run that records.  Every method may be called from any thread and never raises; after ``finish`` and in a
    forked child they do nothing.  Made by ``start_run``, one per process."""

    def __init__(self, run_id: str, name: str) -> None:
        self.id = run_id
        self.name = name
        self.recorder = Recorder()
        self.active = False  # until its writer works
        self._append, self._queue = self.recorder.append, self.recorder.queue
        self._writer: Writer | None = None
        self._ledger = Ledger(self._report_fault)
        self._log_fence = self._ledger.fence("log", patience=5)
        self._at_finish: list[Callable[[], None]] = []
        self._overheard_at: dict[str, int] = {}  # the step at which a measure was heard last

    @property
    def ledger(self) -> Ledger:
        """Where the faults of this run's probe are counted."""
        return self._ledger

    def begin(self, writer: Writer) -> None:
        """Record from now on, through *writer*.  Raises RuntimeError where the system has no thread left."""
        writer.start()
        self._writer = writer
        self.active = True

    def fence(self, part: str) -> Fence:
        """A fence for the named *part* of the probe: its first fault switches it off."""
        fence = self._ledger.fence(part)
        fence.open = self.active
        return fence

    def at_finish(self, undo: Callable[[], None]) -> None:
        """Call *undo* (behind a fence) when the run finishes: take hooks off again."""
        self._at_finish.append(self.fence("finish")(undo))

    def log(self, step: Any = None, values: Any = None, /, **scalars: Any) -> None:
        """Record numbers at *step* (default: the optimizer steps counted so far).

            run.log(step, loss=0.7, accuracy=0.9)
            run.log(step, {"eval/mAP": 0.31})

        A value is a number, or a 0-dim tensor, which is read later, off this thread; anything else is counted,
        reported once and dropped.  ``log({...}, step=step)``, as other trackers have it, is understood as well.
        """
        # What recorder.put(Row(...)) comes to, written out: after 2 ms of the user's work the caches are cold, and
        # each object, call and attribute saved is worth up to a microsecond.  So *step* is positional (by name, each
        # of ten keywords would be compared to it), and a loop touches less code than map and issuperset would.
        if values is None and type(step) is not dict:
            values = scalars
        elif type(values) is dict and not scalars:
            values = values.copy()
        else:
            self._log_fence.run(self._log_any, step, values, scalars)
            return
        for value in values.values():
            if type(value) is not float and type(value) is not int:
                self._log_fence.run(self._log_any, step, values, {})
                return
        if step is None:
            step = values.pop("step", self.recorder.step)
        self._append((step, now(), values))
        if len(self._queue) > CAPACITY:
            self.recorder.push_out()

    def _log_any(self, step: Any, values: Any, scalars: Mapping[str, Any]) -> None:
        """``log`` for all that is no plain number, and for the orders of arguments of other trackers."""
        if isinstance(step, Mapping):
            step, values = values, step
        if values is not None and not isinstance(values, Mapping):
            values = {"values": values}  # which the encoder will refuse, by name
        row = {tag: _snapshot(value) for tag, value in {**(values or {}), **scalars}.items()}
        if step is None:
            step = row.pop("step", self.recorder.step)
        self.recorder.put(Row(step, now(), row))

    def overhear(self, values: Mapping[str, Any]) -> None:
        """Record, at the step of now, what a library measured (see ``Overheard``); the first to say a thing counts."""
        step = self.recorder.step
        new = {tag: value for tag, value in values.items() if self._overheard_at.get(tag) != step}
        if new:
            self._overheard_at.update(dict.fromkeys(new, step))
            self.recorder.hold(Overheard(step, now(), {tag: _snapshot(value) for tag, value in new.items()}))

    def event(self, /, kind: str, text: str, **data: Any) -> None:
        """Record something that happened once; *data* holds plain scalars and lists of them."""
        self._log_fence.run(self._event, kind, text, data)

    def _event(self, kind: str, text: str, data: dict[str, Any]) -> None:
        event = wire.Event(self.recorder.step, now(), str(kind), str(text)[:MAX_TEXT], data)
        if kind in URGENT_KINDS:
            self.recorder.put_urgent(event)
        else:
            self.recorder.put(event)

    def finish(self) -> None:
        """Write what is queued, say goodbye and let go.  Idempotent.

        Waits for what was logged to be written, at most 10 s; a disk that takes nothing for a second, or a value that
        does not come, is waited for no longer.
        """
        self.end("finished", 0)

    def end(self, reason: str, exit_code: int | None = None, text: str = "") -> None:
        """As ``finish``, for an end of another kind: *reason* is "finished", "exception" or "exit"."""
        if not self.active:
            return
        self.active = False
        for undo in self._at_finish:
            undo()
        self.recorder.release()
        self._silence()
        self._ledger.close_all()
        if self._writer is not None:
            self._writer.close(wire.Bye(now(), self.recorder.step, reason, exit_code, text[-MAX_TEXT:]))

    def abandon(self) -> None:
        """Become a permanent no-op without a word: what a forked child does.  Touches no lock, file or socket."""
        self.active = False
        self._writer = None
        self._silence()
        self._ledger.close_all()

    def _silence(self) -> None:
        self.recorder.silence()
        self._append = self.recorder.append

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
        else:
            from dettui_probe.ending import farewell_of  # noqa: PLC0415 - pulls in traceback, seldom needed

            self.end(*farewell_of(error))

    def _report_fault(self, part: str, text: str) -> None:
        said = f"a part of the probe failed and is switched off: {part}: {text}"
        self.recorder.put(wire.Event(self.recorder.step, now(), "probe_fault", said, {"part": part}))


def _snapshot(value: Any) -> Any:
    """*value* as it is now.  A tensor is detached and copied (asynchronously on a device), because the script
    may change it in place before the writer thread reads it."""
    detach = getattr(value, "detach", None)
    return value if detach is None else detach().clone()
