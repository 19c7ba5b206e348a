"""From the words of a command line to what is watched: runs of this machine, recordings, hosts."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dettui.domain.run import RunState
from dettui.errors import BadUsage, RunNotFound
from dettui.feed.base import Feed
from dettui.feed.opening import RunRef, known_exactly, open_local, open_recording, resolve_run
from dettui.feed.ssh.target import HostTarget, Way, host_target, require_program
from dettui.store.text import clean

if TYPE_CHECKING:
    from dettui.feed.ssh.desk import Desk
    from dettui.feed.ssh.feed import SshFeed
    from dettui.feed.ssh.once import OnceFeed

LOCAL: Final = "local"
"""The word for all runs of this machine, beside those of hosts."""
_LOOKUP_S: Final = 3.0
_NOBODY: Final = "dettui-asks-for-nobody"
"""A host that no config names: what ssh would do for it, it would do for any."""


@dataclass(frozen=True)
class HostRuns:
    """One host, and which of its runs: "" for all."""

    target: HostTarget
    run: str = ""

    @property
    def text(self) -> str:
        """As it was typed."""
        return f"{self.target.text}:{self.run}" if self.run else self.target.text


@dataclass(frozen=True)
class Sources:
    """What is to be watched.  Nothing at all stands for every run of this machine."""

    runs: tuple[RunRef, ...] = ()
    hosts: tuple[HostRuns, ...] = ()
    all_local: bool = False

    @property
    def title(self) -> str:
        """In a few words."""
        here = ["local runs"] * self.is_all_local + [run.name for run in self.runs]
        return ", ".join([*here, *(host.text for host in self.hosts)])

    @property
    def is_all_local(self) -> bool:
        """True where every run of this machine is watched."""
        return self.all_local or not (self.runs or self.hosts)


def sources_of(words: Sequence[str], way: Way) -> Sources:
    """What *words* mean.

    A word is a path, a run of this machine, or a host, in this order: what exists as a file, or is written like one;
    ``local``; ``slurm:...``, or anything with ``@`` or ``:`` (``HOST:RUN``); the exact id or name of a run; a host that
    the ssh config says something of; the beginning of a run's name; a host that can be looked up.

    Raises RunNotFound, NotARun and BadUsage.
    """
    meant = [_meaning(word, way) for word in dict.fromkeys(words)]
    return Sources(
        tuple(one for one in meant if isinstance(one, RunRef)),
        tuple(one for one in meant if isinstance(one, HostRuns)),
        LOCAL in meant,
    )


class Opened:
    """Feeds of what is to be watched, as one."""

    def __init__(self, sources: Sources, way: Way, desk: Desk | None = None, *, is_exact: bool = False) -> None:
        """Raises AgentUnavailable.  What ssh asks goes to *desk*; without one, nothing may be asked."""
        self.hosts = _host_feeds(sources, way, desk, is_exact=is_exact) if sources.hosts else ()
        feeds: list[Feed] = [*_local_feeds(sources), *self.hosts]
        self.feed = feeds[0] if len(feeds) == 1 else _joined(feeds)

    @property
    def is_pending(self) -> bool:
        """True while more is to come of what a host knows already."""
        return any(host.is_pending for host in self.hosts)

    def log_in(self) -> None:
        """Call the hosts again that are down, and ask the user what they ask."""
        for host in self.hosts:
            host.log_in()


def once_feed(sources: Sources, way: Way, *, is_exact: bool = False) -> OnceFeed:
    """What the one host of *sources* knows now."""
    from dettui.feed.ssh.once import OnceFeed  # noqa: PLC0415 - a recording needs no ssh

    (feed,) = _host_feeds(sources, way, None, is_exact=is_exact)
    return OnceFeed(feed)


def is_live(found: RunRef) -> bool:
    """True where more of the run may come.  Of a recording without an end, UNKNOWN, nothing more will."""
    state = found.liveness.state if found.liveness else RunState.UNKNOWN
    return not state.is_over and state is not RunState.UNKNOWN


def _local_feeds(sources: Sources) -> list[Feed]:
    recorded: list[Feed] = [open_recording(run.path, has_overview=True) for run in sources.runs if not is_live(run)]
    live = [run.id for run in sources.runs if is_live(run)]
    if sources.is_all_local:
        return [open_local(), *recorded]
    return [open_local(live), *recorded] if live else recorded


def _host_feeds(sources: Sources, way: Way, desk: Desk | None, *, is_exact: bool) -> tuple[SshFeed, ...]:
    from dettui.feed.ssh.feed import SshFeed  # noqa: PLC0415 - a recording needs no ssh

    return tuple(
        SshFeed(host.target, way, [f"{host.run}*"] if host.run else [], desk, is_exact=is_exact)
        for host in sources.hosts
    )


def _joined(feeds: Sequence[Feed]) -> Feed:
    from dettui.feed.joined import JoinedFeed  # noqa: PLC0415 - one feed is joined to nothing

    return JoinedFeed(feeds)


def _meaning(word: str, way: Way) -> RunRef | HostRuns | str:
    if word == LOCAL:
        return LOCAL
    host, colon, run = word.partition(":")
    if host in ("slurm", "ssh"):
        return _host(word, "", way)
    if Path(word).exists() or "/" in host or word.endswith(".dlog"):
        return resolve_run(word)
    found = known_exactly(word)
    if found is None and (colon or "@" in word or way.jump or is_configured(word, way)):
        return _host(host, run, way)
    return found or _begun_or_looked_up(word, way)


def _begun_or_looked_up(word: str, way: Way) -> RunRef | HostRuns:
    try:
        return resolve_run(word)
    except RunNotFound as nothing:
        if can_be_looked_up(word):
            return _host(word, "", way)
        raise RunNotFound(f"{nothing}; nor is it a host that your ssh config or the network knows") from None


def _host(host: str, run: str, way: Way) -> HostRuns:
    if "/" in run:
        raise BadUsage(f"{clean(run)} is a path: runs of a host have names, which `dettui ls {clean(host)}` shows")
    target = host_target(host)
    require_program(target, way)
    return HostRuns(target, run)


def is_configured(word: str, way: Way) -> bool:
    """True where the user's ssh config says something of *word* that it does not say of everybody."""
    told, of_nobody = (_configuration(name, way) for name in (word, _NOBODY))
    return bool(told) and told != of_nobody


def _configuration(host: str, way: Way) -> list[str]:
    """What ssh would do for *host*, but for the name itself; nothing where it does not say."""
    if host.startswith("-"):
        return []
    try:
        done = subprocess.run(
            [*way.ssh, "-G", host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LOOKUP_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [] if done.returncode else done.stdout.splitlines()
    return [line for line in lines if not line.startswith("host ") and line != f"hostname {host}"]


def can_be_looked_up(word: str) -> bool:
    """True where *word* has an address.  A resolver that does not answer is not waited for."""
    found: list[object] = []

    def look() -> None:
        try:
            found.extend(socket.getaddrinfo(word, None))
        except (OSError, UnicodeError):
            return

    looking = threading.Thread(target=look, name="resolve", daemon=True)
    looking.start()
    looking.join(_LOOKUP_S)
    return bool(found)
