"""Who is speaking: the run, the rank in it, the process and its host."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_RANK_NAMES: Final = (
    ("RANK", "WORLD_SIZE"),  # torchrun, accelerate, deepspeed
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
)


class Place(NamedTuple):
    """A rank among *world* ranks."""

    rank: int
    world: int


class RunName(NamedTuple):
    """What a run is called: *id* is safe as a file name, *name* is what people read."""

    id: str
    name: str


class Process(NamedTuple):
    """What tells this process from every other, also after its pid was given away again."""

    host: str
    host_boot: str  # the kernel's boot id, "" where the system has none
    pid: int
    pid_start: int  # clock ticks since boot, 0 where the system does not tell
    pid_ns: int  # inode of the namespace in which the pid counts, 0 where the system has none


def place(env: Mapping[str, str]) -> Place:
    """Rank and world size: of torch.distributed where the script has initialised it, else of the launcher."""
    found = _place_in_process_group()
    if found is not None:
        return found
    for rank_name, world_name in _RANK_NAMES:
        rank, world = env.get(rank_name, ""), env.get(world_name, "")
        if rank_name == "SLURM_PROCID" and rank == "0" and "SLURM_STEP_ID" not in env:
            continue  # a batch script: Slurm sets these for it too, and it is alone
        if rank.isdecimal() and world.isdecimal() and int(rank) < int(world):
            return Place(int(rank), int(world))
    return Place(0, 1)


def _place_in_process_group() -> Place | None:
    distributed = sys.modules.get("torch.distributed")  # never imported or initialised by us
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return Place(int(distributed.get_rank()), int(distributed.get_world_size()))


def group_key(env: Mapping[str, str], world: int) -> str | None:
    """What the ranks of one job have in common and other jobs have not; None for a process on its own."""
    slurm_job = env.get("SLURM_JOB_ID")
    if slurm_job and "SLURM_STEP_ID" in env:
        parts = (slurm_job, env["SLURM_STEP_ID"], env.get("SLURM_ARRAY_TASK_ID", ""))
        return "slurm-" + ".".join(part for part in parts if part)
    elastic = env.get("TORCHELASTIC_RUN_ID", "none")
    if elastic != "none":  # plain torchrun says "none" for every job
        return f"elastic-{elastic}"
    if world > 1:
        rendezvous = (env.get("MASTER_ADDR", ""), env.get("MASTER_PORT", ""), str(world))
        if env.get("LOCAL_WORLD_SIZE", str(world)) != str(world):
            return "-".join(rendezvous)  # on several hosts no process is parent of all
        parent = os.getppid()
        return "-".join((*rendezvous, str(parent), str(start_ticks(parent))))
    return None


def attempt(env: Mapping[str, str]) -> int:
    """How often torchrun has started the job's processes again."""
    count = env.get("TORCHELASTIC_RESTART_COUNT", "")
    return int(count) if count.isdecimal() else 0


def launch(env: Mapping[str, str], world: int) -> str:
    """What the ranks of one start of a job have in common, and an earlier or later start has not; "" for a process
    on its own."""
    key = group_key(env, world)
    if key is None or world == 1:
        return ""
    return _digest("|".join((key, str(world), str(attempt(env)), env.get("MASTER_PORT", ""))))


def run_name(env: Mapping[str, str], asked: str | None, world: int, taken: Path) -> RunName:
    """The name of this run: *asked* for, or the script's, with a suffix that no run in the directory *taken* has.

    $DETTUI_RUN sets the id as it is; ranks of one job derive the same suffix from what they have in common.
    """
    stem = slug(asked or _script_name())
    chosen = env.get("DETTUI_RUN")
    if chosen:
        return RunName(slug(chosen), asked or chosen)
    key = group_key(env, world)
    run_id = _unused(stem, taken) if key is None else f"{stem}-{_digest(key)}"
    return RunName(run_id, asked or run_id)


def _digest(key: str) -> str:
    from hashlib import sha256  # noqa: PLC0415 - 5 ms that only ranks of a group pay

    return sha256(key.encode()).hexdigest()[:8]


def _unused(stem: str, taken: Path) -> str:
    for _ in range(16):
        candidate = f"{stem}-{os.urandom(2).hex()}"
        if not (taken / candidate).exists():
            return candidate
    return f"{stem}-{os.urandom(8).hex()}"


def slug(text: str) -> str:
    """*text* as a file name: ASCII letters, digits, "-", "_" and ".", 1 to 64 of them, none hidden."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return safe[:64] or "run"


def _script_name() -> str:
    """The stem of the script; of the package where it runs as ``python -m package``."""
    script = Path(sys.argv[0] if sys.argv else "")
    return script.parent.name if script.stem == "__main__" else script.stem


def process() -> Process:
    """This process on its host."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return Process(os.uname().nodename, boot, os.getpid(), start_ticks(os.getpid()), namespace)


def start_ticks(pid: int) -> int:
    """When *pid* started, in clock ticks since boot; 0 where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[19])  # field 22; the second one may hold spaces and brackets
    except (OSError, ValueError, IndexError):
        return 0
