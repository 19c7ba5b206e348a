"""The registry as the agent reads it: whatever lies there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dettui.feed.agent.discovery import Registry, member_of
from dettui.feed.logs import member_of_hello
from dettui_probe import wire
from dettui_probe.places import runtime_dir
from dettui_probe.registry import Entry, publish


def entry(run: str, started: float = 1.0) -> Entry:
    return Entry(
        run=run, name=run, rank=0, world=1, boot="b" * 16, pid=1, pid_start=2, host="h", host_boot="k", log="/l.dlog",
        python="python", started=started, argv=[], cwd="/",
    )  # fmt: skip


def test_what_a_probe_publishes_is_found_oldest_first() -> None:
    publish(entry("second", 2.0))
    publish(entry("first", 1.0))
    assert [member.run for member in Registry(runtime_dir()).members()] == ["first", "second"]


def test_an_entry_says_the_same_as_the_hello(hello: Callable[..., wire.Hello]) -> None:
    publish(entry("r"))
    (member,) = Registry(runtime_dir()).members()
    same = hello(run="r", name="r", host="h", host_boot="k", started=1.0)
    assert member == member_of_hello(same, "/l.dlog")


def test_an_entry_that_changes_is_read_again() -> None:
    registry = Registry(runtime_dir())
    path = publish(entry("r", 1.0))
    registry.members()
    path.write_bytes(path.read_bytes().replace(b"/l.dlog", b"/m.dlog"))
    assert [member.log for member in registry.members()] == ["/m.dlog"]


def test_an_entry_that_is_removed_is_forgotten() -> None:
    registry = Registry(runtime_dir())
    path = publish(entry("r"))
    assert len(registry.members()) == 1
    path.unlink()
    assert registry.members() == ()


def test_no_registry_is_an_empty_one(tmp_path: Path) -> None:
    assert Registry(tmp_path / "nowhere").members() == ()


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b'{"run": 1}', b"\xff\xfe", b"[" * 100_000, b'{"started": 1, "run": "a", "rank": true}'],
)
def test_garbage_is_no_member(text: bytes) -> None:
    assert member_of(text) is None


@given(st.binary(max_size=100))
def test_anything_at_all_is_read_without_complaint(text: bytes) -> None:
    member_of(text)
