"""Servers that forbid what others need, shells that talk, and the ways that a user's ssh config may take."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from live.ssh.place import OtherHost, Watcher, needs_sshd

from dettui.domain.link import LinkState
from dettui.feed.joined import JoinedFeed
from dettui.feed.ssh.feed import LinkPolicy
from dettui_probe import wire

pytestmark = needs_sshd

Watch = Callable[..., Watcher]
NOISE = """
echo "Welcome to gpu01.  Your quota: 97 % used"
printf 'no newline at the end'
echo "+ on stderr too" >&2
set -x
(sleep 0.4; echo late noise from a login script) &
"""


@pytest.mark.parametrize(
    "policy",
    [
        ["AllowTcpForwarding no"],
        ["AllowStreamLocalForwarding no"],
        ["DisableForwarding yes", "PermitTTY no"],
        ['ForceCommand sh -c "$SSH_ORIGINAL_COMMAND"', "PermitTTY no", "DisableForwarding yes"],
    ],
    ids=lambda policy: policy[0].split()[0],
)
def test_a_server_that_forbids_every_forwarding_will_do(policy: list[str], host: OtherHost, watch: Watch) -> None:
    host.options += policy
    host.start()
    host.train(steps=50)
    watcher = watch(host)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 51))


def test_banners_and_shells_that_talk_are_passed_over(host: OtherHost, watch: Watch) -> None:
    (host.place / "banner").write_text("* * * authorised use only \xc3\xa9 * * *\n")
    (host.place / "noise.sh").write_text(NOISE)
    host.options += [f"Banner {host.place}/banner", f"SetEnv DETTUI_HOME={host.home} BASH_ENV={host.place}/noise.sh"]
    host.start()
    host.train(steps=100)
    watcher = watch(host)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 101))


def test_a_host_that_runs_something_else_is_told_by_what_it_said(host: OtherHost, watch: Watch) -> None:
    host.options.append("ForceCommand echo This account is for file transfer only")
    host.start()
    watcher = watch(host)
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.FAILED)
    assert watcher.feed.link.text == "gpu01 answered with something else: This account is for file transfer only"
    assert watcher.feed.link.retry_at is None


def test_a_host_behind_another_is_reached_over_it(host: OtherHost, watch: Watch) -> None:
    host.client_options += [
        "Host gate", "HostName 127.0.0.1", f"Port {host.port}", f"IdentityFile {host.place}/key",
        f"UserKnownHostsFile {host.place}/known", "Host gpu01", "ProxyJump gate",
    ]  # fmt: skip
    host.start()
    host.train(steps=50)
    watcher = watch(host)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 51))


@pytest.mark.long
def test_the_socket_of_a_shared_connection_that_is_gone_is_no_obstacle(host: OtherHost, watch: Watch) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(host.place / "cm"))
    host.client_options += ["ControlMaster auto", f"ControlPath {host.place}/cm"]
    host.start()
    host.train(steps=20)
    watcher = watch(host)
    watcher.until(Watcher.is_finished)


@pytest.mark.long
def test_a_shared_connection_that_hangs_is_given_up_for_one_of_our_own(host: OtherHost, watch: Watch) -> None:
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(host.place / "cm"))
        hangs.listen()
        host.client_options += ["ControlMaster auto", f"ControlPath {host.place}/cm"]
        host.start()
        host.train(steps=20)
        watcher = watch(host, policy=LinkPolicy(connect_s=3.0))
        watcher.until(Watcher.is_finished)


@pytest.mark.long
def test_places_with_awkward_names_will_do(host: OtherHost, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    host.home = host.place / ("with a blank and 'quotes' " + "x" * 100)
    host.options.append(f'SetEnv "DETTUI_HOME={host.home}" TMPDIR=/nowhere/at/all HOME=/nowhere/either')
    monkeypatch.setenv("TMPDIR", str(Path("/nowhere")))
    host.start()
    host.train(steps=20)
    watcher = watch(host)
    watcher.until(Watcher.is_finished)


SRUN = """#!/bin/sh
echo "srun $*" >> {log}
while case "$1" in -*) true;; *) false;; esac; do shift; done
exec "$@"
"""


def test_a_slurm_job_is_reached_over_its_login_node(host: OtherHost, watch: Watch) -> None:
    """With a stand-in for srun: there is no Slurm here."""
    tools = host.place / "tools"
    tools.mkdir()
    (tools / "srun").write_text(SRUN.format(log=host.place / "srun.log"))
    (tools / "srun").chmod(0o755)
    host.options.append(f"SetEnv DETTUI_HOME={host.home} PATH={tools}:/usr/bin:/bin")
    host.start()
    host.train(steps=20)
    watcher = watch(host, text="slurm:4711/node05@gpu01")
    watcher.until(Watcher.is_finished)
    assert {arrival.host for arrival in watcher.arrivals} == {"slurm:4711/node05@gpu01"}
    assert (
        "--overlap --nodes=1 --ntasks=1 --quiet --jobid=4711 --nodelist=node05" in (host.place / "srun.log").read_text()
    )


def test_a_host_that_is_lost_takes_no_other_with_it(host: OtherHost, watch: Watch) -> None:
    host.client_options += ["Host gpu02", "HostName 127.0.0.1", "Port 1"]
    host.start()
    host.train(steps=300)
    lost, other = watch(host, text="gpu02").feed, watch(host).feed
    both = JoinedFeed([lost, other])
    states: set[tuple[str, LinkState]] = set()
    steps = 0
    while steps < 300:
        for arrival in both.poll(1.0):
            steps += sum(len(b.steps) // 8 for m in arrival.messages if isinstance(m, wire.Batch) for b in m.blocks)
            if arrival.link is not None:
                states.add((arrival.host, arrival.link.state))
    both.close()
    assert ("gpu02", LinkState.LOST) in states
    assert ("gpu01", LinkState.LOST) not in states
