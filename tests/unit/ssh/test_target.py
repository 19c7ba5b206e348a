"""From a word to a command, and from ssh's complaints to advice."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dettui.domain.link import LinkState
from dettui.errors import BadUsage
from dettui.feed.ssh.advice import advise
from dettui.feed.ssh.bundle import RECEIVER
from dettui.feed.ssh.target import Way, host_target, require_program


def test_a_host_is_reached_by_the_users_own_ssh() -> None:
    command = host_target("me@gpu01").command(Way(), batch=False)
    assert command[:2] == ["ssh", "-T"]
    assert command[-3:] == ["--", "me@gpu01", RECEIVER]
    assert "BatchMode=yes" not in command


def test_what_may_ask_nothing_says_so_and_a_jump_is_passed_on() -> None:
    command = host_target("gpu01").command(Way(("ssh", "-F", "my config"), "gate"), batch=True, alone=True)
    assert command[:3] == ["ssh", "-F", "my config"]
    assert command[command.index("-J") + 1] == "gate"
    assert {"BatchMode=yes", "ControlPath=none"} <= set(command)


def test_a_job_is_reached_through_its_login_node() -> None:
    command = host_target("slurm:4711/node05@me@login").command(Way(), batch=False)
    assert command[-2] == "me@login"
    there = shlex.split(command[-1])
    assert there[:2] == ["exec", "srun"]
    assert {"--jobid=4711", "--nodelist=node05", "--overlap", "--ntasks=1"} <= set(there)
    assert there[-3:] == ["sh", "-c", shlex.split(RECEIVER)[-1]]


def test_a_step_of_a_job_is_reached_as_its_job() -> None:
    assert "--jobid=4711" in host_target("slurm:4711.0").command(Way(), batch=False)


@pytest.mark.parametrize(("word", "job"), [("slurm:4711_3/node05", "4711_3"), ("slurm:12+1", "12+1")])
def test_a_part_of_a_job_is_reached_by_the_number_that_squeue_knows(word: str, job: str) -> None:
    here = host_target(word).command(Way(), batch=False)
    assert here[:2] == ["sh", "-c"]
    assert f"--jobs={job})" in here[2] and "exec srun" in here[2] and '--jobid="$number"' in here[2]
    there = host_target(f"{word}@login").command(Way(), batch=False)[-1]
    assert shlex.split(there) == ["exec", *here]


def test_on_the_login_node_itself_no_ssh_is_needed() -> None:
    command = host_target("slurm:4711").command(Way(), batch=False)
    assert command[0] == "srun"
    assert command[-3:] == ["sh", "-c", RECEIVER]


@pytest.mark.parametrize("word", ["slurm:", "slurm:x", "slurm:1;reboot", "-oProxyCommand=x", "", "two words"])
def test_what_is_no_host_is_refused(word: str) -> None:
    with pytest.raises(BadUsage):
        host_target(word)


def test_a_program_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # a machine of a cluster has srun
    with pytest.raises(BadUsage, match="no-such-ssh is not installed"):
        require_program(host_target("gpu01"), Way(("no-such-ssh",)))
    with pytest.raises(BadUsage, match="slurm:1@LOGIN"):
        require_program(host_target("slurm:1"), Way())


CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Host key for gpu01 has changed and you have requested strict checking.
Host key verification failed."""


@pytest.mark.parametrize(
    ("complaints", "state", "advice"),
    [
        (CHANGED, LinkState.FAILED, "CHANGED"),
        ("Host key verification failed.", LinkState.NEEDS_LOGIN, "confirm its host key"),
        ("me@gpu01: Permission denied (publickey,password).", LinkState.NEEDS_LOGIN, "ssh-add"),
        ("ssh: Could not resolve hostname gpu01: Name or service not known", LinkState.LOST, "no host of that name"),
        ("ssh: connect to host gpu01 port 22: Connection refused", LinkState.LOST, "is sshd running"),
        ("ssh: connect to host gpu01 port 22: Connection timed out", LinkState.LOST, "does not answer"),
        ("ssh: connect to host gpu01 port 22: No route to host", LinkState.LOST, "network"),
        ("Timeout, server gpu01 not responding.", LinkState.LOST, "does not answer"),
        ("/home/me/.ssh/config: line 3: Bad configuration option: foo", LinkState.FAILED, "ssh config"),
        ("dettui: no Python 3.8 or newer", LinkState.FAILED, "Python 3.8"),
        ("srun: error: Invalid job id specified", LinkState.FAILED, "no such running job"),
        ("srun: fatal: Could not establish a configuration source", LinkState.FAILED, "belongs to no cluster"),
        ("client_loop: send disconnect: Broken pipe", LinkState.LOST, "Broken pipe"),
        ("", LinkState.LOST, "ended"),
    ],
)
def test_a_complaint_becomes_advice(complaints: str, state: LinkState, advice: str) -> None:
    failure = advise("gpu01", complaints, 255)
    assert failure.state is state
    assert advice in failure.text and "\n" not in failure.text


def test_what_a_host_says_instead_is_quoted_and_harmless() -> None:
    failure = advise("gpu01", "", 0, "Welcome\n\x1b[2JNo shell for you\n")
    assert failure.text == "gpu01 answered with something else: No shell for you"
    assert failure.state is LinkState.FAILED


def test_a_key_is_never_accepted_for_the_user() -> None:
    command = host_target("gpu01").command(Way(), batch=False)
    assert not [part for part in command if "StrictHostKeyChecking" in part or "UserKnownHostsFile" in part]
