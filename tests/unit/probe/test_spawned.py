"""Workers that are spawned are heard; whatever goes wrong on the way, they run torch's own loop."""

from __future__ import annotations

import functools
import os
import pickle
import sys
import types
from collections.abc import Iterator

import pytest

from dettui_probe import spawned


def torchs_loop(*args: int) -> int:
    return sum(args)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """What stands for torch's module of workers."""
    made = types.ModuleType(spawned.MODULE)
    setattr(made, spawned.NAME, torchs_loop)
    monkeypatch.setitem(sys.modules, spawned.MODULE, made)
    return made


@pytest.fixture
def end() -> Iterator[int]:
    reading, writing = os.pipe()
    yield writing
    os.close(reading)
    os.close(writing)


def test_a_forked_worker_calls_torchs_loop(module: types.ModuleType, end: int) -> None:
    assert spawned.follow(end, None) is not None
    assert module._worker_loop(1, 2) == 3


def test_torchs_loop_is_put_back(module: types.ModuleType, end: int) -> None:
    loop = spawned.follow(end, None)
    assert loop is not None
    assert spawned.follow(end, None) is None  # once is enough
    spawned.unfollow(loop)
    assert module._worker_loop is torchs_loop


def test_a_wrapper_of_somebody_else_stays(module: types.ModuleType, end: int) -> None:
    loop = spawned.follow(end, None)
    assert loop is not None
    theirs = module._worker_loop = functools.partial(loop)
    spawned.unfollow(loop)
    assert module._worker_loop is theirs


def test_pickled_by_anybody_else_it_is_torchs_loop(module: types.ModuleType, end: int) -> None:
    loop = spawned.follow(end, None)
    assert loop is not None
    data = pickle.dumps(loop)
    spawned.unfollow(loop)
    assert pickle.loads(data) is torchs_loop


def test_a_worker_whose_pipe_is_broken_runs_all_the_same(module: types.ModuleType) -> None:
    class Broken:
        def detach(self) -> int:
            raise OSError("gone")

    assert spawned.listening_loop(Broken()) is torchs_loop


def test_without_torch_nothing_is_followed(monkeypatch: pytest.MonkeyPatch, end: int) -> None:
    monkeypatch.delitem(sys.modules, spawned.MODULE, raising=False)
    assert spawned.follow(end, None) is None
