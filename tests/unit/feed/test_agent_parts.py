"""What the agent is made of: which modules may be sent to a bare host, and how it looks at processes."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import dettui.feed.agent
from dettui.feed.agent.discovery import Member
from dettui.feed.agent.process import ProcessWatch, process_state

AGENT = Path(dettui.feed.agent.__file__).parent
PORTABLE = ("discovery", "liveness", "merge", "peek", "process", "session", "strand", "tail", "window")
ALLOWED = {"dettui.domain.run", "dettui_probe.framing"}
ME = Member("r", "b", 0, "r", "h", "kernel-1", pid=42, pid_start=777, log="", started=1.0)


def imports_of(source: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("module", PORTABLE)
def test_the_portable_half_needs_nothing_but_the_standard_library(module: str) -> None:
    foreign = {
        name
        for name in imports_of(AGENT / f"{module}.py")
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not name.startswith("dettui.feed.agent.")
        and name not in ALLOWED
    }
    assert foreign == set()


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
    (proc / "42" / "stat").unlink()
    assert watch.look(1.0).out_of_memory == ""


def test_without_a_proc_a_signal_tells(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_state(tmp_path / "no proc", child.pid, 0) == "S"
    child.communicate(b"\n")
    assert process_state(tmp_path / "no proc", child.pid, 0) == ""
