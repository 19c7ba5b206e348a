"""Real probes, a real agent and real viewers, in a runtime directory of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from live.agents import end_agent
from live.patience import until
from live.places import short_directory

from dettui.domain.run import Liveness, RunState
from dettui.feed.base import Arrival
from dettui.feed.local import LocalFeed
from dettui_probe import wire

Spawn = Callable[..., "subprocess.Popen[str]"]

PRELUDE = """
import sys, time
import dettui_probe as probe

def tell(text):
    print(text, flush=True)

def wait():
    sys.stdin.readline()
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty runtime directory; whatever agent serves it at the end is ended."""
    directory = short_directory()
    monkeypatch.setenv("DETTUI_HOME", str(directory / "h"))
    monkeypatch.setenv("DETTUI_RUNS", str(directory / "r"))
    yield directory / "h"
    end_agent()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def spawn(home: Path) -> Iterator[Spawn]:
    """Starts a training script: *body* runs after PRELUDE; its stdin and stdout are pipes."""
    children: list[subprocess.Popen[str]] = []

    def start(body: str, **env: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + body],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **env},
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class Viewer:
    """A feed, and everything that it brought."""

    def __init__(self, runs: tuple[str, ...] = ()) -> None:
        self.feed = LocalFeed(runs)
        self.arrivals: list[Arrival] = []

    def look(self, wait_s: float = 0.05) -> None:
        self.arrivals += self.feed.poll(wait_s)

    def until(self, reached: Callable[[Viewer], bool]) -> None:
        """Look until *reached*."""

        def is_reached() -> bool:
            self.look()
            return reached(self)

        until(is_reached, lambda: (self.state, self.values()[-3:], self.notices, self.feed.refusal))

    def values(self, tag: str = "x") -> list[float]:
        """All values of *tag*, in order of arrival."""
        return [value for arrival in self.arrivals for value in _values(arrival, tag, self._names())]

    @property
    def state(self) -> RunState | None:
        """The newest state that was told."""
        return self.liveness.state if self.liveness else None

    @property
    def liveness(self) -> Liveness | None:
        told = [arrival.liveness for arrival in self.arrivals if arrival.liveness]
        return told[-1] if told else None

    @property
    def notices(self) -> list[str]:
        return [arrival.notice for arrival in self.arrivals if arrival.notice]

    def _names(self) -> dict[tuple[str, int], str]:
        return {
            (arrival.boot, message.first + index): name
            for arrival in self.arrivals
            for message in arrival.messages
            if isinstance(message, wire.Tags)
            for index, name in enumerate(message.names)
        }


@pytest.fixture
def watch(home: Path) -> Iterator[Callable[..., Viewer]]:
    """Opens viewers, and closes them at the end."""
    viewers: list[Viewer] = []

    def open_viewer(*runs: str) -> Viewer:
        viewers.append(Viewer(runs))
        return viewers[-1]

    yield open_viewer
    for viewer in viewers:
        viewer.feed.close()


@pytest.fixture
def kill_agent(home: Path) -> Callable[[], None]:
    """SIGKILLs the agent."""
    return lambda: end_agent(signal.SIGKILL)


def _values(arrival: Arrival, tag: str, names: dict[tuple[str, int], str]) -> Iterator[float]:
    for message in arrival.messages:
        if isinstance(message, wire.Batch):
            for block in message.blocks:
                tags = [names.get((arrival.boot, column)) for column in block.columns]
                if tag in tags:
                    yield from np.frombuffer(block.values).reshape(-1, len(tags))[:, tags.index(tag)].tolist()
