"""The runtime directory is ours alone, and what stands in it is whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dettui_probe import places, registry
from dettui_probe.registry import Entry

ENTRY = Entry("r-1", "r", 2, 4, "beef", 1, 2, "h", "hb", "/x/r2-beef.dlog", "py", 1.5, ["a"], "/")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def announce(home: Path, **fields: object) -> None:
    home.mkdir(exist_ok=True)
    agent = {"in": "ipc:///tmp/a", "query": "ipc:///tmp/q", "pid": os.getpid(), "version": [1, 0], **fields}
    (home / "agent.json").write_text(json.dumps(agent))


def test_without_a_choice_the_directory_is_short_and_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DETTUI_HOME")
    assert places.runtime_dir() == Path(f"/tmp/dettui-{os.getuid()}")


def test_an_entry_is_written_where_readers_look_and_read_back(home: Path) -> None:
    path = registry.publish(ENTRY)
    assert path == home / "reg" / "r-1.2.beef.json"
    assert registry.read_entry(path) == ENTRY
    assert list(path.parent.iterdir()) == [path]
    assert json.loads(path.read_text())["pid_start"] == 2


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"run": 3}'])
def test_an_entry_that_is_broken_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.json").write_text(text)
    assert registry.read_entry(tmp_path / "e.json") is None
    assert registry.read_entry(tmp_path / "absent.json") is None


def test_a_directory_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert places.ensure_private(tmp_path / "open").stat().st_mode & 0o777 == 0o700


def test_a_symlink_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError):
        places.ensure_private(tmp_path / "link")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(PermissionError):
        places.ensure_private(tmp_path / "theirs")


def test_an_agent_that_lives_is_found(home: Path) -> None:
    announce(home)
    agent = registry.announced_agent()
    assert agent is not None
    assert (agent.inlet, agent.version) == ("ipc:///tmp/a", (1, 0))


@pytest.mark.parametrize("fields", [{"pid": 2**31 - 1}, {"pid": 0}, {"pid": -1}, {"pid": 2**80}, {"in": "tcp://*:1"}])
def test_an_agent_that_is_dead_or_elsewhere_is_none(home: Path, fields: dict[str, object]) -> None:
    announce(home, **fields)
    assert registry.announced_agent() is None
