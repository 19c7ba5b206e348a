"""Logs and hellos made by hand, byte for byte as a probe writes them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dettui_probe import wire
from dettui_probe.framing import MAGIC, pack

BOOT = "b" * 16


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry and no runs but those that a test makes."""
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def hello() -> Callable[..., wire.Hello]:
    """A hello of another host, unless told otherwise."""

    def make(**fields: object) -> wire.Hello:
        known: dict[str, object] = {
            "version": (wire.MAJOR, wire.MINOR), "run": "shapes-1", "boot": BOOT, "rank": 0, "world": 1,
            "name": "shapes", "host": "elsewhere", "host_boot": "another", "pid": 1, "pid_start": 2, "started": 5.0,
            "argv": ["train.py"], "cwd": "/", "python": "python", "probe_version": "0.1.0",
        }  # fmt: skip
        return wire.Hello(**{**known, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def rows() -> Callable[..., wire.Batch]:
    """A batch of column 0 at the given steps; the value is the step."""

    def make(*steps: int) -> wire.Batch:
        count = len(steps)
        return wire.Batch(
            [
                wire.Block(
                    [0],
                    struct.pack(f"<{count}q", *steps),
                    struct.pack(f"<{count}d", *(1000.0 + step for step in steps)),
                    struct.pack(f"<{count}d", *map(float, steps)),
                )
            ]
        )

    return make


@pytest.fixture
def write_log() -> Callable[..., bytes]:
    """Writes messages to a log, numbered from *first*; returns its bytes."""

    def write(path: Path, messages: Sequence[wire.AnyMessage], first: int = 0) -> bytes:
        frames = [pack(first + index, wire.encode(message)) for index, message in enumerate(messages)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MAGIC + b"".join(frames))
        return path.read_bytes()

    return write
