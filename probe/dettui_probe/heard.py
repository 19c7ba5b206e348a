"""Warnings of the script and of its workers, which a progress bar or a dashboard would hide.

``warnings.showwarning`` is called through to, so that every warning is shown as before.  A forked child (a DataLoader
worker) writes into a pipe that the parent's writer thread empties; nobody waits at either end.  Workers that are
spawned are given its writing end (``spawned.py``).  What was raised before the run began is read off Python's own
registries.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from dettui_probe.fence import Fence, Ledger
from dettui_probe.spawned import HeardLoop, follow, unfollow, write

MAX_TOLD: Final = 64  # different warnings of one run
_READ_BYTES: Final = 65_536


class Heard(NamedTuple):
    """One warning."""

    category: str
    text: str
    place: str  # file:line, "" where unknown
    worker: bool


def listen() -> Ear:
    """The ear of this process, made at the first call: workers that fork later are heard too."""
    if _Process.ear is None:
        _Process.ear = Ear(Fence("warnings", Ledger(lambda part, text: None)))
    return _Process.ear


class Ear:
    """Listens until ``close``.  What was heard is taken by one thread, in order, each warning once."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence  # not one of the ledger's own: forked children listen on
        self._pid = os.getpid()
        self._heard: deque[Heard] = deque(raised_before(), maxlen=MAX_TOLD)
        self._known: set[tuple[str, str]] = set()
        self._rest = b""
        self._pipe: tuple[int, int] | None = _open_pipe()
        self._original: Callable[..., Any] = warnings.showwarning
        self._followed: HeardLoop | None = None
        self._listening = self._listen
        warnings.showwarning = self._listening

    def follow_workers(self) -> None:
        """Hear DataLoader workers that are spawned from now on.  To be called once torch is there."""
        if self._followed is None and self._pipe is not None:
            self._followed = follow(self._pipe[1], self)

    def close(self) -> None:
        """Show warnings as before.  Where somebody wrapped us since, theirs stays, and calls us to no effect."""
        if self._followed is not None:
            unfollow(self._followed)
            self._followed = None
        if warnings.showwarning is self._listening:
            warnings.showwarning = self._original
        if _Process.ear is self:
            _Process.ear = None

    def take(self) -> Iterator[Heard]:
        """What was heard since the last call and is new."""
        arrived = list(self._from_workers())
        while self._heard:
            arrived.append(self._heard.popleft())
        for heard in arrived:
            key = heard.category, heard.text
            if key not in self._known and len(self._known) < MAX_TOLD:
                self._known.add(key)
                yield heard

    def _listen(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any, **more: Any
    ) -> None:
        self._fence.run(self._note, category.__name__, f"{filename}:{lineno}", message)
        self._original(message, category, filename, lineno, *rest, **more)

    def _note(self, category: str, place: str, message: object) -> None:
        if os.getpid() == self._pid:
            self._heard.append(Heard(category, str(message), place, worker=False))
        elif self._pipe is not None:
            write(self._pipe[1], f"{category}\t{place}\t{message}")

    def _from_workers(self) -> Iterator[Heard]:
        if self._pipe is None:
            return
        try:
            self._rest += os.read(self._pipe[0], _READ_BYTES)
        except BlockingIOError:
            return
        *lines, self._rest = self._rest.split(b"\0")
        for line in lines:
            category, place, text = line.decode("utf-8", "replace").split("\t", 2)
            yield Heard(category, text, place, worker=True)

    def __del__(self) -> None:
        for end in self._pipe or ():
            os.close(end)


class _Process:
    """The ear of this process."""

    ear: Ear | None = None


def _open_pipe() -> tuple[int, int] | None:
    """Both ends never block, and no program that is started inherits them; None where no descriptor is left."""
    try:
        ends = os.pipe()
    except OSError:
        return None
    for end in ends:
        os.set_blocking(end, False)
    return ends


def raised_before() -> list[Heard]:
    """Warnings that were shown before anybody listened: each module keeps a registry of those it gave rise to."""
    found = []
    for module in {id(module): module for module in list(sys.modules.values())}.values():  # one may have two names
        registry = getattr(module, "__dict__", {}).get("__warningregistry__")
        for key in list(registry) if isinstance(registry, dict) else ():
            if isinstance(key, tuple) and len(key) == 3 and isinstance(key[1], type):
                place = f"{getattr(module, '__name__', '?')}:{key[2]}"
                found.append(Heard(key[1].__name__, str(key[0]), place, worker=False))
    return found[:MAX_TOLD]
