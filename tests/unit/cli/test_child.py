"""A training process that we start: its name, its exit code, the end of its output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dettui.cli.child import Child, fresh_run_id, start_behind_dashboard
from dettui.cli.watching import ChildFeed, fares_silently
from dettui.domain.run import RunState
from dettui.errors import DettuiError
from dettui.feed.base import Arrival
from dettui.feed.scripted import ScriptedFeed


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))


def started(code: str) -> Child:
    return start_behind_dashboard([sys.executable, "-c", code], "mine")


def ended(code: str) -> Child:
    child = started(code)
    child.exit_code()
    return child


def test_a_name_is_kept_where_it_is_free_and_gets_a_suffix_where_it_is_not(tmp_path: Path) -> None:
    assert fresh_run_id("mine", "train.py") == "mine"
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    assert fresh_run_id("mine", "train.py").startswith("mine-")


def test_a_run_without_a_name_is_called_after_its_script() -> None:
    assert fresh_run_id(None, "src/train.py").startswith("train-")


def test_a_name_that_is_no_file_name_is_made_one() -> None:
    assert "/" not in fresh_run_id("../../etc/passwd", "train.py")


def test_a_signal_gives_the_exit_code_that_a_shell_would() -> None:
    assert ended("import os; os.kill(os.getpid(), 9)").exit_code() == 128 + 9


def test_the_tail_is_the_end_of_stdout_and_stderr() -> None:
    child = ended("import sys\nfor n in range(99): print(n)\nsys.exit('the end')")
    assert child.tail(lines=2) == "98\nthe end"


def test_nowhere_to_write_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the directory should be")
    (tmp_path / "home").write_text("another")
    with pytest.raises(DettuiError, match="DETTUI_RUNS"):
        started("pass")


def test_a_child_that_says_nothing_is_starting_then_crashed_with_its_last_line() -> None:
    child = started("input()\n")  # its stdin is empty
    assert fares_silently(child).state in (RunState.STARTING, RunState.CRASHED)
    child.exit_code()
    fares = fares_silently(child)
    assert (fares.state, fares.exit_code) == (RunState.CRASHED, 1)
    assert "EOFError" in fares.reason


def test_a_feed_tells_how_the_child_fares_once_until_its_probe_speaks() -> None:
    child = ended("pass")
    feed = ChildFeed(ScriptedFeed([]), child)
    (news,) = feed.poll(0.0)
    assert (news.run, news.liveness and news.liveness.state) == ("mine", RunState.FINISHED)
    assert feed.poll(0.0) == ()


def test_once_the_probe_speaks_the_feed_is_passed_through() -> None:
    arrival = Arrival("mine", "boot", 0)
    feed = ChildFeed(ScriptedFeed([arrival]), ended("pass"))
    assert feed.poll(0.0) == (arrival,)
    assert feed.poll(0.0) == ()


def test_the_child_is_in_a_session_of_its_own() -> None:
    assert ended("import os; print(os.getsid(0) == os.getpid())").tail() == "True"
