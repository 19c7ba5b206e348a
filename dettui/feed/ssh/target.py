"""From what a user typed to the command that reaches a host."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from typing import Final

from dettui.errors import BadUsage
from dettui.feed.ssh.bundle import RECEIVER

OPTIONS: Final = (
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ConnectTimeout=15",
    "LogLevel=ERROR",
    "RequestTTY=no",
    "RemoteCommand=none",
    "ClearAllForwardings=yes",
    "ForwardX11=no",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    # One connection carries everything, so none has to be shared; one that is there already is used, for it may have
    # cost a one-time code.
    "ControlMaster=no",
)
"""Given before the user's config, which decides everything else: names, users, keys, ports, jumps, host keys."""

_SLURM: Final = re.compile(r"slurm:(?P<job>\d+(?:[_+.]\d+)*)(?:/(?P<node>[\w.-]+))?(?:@(?P<login>.+))?")
_RECEIVER: Final = RECEIVER.removeprefix("exec ")
_SRUN: Final = ("srun", "--overlap", "--nodes=1", "--ntasks=1", "--quiet")


@dataclass(frozen=True)
class Way:
    """How hosts are reached: the ssh command, and what to jump over."""

    ssh: tuple[str, ...] = ("ssh",)
    jump: str = ""


@dataclass(frozen=True)
class HostTarget:
    """One host, or one node of a Slurm job."""

    text: str  # as typed: the name under which it is shown
    destination: str  # for ssh; "" where the job is reached from this machine
    job: str = ""
    node: str = ""

    def command(self, way: Way, *, batch: bool, alone: bool = False) -> list[str]:
        """What to run.  *batch*: it must ask nothing; *alone*: over no connection that is there already."""
        if not self.destination:
            return ["sh", "-c", self._job_script()] if self._is_part else [*self._srun(), "sh", "-c", RECEIVER]
        options = [*OPTIONS, *["BatchMode=yes"] * batch, *["ControlPath=none"] * alone]
        command = [*way.ssh, "-T", *(part for option in options for part in ("-o", option))]
        if way.jump:
            command += ["-J", way.jump]
        return [*command, "--", self.destination, self._there()]

    def _there(self) -> str:
        """What the login shell is to run."""
        if not self.job:
            return RECEIVER
        if self._is_part:
            return f"exec sh -c {shlex.quote(self._job_script())}"
        return f"exec {shlex.join(self._srun())} {_RECEIVER}"

    @property
    def _is_part(self) -> bool:
        """Whether the job is a task of an array, or a part of a heterogeneous one: srun knows them by a number of
        their own, which squeue tells."""
        return not self._whole_job.isdecimal()

    @property
    def _whole_job(self) -> str:
        """Without the step: a new one is made in any case."""
        return self.job.partition(".")[0]

    def _job_script(self) -> str:
        find = f"number=$(squeue --noheader --format=%A --jobs={self._whole_job})"
        complain = f'{{ echo "job {self._whole_job} is not running" >&2; exit 1; }}'
        srun = shlex.join([*_SRUN, *self._node])
        return f'{find}; test -n "$number" || {complain}; exec {srun} --jobid="$number" {_RECEIVER}'

    def _srun(self) -> list[str]:
        return [*_SRUN, f"--jobid={self._whole_job}", *self._node]

    @property
    def _node(self) -> list[str]:
        return [f"--nodelist={self.node}"] * bool(self.node)


def host_target(text: str) -> HostTarget:
    """The host that *text* means: anything that ssh accepts, or ``slurm:JOB[/NODE][@LOGIN]``.  Raises BadUsage."""
    if text.startswith("slurm:"):
        found = _SLURM.fullmatch(text)
        if found is None:
            raise BadUsage(f"{text} names no job: say slurm:JOBID, slurm:JOBID@LOGIN or slurm:JOBID/NODE@LOGIN")
        return HostTarget(text, found["login"] or "", found["job"], found["node"] or "")
    destination = text.removeprefix("ssh://") if text.startswith("ssh://") and ":" not in text[6:] else text
    if not destination or destination.startswith("-") or re.search(r"\s", destination):
        raise BadUsage(f"{text!r} is no host that ssh could reach")
    return HostTarget(text, destination)


def require_program(target: HostTarget, way: Way) -> None:
    """Raises BadUsage where the program is missing that reaches *target*."""
    program = way.ssh[0] if target.destination else "srun"
    if shutil.which(program) is None:
        where = "install OpenSSH" if target.destination else f"say {target.text}@LOGIN to go over its login node"
        raise BadUsage(f"{program} is not installed here: {where}")
