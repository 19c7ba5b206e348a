"""The listener at work: one loop, one thread, until it is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from dettui.feed.listen.door import Door
from dettui.feed.listen.intake import Intake
from dettui.feed.listen.notes import NoteKeeper
from dettui_probe.keys import allowed, own_pair
from dettui_probe.places import ensure_private, runtime_dir

WAIT_MS = 50
READ_LIST_S = 1.0


class Listener:
    """Receives the strands of allowed probes on one address, and writes them into logs of this host."""

    def __init__(self, host: str, port: int, say: Callable[[str], None]) -> None:
        """*say* is told one line for whatever happens.  Raises BadUsage, KeysRefused, OSError."""
        pair = own_pair()
        ensure_private(runtime_dir())
        self._say = say
        self._allowed: Mapping[str, str] = {}
        self._read_list_at = 0.0
        self._door = Door(host, port, pair, self._who_may)
        self.endpoint = self._door.endpoint
        self.address = self.endpoint.replace("tcp://", f"tcp://{pair.public.hex()}@")
        self._intake = Intake(runtime_dir() / "runs")
        self._notes = NoteKeeper(self.endpoint)
        self.stopping = False

    def run(self) -> None:
        """Work until ``stopping``."""
        while not self.stopping:
            self._door.wait(WAIT_MS)
            # A revoked key is also no longer heard on a connection that stands.
            heard = ((key, parts) for key, parts in self._door.messages() if key in self._who_may())
            for line in self._intake.take(heard):
                self._say(line)
            for line in self._door.turned_away():
                if self._notes.refused(line, time.time()):
                    self._say(f"turned away {line}")

    def close(self) -> None:
        """Stop listening."""
        self._door.close()
        self._intake.close()
        self._notes.close()

    def _who_may(self) -> Mapping[str, str]:
        """The list, as of a second ago at most: a revoked key is out."""
        now = time.monotonic()
        if now >= self._read_list_at:
            self._read_list_at = now + READ_LIST_S
            self._allowed = allowed()
        return self._allowed
