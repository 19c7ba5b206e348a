"""What became of a real process is named rightly, and soon."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live.patience import until

from dettui.domain.run import RunState
from dettui.feed.opening import list_runs

Spawn = Callable[..., Any]
Watch = Callable[..., Any]

STEPPING = """
run = probe.init("shapes")
for step in range(100_000):
    run.log(step, x=step)
    time.sleep(0.02)
"""


def reaches(state: RunState) -> Callable[[Any], bool]:
    return lambda viewer: viewer.state is state


def seconds_until(viewer: Any, state: RunState) -> float:
    began = time.monotonic()
    viewer.until(reaches(state))
    return time.monotonic() - began


def is_within_5_seconds(delay_s: float, start_s: float) -> bool:
    """Or, where all is slow, five times as long as it took to start the training and to see it run (a second else)."""
    return delay_s < 5 * max(1.0, start_s)


def test_a_run_that_steps_is_running(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn(STEPPING)
    viewer.until(reaches(RunState.RUNNING))


def test_a_run_without_a_step_is_starting(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("run = probe.init('slow'); wait()")
    viewer.until(reaches(RunState.STARTING))


def test_a_run_that_leaves_with_code_zero_is_finished(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("run = probe.init('good'); run.log(1, x=1)\nsys.exit(0)")
    viewer.until(reaches(RunState.FINISHED))


FAULTY = """
import ctypes, faulthandler, os, re, signal
run = probe.init("faulty")
for step in range(50):
    run.log(step, x=step)
    time.sleep(0.02)
tell("ready")
wait()
"""
GOES_ON = "\nfor step in range(50, 100_000):\n    run.log(step, x=step)\n    time.sleep(0.02)\n"

ENDINGS = {
    "clean": ("", RunState.FINISHED, ""),
    "exception": ("raise KeyError('mAP')", RunState.CRASHED, "KeyError: 'mAP', at <string>"),
    "sys.exit(3)": ("sys.exit(3)", RunState.CRASHED, "left with exit code 3"),
    "SIGINT": ("signal.raise_signal(signal.SIGINT)", RunState.CRASHED, "interrupted (Ctrl-C)"),
    "SIGINT twice": (
        "import threading; threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGINT)).start(); time.sleep(0.02)\n"
        "signal.raise_signal(signal.SIGINT)",
        RunState.CRASHED,
        "interrupted (Ctrl-C)",
    ),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", RunState.KILLED, "SIGTERM"),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", RunState.KILLED, "SIGKILL"),
    "os._exit(0)": ("os._exit(0)", RunState.KILLED, "gone without a goodbye"),
    "os._exit(3)": ("os._exit(3)", RunState.KILLED, "left with exit code 3, without a goodbye"),
    "segmentation fault": ("faulthandler.enable(); ctypes.string_at(0)", RunState.KILLED, "SIGSEGV"),
    "abort": ("os.abort()", RunState.KILLED, "SIGABRT"),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_an_ending_is_named_within_5_seconds(spawn: Spawn, watch: Watch, how: str) -> None:
    """Its parent has not asked for its status yet: of a zombie the signal is known as well."""
    body, state, reason = ENDINGS[how]
    viewer, training = watch(), spawn(FAULTY + body)
    start_s = seconds_until(viewer, RunState.RUNNING)
    delay_s = provoke(viewer, training, state)
    assert reason in viewer.liveness.reason
    assert is_within_5_seconds(delay_s, start_s)
    print(f"\n| {how} | {state.value} | {viewer.liveness.reason} | {delay_s:.1f} |")


def provoke(viewer: Any, training: Any, state: RunState) -> float:
    """Let *training* go on to its fault; seconds until the viewer is told *state*."""
    assert training.stdout.readline() == "ready\n"
    training.stdin.write("\n")
    training.stdin.flush()
    return seconds_until(viewer, state)


ENDLESS_MATCH = """
class Enough(Exception): pass
def enough(*_): raise Enough
signal.signal(signal.SIGUSR1, enough)
try:
    re.match(r'(a+)+$', 'a' * 64 + 'b')  # each letter doubles the time
except Enough:
    pass
