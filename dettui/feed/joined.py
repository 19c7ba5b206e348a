"""Several feeds as one: runs of this machine and of hosts, side by side.  One that is lost holds up no other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from dettui.feed.base import Arrival, Feed
from dettui_probe import wire

_LOOK_S = 0.25
_BATCHES_A_FEED = 2
"""That may wait to be taken; a feed whose batches are not taken asks for no more."""


class JoinedFeed:
    """Reads each feed in a thread of its own, which also closes it."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = tuple(feeds)
        self._batches: queue.Queue[tuple[int, Sequence[Arrival]]] = queue.Queue(_BATCHES_A_FEED * len(self._feeds))
        self._is_closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._labels = _Labels()

    def poll(self, wait_s: float) -> Sequence[Arrival]:
        """What came from any of them since the last call."""
        if not self._threads and not self._is_closing.is_set():
            self._start()
        arrivals: list[Arrival] = []
        try:
            arrivals += self._take(self._batches.get(timeout=wait_s) if wait_s > 0 else self._batches.get_nowait())
            while True:
                arrivals += self._take(self._batches.get_nowait())
        except queue.Empty:
            return arrivals

    def exhausted(self) -> bool:
        """True once all are, and everything was taken."""
        return bool(self._threads) and not any(thread.is_alive() for thread in self._threads) and self._batches.empty()

    def close(self) -> None:
        """Close them all.  Idempotent."""
        self._is_closing.set()
        for thread in self._threads:
            thread.join()
        if not self._threads:
            for feed in self._feeds:
                feed.close()

    def _start(self) -> None:
        for place, feed in enumerate(self._feeds):
            thread = threading.Thread(target=self._read, args=(place, feed), name=f"feed-{place}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _read(self, place: int, feed: Feed) -> None:
        try:
            while not self._is_closing.is_set() and not feed.exhausted():
                arrivals = feed.poll(_LOOK_S)
                while arrivals and not self._is_closing.is_set():
                    try:
                        self._batches.put((place, arrivals), timeout=_LOOK_S)
                    except queue.Full:
                        continue
                    break
        finally:
            feed.close()

    def _take(self, batch: tuple[int, Sequence[Arrival]]) -> list[Arrival]:
        place, arrivals = batch
        labelled = (self._labels.settled(place, arrival) for arrival in arrivals)
        return [arrival for arrival in labelled if arrival is not None]


class _Labels:
    """Keeps apart what only looks the same: two runs of one name on two hosts.  Ranks of one run that are spread over
    hosts stay together, and what comes over two ways (a host under two names) is taken once."""

    def __init__(self) -> None:
        self._strands: dict[tuple[str, str, int], int] = {}  # where each was seen first
        self._ranks: dict[tuple[str, int], int] = {}
        self._renamed: set[tuple[int, str]] = set()

    def settled(self, place: int, arrival: Arrival) -> Arrival | None:
        """*arrival* under a name of its own; None where it came over another way already."""
        if not arrival.run:
            return arrival
        if self._strands.setdefault((arrival.run, arrival.boot, arrival.rank), place) != place:
            return None
        if self._ranks.setdefault((arrival.run, arrival.rank), place) != place:
            self._renamed.add((place, arrival.run))
        return _renamed(arrival) if (place, arrival.run) in self._renamed else arrival


def _renamed(arrival: Arrival) -> Arrival:
    run = f"{arrival.run}@{arrival.host}" if arrival.host else f"{arrival.run}@here"
    messages = tuple(
        msgspec.structs.replace(message, run=run) if isinstance(message, wire.Hello) else message
        for message in arrival.messages
    )
    return replace(arrival, run=run, messages=messages)
