"""How the agent looks at processes."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dettui.feed.agent.discovery import Member
from dettui.feed.agent.memory_kills import Counters, MemoryKills
from dettui.feed.agent.process import OTHER_CONTAINER, OTHER_HOST, ProcessWatch, process_state
from dettui.feed.agent.procfs import INITIAL_PID_NAMESPACE, how_it_ended

ME = Member("r", "b", 0, "r", "h", "kernel-1", pid=42, pid_start=777, log="", started=1.0)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with one process, 42, that started at tick 777."""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("kernel-1\n")
    (tmp_path / "42").mkdir()
    write_stat(tmp_path, "S")
    (tmp_path / "stat").write_text("cpu 1\n")
    (tmp_path / "vmstat").write_text("nr_free 1\noom_kill 3\n")
    return tmp_path


def write_stat(proc: Path, state: str, start: int = 777) -> None:
    fields = [state, *["0"] * 18, str(start), "0"]
    (proc / "42" / "stat").write_text(f"42 (a) b) {' '.join(fields)}\n")


def test_a_process_is_known_by_its_pid_and_start(proc: Path) -> None:
    watch = ProcessWatch(ME, proc)
    assert watch.look(0.0).state == "S"
    write_stat(proc, "S", start=999)  # the pid was given to another
    assert watch.look(1.0).state == ""


def test_time_in_a_state_is_counted_from_its_first_sight(proc: Path) -> None:
    watch = ProcessWatch(ME, proc)
    write_stat(proc, "D")
    assert [watch.look(now).since_s for now in (10.0, 11.5)] == [0.0, 1.5]
    write_stat(proc, "R")
    assert watch.look(12.0).since_s == 0.0


def test_a_process_of_another_host_is_not_looked_for(proc: Path) -> None:
    sight = ProcessWatch(replace(ME, host_boot="kernel-2"), proc).look(0.0)
    assert (sight.ours, sight.state) == (False, "")


def test_a_restarted_host_is_told(proc: Path) -> None:
    sight = ProcessWatch(replace(ME, host_boot="kernel-0", host=socket.gethostname()), proc).look(0.0)
    assert (sight.ours, sight.restarted, sight.state) == (True, True, "")


def test_another_machine_of_the_same_name_is_not_ours_restarted(proc: Path) -> None:
    (proc / "stat").write_text("cpu 1\nbtime 500\n")
    sight = ProcessWatch(replace(ME, host_boot="kernel-0", host=socket.gethostname(), started=900.0), proc).look(0.0)
    assert (sight.ours, sight.restarted, sight.why_unseen) == (False, False, OTHER_HOST)


def in_namespace(proc: Path, monkeypatch: pytest.MonkeyPatch, inode: int) -> None:
    """We look from the pid namespace *inode*."""
    monkeypatch.setattr("dettui.feed.agent.process.pid_namespace", lambda _: inode)


