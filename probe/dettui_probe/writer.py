"""The writer thread: every 50 ms from the queue to the log and to the agent."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final

from dettui_probe import wire
from dettui_probe.encode import Encoder
from dettui_probe.fence import Fence, Ledger
from dettui_probe.outlets import Outlets
from dettui_probe.recorder import Deferred, Gathered, Overheard, Recorder, Row
from dettui_probe.settling import Settling

ROUND_S: Final = 0.05
BEAT_S: Final = 1.0
CLOSE_S: Final = 10.0  # what the end of the script waits for at most
STALL_S: Final = 1.0  # what it waits for a writer that does not move on: its disk hangs
VALUES_S: Final = 0.6  # of these, for values that are still on their way
PORTION: Final = 512  # items that are written together: many at once would be a second without a sign of life
PATIENCE: Final = 20


class Writer:
    """Drains one recorder.  ``start`` and ``close`` belong to the script's thread, the rest to the writer's own."""

    def __init__(
        self, recorder: Recorder, encoder: Encoder, outlets: Outlets, ledger: Ledger, settling: Settling
    ) -> None:
        self._settling = settling
        self._recorder = recorder
        self._encoder = encoder
        self._outlets = outlets
        # Not among the ledger's own: what is off still says so, and says goodbye.
        self._fence = Fence("writer", ledger, PATIENCE)
        self._deferred_fence = Fence("deferred", ledger, PATIENCE)
        self._held: Deferred | None = None  # the value in front of the queue that was not ready
        self._bye: wire.Bye | None = None
        self._deadline = math.inf  # for taking from the queue
        self._values_due = math.inf  # until then, a value that is not ready is waited for
        self._given_up = 0  # items still queued at the deadline, or not ready when they were due
        self._portions = 0  # written so far, by which the end sees that it gets on
        self._beat_at = 0.0
        self._told_lost = 0
        self._told_refused: frozenset[str] = frozenset()
        self._told_locked_out = ""
        self._thread = threading.Thread(target=self._work, name="dettui-probe", daemon=True)

    def start(self) -> None:
        """Start the thread.  Raises RuntimeError where the system has none left."""
        self._thread.start()

    def close(self, bye: wire.Bye) -> None:
        """Drain, say *bye*, let go.

        Returns once all is written, after ``STALL_S`` in which nothing could be, and after ``CLOSE_S`` in any case.
        What is left is counted as lost, where the log still takes the number.
        """
        limit = time.monotonic() + CLOSE_S
        self._values_due, self._deadline = time.monotonic() + VALUES_S, limit - STALL_S
        self._bye = bye
        self._recorder.ring()
        if threading.current_thread() is self._thread:
            return
        portions = -1
        while self._thread.is_alive() and portions != self._portions and time.monotonic() < limit:
            portions = self._portions
            self._thread.join(STALL_S)

    def _work(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for the threads of the user
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._fence.run(self._outlets.send, self._encoder.preamble())
        while self._bye is None:
            self._fence.run(self._round)
            self._recorder.wait(ROUND_S)
        self._fence.run(self._end, self._bye)
        self._fence.run(self._outlets.close)
        self._settling.clean(at_once=True)

    def _round(self) -> None:
        left = self._recorder.waiting + 1  # not what comes meanwhile: a script may log faster than this writes
        while self._drain(min(left, PORTION)) and left > PORTION and self._bye is None:
            left -= PORTION
            self._write()
        if time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + BEAT_S
            self._settle()
            self._settling.clean()
            self._account()
        self._write()
        self._outlets.keep(self._encoder.preamble)

    def _write(self) -> None:
        self._outlets.send(self._encoder.packets())
        self._portions += 1

    def _end(self, bye: wire.Bye) -> None:
        while time.monotonic() < self._deadline and (self._held is not None or self._recorder.waiting):
            self._drain(PORTION)
            self._write()
            if self._held is not None and time.monotonic() < self._values_due:
                time.sleep(ROUND_S / 5)
            else:
                self._give_up_held()
        self._give_up_held()
        self._given_up += self._recorder.waiting
        self._account()
        self._encoder.add_message(bye)
        self._write()

    def _give_up_held(self) -> None:
        """Go on without the value in front of the queue: what is behind it is ready."""
        if self._held is not None:
            self._held = None
            self._given_up += 1

    def _drain(self, most: int) -> bool:
        """Encode *most* of what is queued; False where it stopped before: at the first value that is still on its way,
        at the end of the queue, or at the deadline."""
        for _ in range(most):
            if time.monotonic() >= self._deadline:
                return False
            item = self._held or self._recorder.take()
            self._held = None
            if item is None:
                return False
            if isinstance(item, (Row, wire.Counts, wire.Event, wire.Model)):
                self._encode(item)
                continue
            ready = self._deferred_fence.run(item.ready)
            if ready is False:
                self._held = item
                return False
            for part in self._deferred_fence.run(_resolve, item) or () if ready else ():
                self._encode(part)
        return True

    def _encode(self, item: Row | wire.Counts | wire.Event | wire.Model | wire.Pictures) -> None:
        if isinstance(item, Row):
            if not self._settling.is_over:
                self._settle()
                self._settling.end()
            if isinstance(item, Gathered):
                self._encoder.add_gathered(item)
            elif isinstance(item, Overheard):
                self._encoder.add_overheard(item)
            else:
                self._encoder.add_row(item)
            return
        self._settling.note(item)
        if isinstance(item, wire.Event):
            self._outlets.note_news()
        self._encoder.add_message(item)

    def _settle(self) -> None:
        """Where this process turned out to be another rank, tell everything again under that one."""
        settled = self._settling.look()
        if settled is None:
            return
        self._encoder.add_message(wire.Bye(time.time(), self._recorder.step, "moved"))
        self._outlets.send(self._encoder.packets())
        self._outlets.close()
        self._settling.give_up(self._outlets)
        self._outlets = settled.outlets
        self._encoder.greet_as(settled.hello)
        self._outlets.send(self._encoder.preamble())
        for message in self._settling.said:
            self._encoder.add_message(message)

    def _account(self) -> None:
        """Add a beat, after news of what was lost or refused since the last one."""
        recorder = self._recorder
        for event in (*self._news_of_losses(), *self._news_of_refusals(), *self._news_of_locks()):
            self._encoder.add_message(event)
        thinned = dict(recorder.thinned)
        self._encoder.add_message(
            wire.Beat(time.time(), recorder.step, recorder.phase, recorder.overhead, self._lost(), thinned)
        )

    def _lost(self) -> int:
        return self._recorder.dropped + self._outlets.lost_rows + self._given_up

    def _news_of_losses(self) -> Iterator[wire.Event]:
        lost = self._lost()
        fresh = lost - self._told_lost
        if fresh > 0:
            self._told_lost = lost
            reason = self._outlets.refusal or "more came than could be written"
            yield wire.Event(
                self._recorder.step, time.time(), "dropped", f"{fresh} rows lost: {reason}", {"rows": fresh}
            )

    def _news_of_refusals(self) -> Iterator[wire.Event]:
        fresh = [tag for tag in self._encoder.refused if tag not in self._told_refused]
        if fresh:
            self._told_refused = frozenset(self._encoder.refused)
            text = f"not a number, not recorded: {', '.join(fresh[:8])}"
            yield wire.Event(self._recorder.step, time.time(), "refused", text, {"tags": fresh[:64]})

    def _news_of_locks(self) -> Iterator[wire.Event]:
        reason = self._outlets.locked_out
        if reason and reason != self._told_locked_out:
            self._told_locked_out = reason
            text = f"the listener in DETTUI_CONNECT does not let this run in: {reason}"
            yield wire.Event(self._recorder.step, time.time(), "locked_out", text, {})


def _resolve(due: Deferred) -> Iterable[Row | wire.Counts | wire.Event | wire.Model | wire.Pictures]:
    return list(due.resolve())
