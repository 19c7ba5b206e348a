"""What a word on the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from dettui.errors import BadUsage, RunNotFound
from dettui.feed import sources as words
from dettui.feed.sources import Sources, sources_of
from dettui.feed.ssh.target import Way
from dettui_probe import wire
from dettui_probe.framing import MAGIC, pack


@pytest.fixture
def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    """A config that knows gpu01 and node*; three runs on this machine; no network."""
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(words, "can_be_looked_up", lambda word: word == "resolvable")
    (tmp_path / "config").write_text(
        "Host gpu01\n  User me\nHost node*\n  ProxyJump login\nHost *\n  Compression yes\n"
    )
    for run in ("shapes-1", "gpu01-test", "named"):
        log = tmp_path / "runs" / run / "r0-b.dlog"
        log.parent.mkdir(parents=True)
        hello = wire.Hello((1, 1), run, "b" * 16, 0, 1, run, "h", "k", 1, 1, 1.0, [], "/", "python", "0")
        log.write_bytes(MAGIC + pack(0, wire.encode(hello)))
    return Way(("ssh", "-F", str(tmp_path / "config")))


def meant(way: Way, *typed: str) -> str:
    return sources_of(typed, way).title


def test_no_word_means_every_run_of_this_machine(way: Way) -> None:
    assert sources_of([], way) == Sources()
    assert Sources().is_all_local


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        (["gpu01"], "gpu01"),  # a host of the config, though a run's name begins so
        (["gpu01-test"], "gpu01-test"),
        (["node17"], "node17"),
        (["shapes"], "shapes-1"),
        (["me@anywhere"], "me@anywhere"),
        (["anywhere:"], "anywhere"),
        (["anywhere:shapes"], "anywhere:shapes"),
        (["slurm:4711@gpu01"], "slurm:4711@gpu01"),
        (["resolvable"], "resolvable"),
        (["local", "gpu01"], "local runs, gpu01"),
        (["shapes-1", "named", "gpu01:x"], "shapes-1, named, gpu01:x"),
        (["runs/named"], "named"),
        (["gpu01", "gpu01"], "gpu01"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_are_told_apart(way: Way, typed: list[str], title: str) -> None:
    assert meant(way, *typed) == title


def test_a_file_wins_over_a_host_of_the_same_name(way: Way, tmp_path: Path) -> None:
    (tmp_path / "gpu01").symlink_to(tmp_path / "runs" / "named")
    assert meant(way, "gpu01") == "named"


def test_with_a_jump_every_bare_word_is_a_host(way: Way) -> None:
    assert meant(Way(way.ssh, jump="gate"), "inside") == "inside"
    assert meant(Way(way.ssh, jump="gate"), "named") == "named"  # but for the exact name of a run


def test_what_fits_nothing_is_told_with_what_was_looked_for(way: Way) -> None:
    with pytest.raises(RunNotFound, match=r"no run named nowhere: known are .*; nor is it a host that your ssh config"):
        sources_of(["nowhere"], way)


def test_a_path_on_a_host_is_refused_with_a_way_out(way: Way) -> None:
    with pytest.raises(BadUsage, match="dettui ls gpu01"):
        sources_of(["gpu01:/data/run"], way)


def test_a_host_that_looks_like_an_option_is_refused(way: Way) -> None:
    with pytest.raises(BadUsage):
        sources_of(["-oProxyCommand=touch x@y"], way)


def test_a_host_without_ssh_is_told(way: Way) -> None:
    with pytest.raises(BadUsage, match="install OpenSSH"):
        sources_of(["me@gpu01"], Way(("no-such-ssh",)))
