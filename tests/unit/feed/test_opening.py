"""From what a user types to a run, or to one line that helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dettui.domain.run import RunState
from dettui.errors import AgentUnavailable, BadUsage, NotARun, RunNotFound
from dettui.feed.opening import list_runs, open_local, resolve_run
from dettui_probe import wire


@pytest.fixture
def record(tmp_path: Path, hello: Callable[..., wire.Hello], write_log: Callable[..., bytes]) -> Callable[..., Path]:
    """Records a run under the runs directory."""

    def make(run: str, name: str = "", **fields: object) -> Path:
        log = tmp_path / "runs" / run / "r0-b.dlog"
        greeting = hello(run=run, name=name or run, **fields)
        write_log(log, [greeting, wire.Beat(7.0, 12, "data", 0.0, 0), wire.Bye(8.0, 12, "finished", 0)])
        return log

    return make


def test_a_log_and_its_directory_are_the_run(record: Callable[..., Path]) -> None:
    log = record("shapes-1")
    assert resolve_run(str(log)).id == resolve_run(str(log.parent)).id == "shapes-1"


def test_a_name_an_id_and_the_beginning_of_one_are_the_run(record: Callable[..., Path]) -> None:
    log = record("shapes-1", name="long training")
    record("cars-1")
    found = [resolve_run(text) for text in ("shapes-1", "long training", "shap", "long")]
    assert {run.id for run in found} == {"shapes-1"}
    assert {run.path for run in found} == {log.parent}


def test_an_exact_name_wins_over_the_beginning_of_another(record: Callable[..., Path]) -> None:
    record("shapes")
    record("shapes-2")
    assert resolve_run("shapes").id == "shapes"


def test_a_beginning_of_several_names_is_refused_with_the_names(record: Callable[..., Path]) -> None:
    record("shapes-1", started=2.0)
    record("shapes-2", started=1.0)
    with pytest.raises(BadUsage, match="shapes could be shapes-1, shapes-2: say which"):
        resolve_run("shapes")


def test_an_unknown_name_is_told_with_near_ones(record: Callable[..., Path]) -> None:
    record("shapes-1")
    with pytest.raises(RunNotFound, match=r"no run named shpaes-1: did you mean shapes-1\?"):
        resolve_run("shpaes-1")
    with pytest.raises(RunNotFound, match="no run named qqqqq: known are shapes-1"):
        resolve_run("qqqqq")


def test_without_any_run_the_error_says_how_to_start_one() -> None:
    with pytest.raises(RunNotFound, match="dettui run -- python"):
        resolve_run("shapes")


def test_a_path_that_does_not_exist_is_no_name() -> None:
    with pytest.raises(RunNotFound, match="no run at"):
        resolve_run("some/where.dlog")


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        resolve_run(str(tmp_path))


def test_an_error_cannot_steer_the_terminal() -> None:
    with pytest.raises(RunNotFound) as raised:
        resolve_run("\x1b[2Jx")
    assert "\x1b" not in str(raised.value)


def test_recorded_runs_are_listed_newest_first(record: Callable[..., Path]) -> None:
    record("old", started=1.0)
    record("new", started=2.0)
    runs = list_runs()
    assert [run.id for run in runs] == ["new", "old"]
    assert (runs[0].step, runs[0].updated, runs[0].ranks) == (12, 8.0, 1)
    assert runs[0].liveness.state is RunState.FINISHED


def test_a_directory_of_something_else_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "runs" / "notes").mkdir(parents=True)
    (tmp_path / "runs" / "notes" / "x.dlog").write_text("not a log")
    assert list_runs() == ()


def test_a_runtime_directory_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "link"))
    with pytest.raises(AgentUnavailable, match="set DETTUI_HOME"):
        open_local()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / ("x" * 100)))
    with pytest.raises(AgentUnavailable, match="too long"):
        open_local()
