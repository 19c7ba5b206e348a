"""Fixtures: another host, and a watcher of it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from live.places import short_directory
from live.ssh.machine import Place
from live.ssh.place import HOST, OtherHost, Watcher, make_key

from dettui.feed.ssh.desk import Desk
from dettui.feed.ssh.feed import LinkPolicy, SshFeed
from dettui.feed.ssh.target import host_target


@pytest.fixture
def host() -> Iterator[OtherHost]:
    """Another host that is ready to be started."""
    place = short_directory("dt-ssh-")
    Path("/run/sshd").mkdir(exist_ok=True)
    make_key(place / "host")
    make_key(place / "key")
    shutil.copy(place / "key.pub", place / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other = OtherHost(place, place / "home", port)
    yield other
    other.clear()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Watcher]]:
    """Watches a host from a runtime directory of its own, and hangs up at the end."""
    here = short_directory()
    monkeypatch.setenv("DETTUI_HOME", str(here / "h"))
    watchers: list[Watcher] = []

    def start(
        host: OtherHost,
        runs: Sequence[str] = (),
        desk: Desk | None = None,
        policy: LinkPolicy | None = None,
        text: str = HOST,
    ) -> Watcher:
        watchers.append(Watcher(SshFeed(host_target(text), host.way, runs, desk, policy=policy)))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.feed.close()
    shutil.rmtree(here, ignore_errors=True)


@pytest.fixture
def desk(watch: Callable[..., Watcher]) -> Iterator[Desk]:
    """Where the questions of ssh arrive."""
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def place(host: OtherHost) -> Iterator[Place]:
    """A machine from which the host is watched."""
    home = short_directory()
    yield Place(host, home)
    shutil.rmtree(home, ignore_errors=True)