"""

BLOCKAGES = {
    "a regular expression that never ends": (
        ENDLESS_MATCH, RunState.GIL_BLOCKED, "something holds the GIL", signal.SIGUSR1
    ),
    "a C call that holds the GIL": (
        "ctypes.PyDLL(None).getchar()", RunState.GIL_BLOCKED, "something holds the GIL", None
    ),
    "SIGSTOP": ("os.kill(os.getpid(), signal.SIGSTOP)", RunState.STOPPED, "suspended by a signal", signal.SIGCONT),
}  # fmt: skip
"""What the training does, what is to be said of it, and the signal that ends it (none: a line to read)."""


@pytest.mark.parametrize("what", BLOCKAGES)
def test_a_blockage_is_named_within_5_seconds_and_is_no_death(spawn: Spawn, watch: Watch, what: str) -> None:
    body, state, reason, release = BLOCKAGES[what]
    viewer, training = watch(), spawn(FAULTY + body + GOES_ON)
    start_s = seconds_until(viewer, RunState.RUNNING)
    delay_s = provoke(viewer, training, state)
    assert reason in viewer.liveness.reason
    assert is_within_5_seconds(delay_s, start_s)
    print(f"\n| {what} | {state.value} | {viewer.liveness.reason} | {delay_s:.1f} |")
    if release is None:
        training.stdin.write("\n")
        training.stdin.flush()
    else:
        training.send_signal(release)
    viewer.until(reaches(RunState.RUNNING))
    assert not {RunState.KILLED, RunState.CRASHED} & states_told(viewer)


def states_told(viewer: Any) -> set[RunState]:
    return {arrival.liveness.state for arrival in viewer.arrivals if arrival.liveness}


def test_a_process_in_uninterruptible_sleep_waits_for_a_disk_or_a_driver(
    spawn: Spawn, watch: Watch, tmp_path: Path
) -> None:
    """The parent of a vfork sleeps so until its child executes; this one first opens a pipe that nobody writes to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    sleep = f"os.posix_spawn('/bin/true', ['true'], {{}}, file_actions=[(os.POSIX_SPAWN_OPEN, 3, {str(pipe)!r}, 0, 0)])"
    viewer, training = watch(), spawn(FAULTY + sleep + GOES_ON)
    start_s = seconds_until(viewer, RunState.RUNNING)
    delay_s = provoke(viewer, training, RunState.DISK_WAIT)
    print(f"\n| uninterruptible sleep | {viewer.state.value} | {viewer.liveness.reason} | {delay_s:.1f} |")
    pipe.write_bytes(b"")
    viewer.until(reaches(RunState.RUNNING))
    assert not {RunState.KILLED, RunState.CRASHED} & states_told(viewer)
    assert is_within_5_seconds(delay_s, start_s)


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """The file that takes the pids of a new memory cgroup with a limit of 160 MB."""
    for parent, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = parent / f"dettui-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text("160000000")
            yield group / "cgroup.procs"
            return
        except FileNotFoundError:
            continue
        finally:
            group.rmdir()
    pytest.skip("no memory cgroup may be made here")


def test_a_kill_at_the_memory_limit_is_named_with_what_was_used(spawn: Spawn, watch: Watch, small_cgroup: Path) -> None:
    grow = "\nhoard = []\nwhile True:\n    hoard.append(bytearray(4_000_000)); time.sleep(0.03)"
    viewer, training = watch(), spawn(FAULTY + grow)
    small_cgroup.write_text(str(training.pid))
    viewer.until(reaches(RunState.RUNNING))
    delay_s = provoke(viewer, training, RunState.KILLED)
    training.wait()
    assert viewer.liveness.reason.startswith("out of memory: killed by the kernel at the limit of its cgroup")
    assert "it last used 1" in viewer.liveness.reason
    print(f"\n| out of memory | killed | {viewer.liveness.reason} | {delay_s:.1f} with the growing |")


IN_A_CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c")