def test_a_process_of_a_container_is_found_by_its_pid_in_there(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_namespace(proc, monkeypatch, INITIAL_PID_NAMESPACE)
    (proc / "42" / "status").write_text("Name:\tpython\nNSpid:\t42\t7\n")
    assert ProcessWatch(replace(ME, pid=7, pid_ns=99), proc).look(0.0).state == "S"
    assert ProcessWatch(replace(ME, pid=8, pid_ns=99), proc).look(0.0).state == ""
    assert ProcessWatch(replace(ME, pid=7, pid_ns=99, pid_start=778), proc).look(0.0).state == ""


def test_from_one_container_the_processes_of_another_are_out_of_sight(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_namespace(proc, monkeypatch, 98)
    sight = ProcessWatch(replace(ME, pid_ns=99), proc).look(0.0)
    assert (sight.ours, sight.why_unseen) == (False, OTHER_CONTAINER)
    assert ProcessWatch(replace(ME, pid_ns=98), proc).look(0.0).state == "S"


@pytest.mark.parametrize(
    ("line", "counter"),
    [
        ("0::/job", "job/memory.events"),
        ("0::/job", "unified/job/memory.events"),
        ("9:pids:/\n4:memory:/job\n0::/", "memory/job/memory.oom_control"),
    ],
)
def test_the_counter_of_the_cgroup_is_found_in_either_version(
    proc: Path, tmp_path: Path, line: str, counter: str
) -> None:
    (proc / "42" / "cgroup").write_text(line + "\n")
    counts = tmp_path / "cgroups" / counter
    counts.parent.mkdir(parents=True)
    counts.write_text("under_oom 0\noom_kill 0\n")
    kills = MemoryKills(proc, 42, tmp_path / "cgroups")
    kills.note(2_400_000_000)
    kills.note(0)
    assert kills.verdict() == ""
    counts.write_text("under_oom 0\noom_kill 1\n")
    assert kills.verdict() == "out of memory: killed by the kernel at the limit of its cgroup; it last used 2.4 GB"


def test_a_thread_waits_for_a_disk_once_it_was_seen_so_twice(proc: Path) -> None:
    task = proc / "42" / "task" / "43"
    task.mkdir(parents=True)
    watch = ProcessWatch(ME, proc)
    for state, waits in (("D", False), ("D", True), ("S", False), ("D", False)):
        (task / "stat").write_text(f"43 (a) {state} {'0 ' * 18}777 0\n")
        assert watch.thread_waits() is waits


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ""),
        (9, "ended by SIGKILL"),
        (11 | 0x80, "ended by SIGSEGV"),
        (3 << 8, "left with exit code 3, without a goodbye"),
    ],
)
def test_the_status_of_a_zombie_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


def test_a_kill_for_memory_while_we_watched_is_told(proc: Path) -> None:
    watch = ProcessWatch(ME, proc)
    watch.look(0.0)
    (proc / "42" / "stat").unlink()
    (proc / "vmstat").write_text("oom_kill 4\n")
    assert "memory" in watch.look(1.0).out_of_memory


def test_a_kill_for_memory_before_the_end_is_of_another(proc: Path) -> None:
    watch = ProcessWatch(ME, proc)
    (proc / "vmstat").write_text("oom_kill 4\n")
    watch.look(0.0)
    watch.look(0.5)
    (proc / "42" / "stat").unlink()
    assert watch.look(1.0).out_of_memory == ""


def test_a_process_that_takes_its_time_to_die_of_a_kill_for_memory_is_told(proc: Path) -> None:
    watch = ProcessWatch(ME, proc)
    watch.look(0.0)
    (proc / "vmstat").write_text("oom_kill 4\n")
    watch.look(0.5)
    (proc / "42" / "stat").unlink()
    assert "memory" in watch.look(1.0).out_of_memory


def test_without_a_proc_a_signal_tells(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_state(tmp_path / "no proc", child.pid, 0) == "S"
    child.communicate(b"\n")
    assert process_state(tmp_path / "no proc", child.pid, 0) == ""


def test_a_counter_is_read_once_a_look(tmp_path: Path) -> None:
    path, counters = tmp_path / "vmstat", Counters()
    told = []
    for count, now in ((1, 0.0), (2, 0.0), (3, 0.5)):
        path.write_text(f"oom_kill {count}\n")
        told.append(counters.of(path, now))
    assert told == [1, 1, 3]


def test_runs_that_are_looked_at_together_share_what_was_read_and_still_tell_a_kill(proc: Path) -> None:
    counters = Counters()
    watches = [ProcessWatch(ME, proc, counters) for _ in range(2)]
    for now in (0.0, 0.5):
        for watch in watches:
            watch.look(now)
    (proc / "42" / "stat").unlink()
    (proc / "vmstat").write_text("oom_kill 4\n")
    assert all("memory" in watch.look(1.0).out_of_memory for watch in watches)
