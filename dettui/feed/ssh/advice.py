"""What ssh complained of, and what to do about it, in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dettui.domain.link import LinkState
from dettui.store.text import clean

NO_PYTHON: Final = 127


@dataclass(frozen=True)
class Failure:
    """Why a link is down: LOST where another attempt may do, NEEDS_LOGIN where the user has to answer a question,
    FAILED where something has to be changed first."""

    state: LinkState
    text: str


_Advise = Callable[[str, str], Failure]


def _again(text: str) -> _Advise:
    return lambda host, told: Failure(LinkState.LOST, text.format(host=host, told=told))


def _login(text: str) -> _Advise:
    return lambda host, told: Failure(LinkState.NEEDS_LOGIN, text.format(host=host, told=told))


def _change(text: str) -> _Advise:
    return lambda host, told: Failure(LinkState.FAILED, text.format(host=host, told=told))


_ADVICE: Final[tuple[tuple[str, _Advise], ...]] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed",
        _change(
            "the host key of {host} has CHANGED: it was set up anew, or somebody sits in between. Ask who runs it; "
            "if the change is right, `ssh-keygen -R {host}` and connect again"
        ),
    ),
    (r"Host key verification failed|authenticity of host", _login("{host} is not known yet: confirm its host key")),
    (
        r"Permission denied|Too many authentication failures|passphrase|Authentication failed",
        _login("{host} did not let us in ({told}): log in, or `ssh-add` your key"),
    ),
    (r"Could not resolve hostname|Name or service not known", _again("{host}: no host of that name can be found")),
    (r"Connection refused", _again("{host} refuses connections: is sshd running there, on that port?")),
    (r"No route to host|Network is unreachable", _again("{host} cannot be reached from here: is the network up?")),
    (r"timed out|Timeout, server|not responding", _again("{host} does not answer: is it up, and the network?")),
    (r"Bad configuration|Bad owner or permissions|bad configuration option", _change("your ssh config: {told}")),
    (r"Missing argument|usage: ssh|unknown option|illegal option", _change("ssh does not understand us: {told}")),
    (r"no Python \d", _change("{host} has no Python 3.8 or newer on its PATH")),
    (r"no such identity|not accessible", _login("{told}")),
    (r"administratively prohibited|(shell|exec) request failed", _change("{host} runs no commands for us: {told}")),
    (
        r"Could not establish a configuration source",
        _change("{host}: Slurm there belongs to no cluster; name a login node of one, slurm:JOBID@LOGIN"),
    ),
    (r"Invalid job id|Unable to confirm allocation|job.*(expired|not running)", _change("no such running job: {told}")),
)  # fmt: skip


def advise(host: str, complaints: str, exit_code: int | None, said: str = "") -> Failure:
    """Why the connection to *host* ended, by what its process wrote to stderr; *said* is what came on stdout instead of
    the agent's words."""
    told = _last_line(complaints)
    for pattern, advice in _ADVICE:
        if re.search(pattern, complaints, re.IGNORECASE):
            return advice(host, told)
    if exit_code == NO_PYTHON and not told:
        told = "command not found"
    if said.strip():
        return Failure(LinkState.FAILED, f"{host} answered with something else: {clean(_last_line(said), 120)}")
    if told:
        return Failure(LinkState.LOST, f"{host}: {told}")
    return Failure(LinkState.LOST, f"the connection to {host} ended")


def _last_line(text: str) -> str:
    lines = [line for line in map(clean, text.splitlines()) if line.strip(" @")]
    return lines[-1].strip().rstrip(".") if lines else ""