@pytest.fixture
def contained(home: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a training in a pid namespace of its own, where its pid is another."""
    if subprocess.run([*IN_A_CONTAINER, "pass"], capture_output=True, check=False).returncode:
        pytest.skip("no pid namespace may be made here")
    started: list[subprocess.Popen[bytes]] = []

    def start(body: str) -> subprocess.Popen[bytes]:
        script = "import sys, time\nimport dettui_probe as probe\n" + body
        started.append(subprocess.Popen([*IN_A_CONTAINER, script]))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_a_training_in_a_container_is_seen_by_its_pid_outside(
    contained: Callable[[str], subprocess.Popen[bytes]], watch: Watch
) -> None:
    viewer, shell = watch(), contained(STEPPING)
    viewer.until(reaches(RunState.RUNNING))
    training = child_of(shell.pid)
    os.kill(training, signal.SIGSTOP)
    viewer.until(reaches(RunState.STOPPED))
    os.kill(training, signal.SIGCONT)
    viewer.until(reaches(RunState.RUNNING))
    os.kill(training, signal.SIGKILL)
    viewer.until(reaches(RunState.KILLED))


def test_a_pid_that_was_given_away_again_is_another_process(spawn: Spawn, watch: Watch) -> None:
    viewer, training = watch(), spawn(STEPPING)
    viewer.until(reaches(RunState.RUNNING))
    training.kill()
    training.wait()
    heir = process_with_pid(training.pid)
    try:
        viewer.until(reaches(RunState.KILLED))
        assert heir.poll() is None
    finally:
        heir.kill()
        heir.wait()


def process_with_pid(pid: int) -> subprocess.Popen[bytes]:
    """A process that got *pid*, which has just become free."""
    for _ in range(20):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError:
            pytest.skip("the next pid may not be chosen here")
        child = subprocess.Popen(["sleep", "60"])
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
    pytest.skip(f"pid {pid} was taken by somebody else")


@pytest.mark.parametrize(
    ("host", "started", "state", "reason"),
    [
        ("elsewhere", 5.0, RunState.UNKNOWN, "a process of another host, silent for"),
        pytest.param(
            socket.gethostname(),
            time.time(),
            RunState.UNKNOWN,
            "a process of another host, silent for",
            marks=pytest.mark.long,
        ),
        (socket.gethostname(), 5.0, RunState.KILLED, "its host was restarted"),
    ],
)
def test_an_entry_of_another_host_is_unknown_of_an_earlier_boot_killed(
    spawn: Spawn, watch: Watch, home: Path, *, host: str, started: float, state: RunState, reason: str
) -> None:
    """A registry on a shared disk holds entries of other hosts, whose pids mean nothing here."""
    training = spawn("run = probe.init('far'); run.log(1, x=1); time.sleep(1.5); tell('there'); wait()")
    training.stdout.readline()
    training.kill()
    training.wait()
    (entry,) = (home / "reg").glob("*.json")
    told = {**json.loads(entry.read_text()), "host": host, "host_boot": "another", "started": started}
    entry.write_text(json.dumps(told))
    time.sleep(3.0)  # a beat younger than that would still be a sign of life
    viewer = watch()
    viewer.until(reaches(state))
    assert viewer.liveness.reason.startswith(reason)


@pytest.mark.long
@pytest.mark.timeout(4000)
def test_no_false_death_in_storms_of_the_gil(spawn: Spawn, watch: Watch) -> None:
    """For $DETTUI_TEST_STORM_S (default: two minutes) calls hold the GIL for up to 9 s, one after the other."""
    storm_s = float(os.environ.get("DETTUI_TEST_STORM_S", "120"))
    viewer = watch()
    training = spawn(f"""
import ctypes, random
run, hold = probe.init("storm"), ctypes.PyDLL(None)
until = time.monotonic() + {storm_s}
step = 0
while time.monotonic() < until:
    run.log(step := step + 1, x=step)
    hold.usleep(random.choice([1_000, 50_000, 1_000_000, 4_000_000, 9_000_000]))
run.finish()
""")
    deadline = time.monotonic() + storm_s + 300
    while viewer.state is not RunState.FINISHED and time.monotonic() < deadline:
        viewer.look()
    told = states_told(viewer)
    print(f"\n{storm_s:.0f} s of storms: {sorted(state.value for state in told)}")
    assert viewer.state is RunState.FINISHED
    assert not told & {RunState.KILLED, RunState.CRASHED, RunState.UNKNOWN, RunState.LOST}
    assert training.wait() == 0


@pytest.mark.long
def test_a_run_that_steps_no_more_is_stalled(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("""
run = probe.init("stalled")
for step in range(200):
    run.log(step, x=step)
    time.sleep(0.02)
wait()
""")
    viewer.until(reaches(RunState.STALLED))


def test_the_list_of_runs_needs_no_agent(spawn: Spawn, home: Any) -> None:
    training = spawn(STEPPING.replace("time.sleep(0.02)", "time.sleep(0.02)\n    if step == 200: tell('there')"))
    assert training.stdout.readline() == "there\n"
    (running,) = list_runs()
    assert (running.name.split("-")[0], running.liveness.state) == ("shapes", RunState.RUNNING)
    assert running.step is not None
    assert running.step > 50
    os.kill(training.pid, signal.SIGKILL)
    training.wait()

    def is_told() -> bool:
        state = list_runs()[0].liveness.state
        assert state in (RunState.RUNNING, RunState.KILLED)
        return state is RunState.KILLED

    until(is_told)  # once its last beat is 3 s old
    assert not (home / "agent.json").exists()
