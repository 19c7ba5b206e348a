"""A real sshd on the loopback interface, the user's own ssh, and runs in places of their own on the "other" host."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from live.patience import until

from dettui.domain.link import Link, LinkState
from dettui.domain.question import Question
from dettui.domain.run import RunState
from dettui.feed.base import Arrival
from dettui.feed.ssh.desk import Desk
from dettui.feed.ssh.feed import SshFeed
from dettui.feed.ssh.target import Way
from dettui_probe import wire

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
HOST = "gpu01"
KEYS_ONLY = ("UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no")

needs_sshd = pytest.mark.skipif(not Path(SSHD).exists(), reason="no sshd here: apt-get install openssh-server")

TRAINING = """
import sys, time
import dettui_probe as probe
run = probe.init({name!r}, total_steps={steps})
for step in range(1, {steps} + 1):
    run.log(step, **{{"loss/total": 1.0 / step, "x": step}})
    time.sleep({pause})
if {waits}:
    sys.stdin.readline()
run.finish()
"""


def make_key(path: Path, passphrase: str = "") -> Path:
    """A key pair at *path*."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path), "-C", "test"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@dataclass
class OtherHost:
    """An sshd of our own, and how ssh reaches it as ``gpu01``."""

    place: Path  # of keys and configs
    home: Path  # the runtime directory "there"
    port: int
    daemon: subprocess.Popen[bytes] | None = None
    program: str = SSHD  # its name is that of its PAM service
    lets_in: list[str] = field(default_factory=lambda: list(KEYS_ONLY))
    options: list[str] = field(default_factory=list)
    client_options: list[str] = field(default_factory=list)
    known: bool = True  # its host key is in known_hosts
    key: str = "key"
    trainings: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Listen."""
        (self.place / "sshd_config").write_text(
            "\n".join(
                [
                    f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.place}/host", "PidFile none",
                    "StrictModes no", "PermitRootLogin yes", f"AuthorizedKeysFile {self.place}/authorized",
                    *self.lets_in, *self.options,
                    f"SetEnv DETTUI_HOME={self.home}" if not any(o.startswith("SetEnv") for o in self.options) else "",
                ]
            )
        )  # fmt: skip
        with (self.place / "sshd.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [self.program, "-D", "-e", "-f", str(self.place / "sshd_config")], stdin=subprocess.DEVNULL, stderr=log
            )
        until(self._listens)

    def _listens(self) -> bool:
        assert self.daemon is not None and self.daemon.poll() is None, (self.place / "sshd.log").read_text()
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Stop listening, and end every connection."""
        for pid in self.connections():
            kill(pid)
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait()
            self.daemon = None

    def connections(self) -> list[int]:
        """Processes of sshd that serve one connection each."""
        return children_of(self.daemon.pid) if self.daemon is not None else []

    def agents(self) -> list[int]:
        """Agents that were sent to this host and run."""
        marker = f"DETTUI_HOME={self.home}".encode()
        return [pid for pid in pids() if b"zlib.decompress" in cmdline(pid) and marker in environ(pid)]

    @property
    def way(self) -> Way:
        """How it is reached."""
        (self.place / "known").write_text(
            f"[127.0.0.1]:{self.port} {(self.place / 'host.pub').read_text()}" if self.known else ""
        )
        (self.place / "config").write_text(
            "\n".join(
                [
                    f"Host {HOST}", "HostName 127.0.0.1", f"Port {self.port}", f"IdentityFile {self.place}/{self.key}",
                    "IdentitiesOnly yes", f"UserKnownHostsFile {self.place}/known", "GlobalKnownHostsFile /dev/null",
                    "IdentityAgent none", *self.client_options,
                ]
            )
            + "\n"
        )  # fmt: skip
        return Way(("ssh", "-F", str(self.place / "config")))

    def train(
        self, name: str = "shapes", steps: int = 100, pause: float = 0.01, *, waits: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a training there."""
        child = subprocess.Popen(
            [sys.executable, "-c", TRAINING.format(name=name, steps=steps, pause=pause, waits=waits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=self.place,
            env={
                **os.environ,
                "DETTUI_HOME": str(self.home),
                "DETTUI_RUNS": str(self.place / "runs"),
                "DETTUI_RUN": name,
            },
        )
        self.trainings.append(child)
        return child

    def clear(self) -> None:
        """End everything that was started."""
        self.stop()
        for child in self.trainings:
            child.kill()
            child.communicate()


class Watcher:
    """A feed of the other host, and everything that it brought."""

    def __init__(self, feed: SshFeed) -> None:
        self.feed = feed
        self.arrivals: list[Arrival] = []

    def look(self, wait_s: float = 0.05) -> None:
        self.arrivals += self.feed.poll(wait_s)

    def until(self, reached: Callable[[Watcher], bool]) -> None:
        """Look until *reached*."""

        def is_reached() -> bool:
            self.look()
            return reached(self)

        until(is_reached, lambda: (self.feed.link, self.state, len(self.steps())))

    @property
    def link(self) -> Link:
        """The link as it was told last."""
        return [arrival.link for arrival in self.arrivals if arrival.link is not None][-1]

    @property
    def state(self) -> RunState | None:
        """The state of a run that was told last."""
        told = [arrival.liveness.state for arrival in self.arrivals if arrival.liveness]
        return told[-1] if told else None

    def steps(self, run: str = "") -> list[int]:
        """Steps of every row, in order of arrival."""
        return [
            step
            for arrival in self.arrivals
            if not run or arrival.run == run
            for message in arrival.messages
            if isinstance(message, wire.Batch)
            for block in message.blocks
            for step in struct.unpack(f"<{len(block.steps) // 8}q", block.steps)
        ]

    def asked(self, desk: Desk) -> Question:
        """The question that the other host asks next."""
        self.until(lambda _: bool(desk.questions))
        return desk.questions[0]

    def is_finished(self) -> bool:
        return self.state is RunState.FINISHED


def is_up(watcher: Watcher) -> bool:
    return watcher.feed.link.state is LinkState.UP


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def children_of(pid: int) -> list[int]:
    """Processes below *pid*, at any depth."""
    parents: dict[int, int] = {}
    for one in pids():
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[one] = int(fields[1])
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        below = [child for child, above in parents.items() if above == parent]
        found += below
        waiting += below
    return found


def kill(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
